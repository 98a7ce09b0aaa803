-- class: dos
-- attack: a variable that is to be closed goes on spinning when the call around it ends.
-- expect: KILLED_CPU
-- within: 250
local function spin() while true do end end
local guard <close> = setmetatable({}, { __close = spin })
pcall(spin)
return "ESCAPED"
