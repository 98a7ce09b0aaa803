-- class: dos
-- attack: endless recursion in Lua.
-- expect: KILLED_MEM|KILLED_CPU|ERR
-- within: 250
local function f(n) return 1 + f(n + 1) end
return "ESCAPED " .. f(1)
