-- class: dos
-- attack: a comparator in C that always says yes, over a length that is a lie.
-- expect: ERR
-- within: 100
local t = setmetatable({}, { __len = function() return 2147483646 end })
table.sort(t, type)
return "done"
