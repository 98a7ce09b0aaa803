-- class: dos
-- attack: next over names is a search each time.
-- expect: KILLED_CPU
-- within: 300
local t = {}
for i = 1, 20000 do t["k" .. i] = i end
local k, n = next(t), 0
while k do k = next(t, k); n = n + 1 end
return "ESCAPED " .. n
