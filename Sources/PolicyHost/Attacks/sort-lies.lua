-- class: crash
-- attack: comparators that lie, change the table and raise in the middle.
-- expect: OK
-- within: 200
local t = {}
for i = 1, 500 do t[i] = i end
table.sort(t, function() return true end)
table.sort(t, function(a, b) t[#t] = nil; return a > b end)
pcall(table.sort, t, function() error("stop") end)
return "SAFE"
