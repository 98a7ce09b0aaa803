-- class: dos
-- attack: endless tail calls, which need no stack.
-- expect: KILLED_CPU
-- within: 250
local function a(n) return a(n + 1) end
return a(1)
