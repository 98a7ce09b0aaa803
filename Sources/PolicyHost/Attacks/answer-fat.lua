-- class: dos
-- attack: one long text, four thousand times in the answer.
-- expect: ERR
-- within: 100
local text, t = ("x"):rep(200000), {}
for i = 1, 100 do t[i] = text end
return t
