-- class: crash
-- attack: endless recursion through pcall, which recurses in C.
-- expect: KILLED_MEM|KILLED_CPU|ERR|OK
-- within: 250
local depth = 0
local function f() depth = depth + 1; pcall(f) end
f()
return "SAFE " .. (depth > 0 and "came back" or "")
