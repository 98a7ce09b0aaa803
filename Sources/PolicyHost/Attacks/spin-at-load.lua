-- class: dos
-- attack: the endless loop stands at file level, before any hook is asked.
-- expect: KILLED_CPU
-- within: 250
for i = 1, 1e12 do end
return { on_call = function() return "ESCAPED" end }
