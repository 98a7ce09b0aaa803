-- class: dos
-- attack: tens of thousands of arguments to the functions that take any number.
-- expect: OK|ERR
-- within: 300
local t = {}
for i = 1, 10000 do t[i] = 65 + i % 26 end
for i = 1, 2 do
  if #string.char(table.unpack(t)) ~= 10000 or #utf8.char(table.unpack(t)) ~= 10000 then return "ESCAPED a letter" end
  if math.max(table.unpack(t)) ~= 90 or #table.pack(table.unpack(t)) ~= 10000 then return "ESCAPED a number" end
end
return "SAFE"
