-- class: dos
-- attack: the empty text, nine quintillion times: nothing is allocated, the loop is in C.
-- expect: OK
-- within: 50
return "SAFE " .. #string.rep("", math.maxinteger) .. #string.rep("", math.maxinteger, "")
