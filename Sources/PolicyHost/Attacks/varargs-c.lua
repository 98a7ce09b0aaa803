-- class: dos
-- attack: thirty thousand arguments for a C function: copied by one instruction each time.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 300
local t = {}
for i = 1, 30000 do t[i] = i end
local function f(...) while true do math.max(...) pcall(select, "#", ...) end end
f(table.unpack(t))
