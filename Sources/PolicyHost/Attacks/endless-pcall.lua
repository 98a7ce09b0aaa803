-- class: dos
-- attack: every error is swallowed and the loop goes on.
-- expect: KILLED_CPU
-- within: 250
while true do pcall(error, "again") end
