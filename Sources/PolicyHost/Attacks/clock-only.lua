-- class: dos
-- attack: a fuel so wide that only the clock can end it.
-- expect: KILLED_CPU
-- within: 250
-- budget: fuel=1000000000000 cpu_milliseconds=50
for i = 1, 60000000 do local a = i end
return "ESCAPED outlived the clock"
