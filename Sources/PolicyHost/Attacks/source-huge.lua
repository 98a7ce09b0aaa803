-- class: dos
-- attack: a file of a megabyte, all of it compiled before the first instruction runs.
-- expect: ERR
-- within: 50
--@@ repeat 100000 a = 1 ; 
return "ESCAPED compiled"
