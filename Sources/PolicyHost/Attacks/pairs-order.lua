-- class: integrity
-- attack: the order of a table's keys depends on their hashes, seeded by clock and address.
-- expect: OK
-- within: 50
local t, last = {}, ""
for i = 1, 200 do t["k" .. string.format("%03d", i * 7 % 200)] = i end
for key in pairs(t) do
  if key <= last then return "ESCAPED " .. key .. " came after " .. last end
  last = key
end
local key = next(t)
return key == "k000" and "SAFE" or "ESCAPED next begins with " .. key
