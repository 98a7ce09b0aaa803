-- class: dos
-- attack: finalizers run with the meter off, an endless one for ever.
-- expect: ERR
-- within: 100
setmetatable({}, { __gc = function() while true do end end })
for i = 1, 1e6 do local t = { i } end
return "survived"
