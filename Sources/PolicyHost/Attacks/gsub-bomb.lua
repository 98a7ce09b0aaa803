-- class: dos
-- attack: each match is replaced by the whole text.
-- expect: ERR|KILLED_MEM|KILLED_CPU
-- within: 200
local s = ("x"):rep(60000)
return "ESCAPED " .. #s:gsub("x", s)
