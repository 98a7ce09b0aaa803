-- class: dos
-- attack: comparing two long texts is one instruction.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 400
local a, b = ("x"):rep(250000) .. "a", ("x"):rep(250000) .. "b"
local n = 0
while true do if a < b then n = n + 1 end end
