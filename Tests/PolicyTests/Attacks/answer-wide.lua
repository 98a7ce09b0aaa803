-- class: dos
-- attack: an answer of a hundred thousand values.
-- expect: ERR|KILLED_MEM
-- within: 200
local t = {}
for i = 1, 100000 do t[i] = i end
return t
