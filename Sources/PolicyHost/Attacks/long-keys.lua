-- class: dos
-- attack: a long text is hashed in full when it is first a key.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 300
local base, t = ("k"):rep(250000), {}
for i = 1, 1e9 do local v = t[base .. i] end
