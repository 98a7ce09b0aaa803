-- class: crash
-- attack: a table that holds itself.
-- expect: ERR
-- within: 100
-- budget: nodes=1000000000
local t = {}
t.self = t
return t
