-- class: dos
-- attack: the compiler walks a list anew for each item: a quarter of a megabyte takes it seconds, and no instruction runs.
-- expect: KILLED_CPU
-- within: 250
return a
--@@ repeat 50000 or a 
