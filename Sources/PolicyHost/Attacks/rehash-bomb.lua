-- class: dos
-- attack: keys that come and go at the size where the table is laid out anew.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 400
local t = {}
for i = 1, 65537 do t[i] = i end
for i = 1, 1e9 do t[-i] = 1; t[-i] = nil end
