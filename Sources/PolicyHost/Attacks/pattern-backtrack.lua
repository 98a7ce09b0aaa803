-- class: dos
-- attack: nested repetitions try every way of sharing out the text, inside one C call.
-- expect: ERR
-- within: 100
return tostring(string.find(("a"):rep(200), ".-.-.-.-.-.-b$"))
