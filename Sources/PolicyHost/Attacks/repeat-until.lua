-- class: dos
-- attack: an endless loop whose condition is a metamethod.
-- expect: KILLED_CPU
-- within: 250
local never = setmetatable({}, { __eq = function() return false end })
repeat until never == setmetatable({}, {  __eq = function() return false end })
