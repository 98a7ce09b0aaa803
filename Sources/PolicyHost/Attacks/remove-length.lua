-- class: dos
-- attack: the length is a lie that remove believes.
-- expect: ERR
-- within: 100
local t = setmetatable({}, { __len = function() return math.maxinteger - 1 end })
table.remove(t, 1)
return "done"
