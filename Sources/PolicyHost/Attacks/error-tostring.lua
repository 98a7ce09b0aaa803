-- class: escape
-- attack: an error that is a table with a __tostring: it would run after the end.
-- expect: ERR
-- within: 50
error(setmetatable({}, { __tostring = function() while true do end end }))
