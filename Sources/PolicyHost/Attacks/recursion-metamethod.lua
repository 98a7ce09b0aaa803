-- class: crash
-- attack: a metamethod that needs itself: __index, __eq, __concat, __lt, __tostring in each other.
-- expect: ERR|KILLED_MEM|KILLED_CPU
-- within: 250
local m = {}
m.__index = function(t, k) return t[k .. "x"] end
m.__concat = function(a, b) return tostring(a) .. b end
m.__tostring = function(t) return t .. "" end
m.__lt = function(a, b) return b < a end
m.__eq = function(a, b) return b == setmetatable({}, m) end
local t = setmetatable({}, m)
pcall(function() return t < setmetatable({}, m) end)
pcall(function() return t == setmetatable({}, m) end)
pcall(tostring, t)
return t.missing
