-- class: dos
-- attack: tables, held.
-- expect: KILLED_MEM
-- within: 250
local hold = {}
for i = 1, 150000 do hold[i] = { i, i, i, i } end
return "ESCAPED with " .. #hold
