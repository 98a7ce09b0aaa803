-- class: dos
-- attack: %b walks to the end of the text from every place.
-- expect: ERR|KILLED_CPU
-- within: 100
return tostring(string.find(("("):rep(100000), "%b()"))
