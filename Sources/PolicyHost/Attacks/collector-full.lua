-- class: dos
-- attack: most of the memory is held, so that a little garbage costs a whole collection.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 300
local hold = {}
for i = 1, 50000 do hold[i] = { i } end
while true do for i = 1, 100 do local garbage = { i } end end
