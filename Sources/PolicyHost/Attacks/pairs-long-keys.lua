-- class: dos
-- attack: sorting keys that differ in their last letter only.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 400
local t = {}
for i = 1, 24 do t[("x"):rep(240000) .. i] = i end
while true do local k = next(t) k = next(t, k) for k in pairs(t) do break end end
