-- class: dos
-- attack: a linear function in C over a long text, many times between two looks of the meter.
-- expect: KILLED_CPU
-- within: 250
-- budget: fuel=100000 cpu_milliseconds=5000
local s = ("a"):rep(250000)
for i = 1, 400 do local n = utf8.len(s) end
return "ESCAPED a hundred million bytes for nothing"
