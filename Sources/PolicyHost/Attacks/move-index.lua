-- class: dos
-- attack: reading and writing are C functions: the loop of move calls C only.
-- expect: ERR
-- within: 100
local t = setmetatable({}, { __index = type, __newindex = type })
table.move(t, 1, math.maxinteger - 1, 2)
return "done"
