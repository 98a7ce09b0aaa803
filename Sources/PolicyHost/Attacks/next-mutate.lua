-- class: crash
-- attack: the table is emptied and filled while it is walked.
-- expect: OK
-- within: 200
local t = {}
for i = 1, 200 do t["k" .. i] = i end
for k in pairs(t) do t[k] = nil; t["new" .. k] = 1 end
local k = next(t)
while k do local after = next(t, k); t[k] = nil; k = after end
return next(t) == nil and "SAFE" or "ESCAPED something is left"
