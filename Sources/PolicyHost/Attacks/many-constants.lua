-- class: dos
-- attack: tens of thousands of constants and a table of them.
-- expect: OK|ERR
-- within: 200
local t = {
--@@ repeat 20000 1.5, "k", 
}
return #t == 40000 and "SAFE" or "ESCAPED"
