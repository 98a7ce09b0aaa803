-- class: dos
-- attack: texts of a quarter of a megabyte that are nearly numbers.
-- expect: KILLED_CPU|KILLED_MEM|ERR
-- within: 300
local s = ("1"):rep(200000)
while true do local n = tonumber(s), tonumber(s, 36) end
