-- class: dos
-- attack: thirty thousand arguments, handed on again and again.
-- expect: ERR|KILLED_MEM|KILLED_CPU
-- within: 300
local t = {}
for i = 1, 30000 do t[i] = i end
local function f(...) return f(1, ...) end
return f(table.unpack(t))
