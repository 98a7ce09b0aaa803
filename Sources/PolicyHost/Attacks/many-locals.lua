-- class: crash
-- attack: more locals, upvalues and constants than a function can have.
-- expect: ERR
-- within: 100
--@@ repeat 300 local a = 1 ; 
return "ESCAPED"
