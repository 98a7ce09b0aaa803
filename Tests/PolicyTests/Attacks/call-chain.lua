-- class: dos
-- attack: a callable table whose __call is itself: the call is retried in C for ever, each time shifting its arguments.
-- expect: ERR (metamethods other than __index and __newindex must be functions)
-- within: 100
local t = {}
setmetatable(t, { __call = t })
return t()
