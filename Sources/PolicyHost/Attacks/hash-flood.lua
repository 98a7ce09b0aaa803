-- class: dos
-- attack: short texts made to fall into one bucket cannot be made without the seed; a hundred thousand of them are only memory.
-- expect: KILLED_MEM|KILLED_CPU|OK
-- within: 400
local t = {}
for i = 1, 60000 do t[("k"):rep(8) .. i * 8192] = i end
return "SAFE"
