-- class: dos
-- attack: the kill comes out of the meter itself, which stays off in that state.
-- expect: KILLED_CPU
-- within: 250
return { on_call = function() while true do end end }
