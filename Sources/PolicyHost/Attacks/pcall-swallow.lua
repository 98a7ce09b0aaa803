-- class: dos
-- attack: the limit is an error, and errors can be caught.
-- expect: KILLED_CPU
-- within: 250
-- budget: fuel=1000000
for i = 1, 3 do pcall(function() while true do end end) end
return "ESCAPED the limit was swallowed"
