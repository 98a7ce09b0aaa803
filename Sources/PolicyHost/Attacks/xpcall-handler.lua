-- class: dos
-- attack: the handler of the error is the next loop, and its own error the next.
-- expect: KILLED_CPU
-- within: 250
local function spin() while true do end end
for i = 1, 20 do xpcall(spin, spin) end
xpcall(error, function() error("again") end)
return "ESCAPED"
