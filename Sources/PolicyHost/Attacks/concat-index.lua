-- class: dos
-- attack: the table's __index is a C function: the loop of concat calls C only.
-- expect: ERR
-- within: 100
local t = setmetatable({}, { __index = table.concat })
return "length " .. #table.concat(t, "", 1, math.maxinteger - 1)
