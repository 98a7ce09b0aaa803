-- class: crash
-- attack: the file nests deeper than the parser's stack.
-- expect: ERR
-- within: 100
return
--@@ repeat 5000 (
1
--@@ repeat 5000 )
