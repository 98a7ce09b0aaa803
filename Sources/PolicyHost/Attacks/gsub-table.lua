-- class: dos
-- attack: the replacement is looked up in a table whose __index is a function in C.
-- expect: OK|ERR|KILLED_CPU|KILLED_MEM
-- within: 300
local s = ("x"):rep(30000)
local t = setmetatable({}, { __index = string.upper })
pcall(string.gsub, s, ".", t)
return "SAFE"
