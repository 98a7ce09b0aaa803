-- class: escape
-- attack: a function in the answer.
-- expect: ERR
-- within: 50
return { f = function() return "called by the host" end, g = string.rep }
