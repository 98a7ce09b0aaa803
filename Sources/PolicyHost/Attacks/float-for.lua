-- class: dos
-- attack: a numeric loop over floats that never comes nearer.
-- expect: KILLED_CPU
-- within: 250
for i = 2^53, 2^53 + 2, 0.1 do end
for i = 1, math.huge do end
return "ended"
