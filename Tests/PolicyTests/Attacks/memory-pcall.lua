-- class: dos
-- attack: the memory limit is met inside pcall again and again.
-- expect: KILLED_MEM|KILLED_CPU
-- within: 400
local hold = {}
while true do pcall(function() hold[#hold + 1] = ("x"):rep(200000) end) end
