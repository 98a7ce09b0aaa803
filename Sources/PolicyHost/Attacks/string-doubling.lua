-- class: dos
-- attack: a text doubles with each instruction.
-- expect: KILLED_MEM
-- within: 100
local s = "x"
for i = 1, 20 do s = s .. s end
return "ESCAPED " .. #s
