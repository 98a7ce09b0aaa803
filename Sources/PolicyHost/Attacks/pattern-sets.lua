-- class: dos
-- attack: a set of two hundred thousand items, for every byte of the text.
-- expect: ERR|KILLED_CPU|OK
-- within: 150
return tostring(string.find(("b"):rep(20000), "[" .. ("a"):rep(200000) .. "]"))
