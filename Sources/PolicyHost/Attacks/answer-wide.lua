-- class: dos
-- attack: an answer of a hundred thousand values.
-- expect: ERR
-- within: 200
local t = {}
for i = 1, 100000 do t[i] = i end
return t
