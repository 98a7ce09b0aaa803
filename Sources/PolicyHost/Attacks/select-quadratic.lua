-- class: dos
-- attack: select copies the rest of its arguments each time.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 400
local t = {}
for i = 1, 20000 do t[i] = i end
local function sum(...) local s = 0; for i = 1, select("#", ...) do s = s + (select(i, ...)) end; return s end
while true do sum(table.unpack(t)) end
