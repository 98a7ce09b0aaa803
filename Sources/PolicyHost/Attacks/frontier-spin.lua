-- class: dos
-- attack: every gsub stays inside the matcher's own limit; the loop around it does not.
-- expect: KILLED_CPU
-- within: 300
local text = ("ab "):rep(20000)
while true do pcall(string.gsub, text, "%f[%w](%w-)%f[%W]", "%1") end
