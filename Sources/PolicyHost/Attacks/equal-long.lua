-- class: dos
-- attack: two equal long texts are not the same text: each comparison reads both.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 400
local a, b = ("x"):rep(125000) .. ("x"):rep(125000), ("x"):rep(250000)
local n = 0
while a == b do n = n + 1 end
