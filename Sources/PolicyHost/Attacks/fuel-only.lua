-- class: dos
-- attack: a loop that is over before any clock is looked at.
-- expect: KILLED_CPU
-- within: 100
-- budget: fuel=100000 cpu_milliseconds=5000
for i = 1, 1000000 do local a = i end
return "ESCAPED more instructions than were paid for"
