-- class: dos
-- attack: comparing goes from NUL to NUL: a quarter of a million small comparisons by one instruction.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 400
local a, b = ("\0"):rep(250000) .. "a", ("\0"):rep(250000) .. "b"
local n = 0
while true do if a < b then n = n + 1 end end
