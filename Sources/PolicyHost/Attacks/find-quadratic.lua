-- class: dos
-- attack: a plain search that compares half the text at each place.
-- expect: OK
-- within: 200
local s, p = ("a"):rep(250000), ("a"):rep(125000) .. "b"
for i = 1, 9 do if s:find(p, 1, true) then return "ESCAPED found what is not there" end end
return "SAFE"
