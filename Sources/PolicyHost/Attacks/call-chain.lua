-- class: dos
-- attack: a callable table whose __call is itself: retried in C, each time shifting its arguments.
-- expect: ERR
-- within: 100
local t = {}
setmetatable(t, { __call = t })
return t()
