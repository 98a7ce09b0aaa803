-- class: dos
-- attack: the length is a lie that insert believes: it shifts as many elements.
-- expect: ERR
-- within: 100
local t = setmetatable({}, { __len = function() return math.maxinteger - 1 end })
table.insert(t, 1, 0)
return "done"
