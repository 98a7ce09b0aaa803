-- class: dos
-- attack: one call makes a gigabyte.
-- expect: ERR|KILLED_MEM
-- within: 100
return "ESCAPED " .. #("x"):rep(1 << 30) .. #("x"):rep(1 << 20, ("y"):rep(1000))
