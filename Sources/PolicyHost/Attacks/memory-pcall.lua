-- class: dos
-- attack: the memory limit is met inside pcall again and again, each time with a whole collection.
-- expect: KILLED_MEM
-- within: 400
local hold = {}
for i = 1, 200 do pcall(function() hold[#hold + 1] = ("x"):rep(200000) .. i end) end
return "ESCAPED out of memory was swallowed"
