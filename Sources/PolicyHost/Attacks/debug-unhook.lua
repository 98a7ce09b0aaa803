-- class: dos
-- attack: the meter is a debug hook; whoever has debug takes it off.
-- expect: ERR
-- within: 250
debug.sethook()
while true do end
