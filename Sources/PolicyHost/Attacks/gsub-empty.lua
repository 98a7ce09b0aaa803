-- class: dos
-- attack: the empty pattern matches everywhere in a long text.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 300
local s = ("a"):rep(250000)
while true do s:gsub("", "") end
