-- class: dos
-- attack: every step stays inside the matcher's own limit; the loop around it does not.
-- expect: KILLED_CPU
-- within: 300
local text = ("ab "):rep(20000)
while true do for word in text:gmatch("%f[%w]%w-%f[%W]") do local n = #word end end
