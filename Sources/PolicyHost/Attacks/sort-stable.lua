-- class: integrity
-- attack: an unstable sort, seeded by clock and address, orders equals differently in two runs.
-- expect: OK
-- within: 50
local t = {}
for i = 1, 400 do t[i] = { i % 2, i } end
table.sort(t, function(a, b) return a[1] < b[1] end)
for i = 2, #t do
  if t[i - 1][1] == t[i][1] and t[i - 1][2] > t[i][2] then return "ESCAPED equals changed places" end
end
return "SAFE"
