-- class: escape
-- attack: the metatable that getmetatable gives gets __gc and __mode after the check.
-- expect: OK
-- within: 200
local t = setmetatable({}, {})
local mt = getmetatable(t)
rawset(mt, "__gc", function() leaked = true end)
rawset(mt, "__mode", "k")
t = nil
for i = 1, 20000 do local garbage = { i } end
return leaked and "ESCAPED a finalizer ran" or "SAFE"
