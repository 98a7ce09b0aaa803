-- class: dos
-- attack: little is alive, much is asked for: the allocator and the collector do the work.
-- expect: KILLED_MEM
-- within: 300
-- budget: allocation_bytes=16777216 cpu_milliseconds=5000
for i = 1, 150 do local s = ("x"):rep(200000) .. i end
return "ESCAPED through thirty megabytes"
