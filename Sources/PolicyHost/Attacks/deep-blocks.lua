-- class: crash
-- attack: blocks, functions and tables nested thousands deep.
-- expect: ERR
-- within: 100
--@@ repeat 4000 function a() do 
--@@ repeat 4000 local t = {{
return 1
