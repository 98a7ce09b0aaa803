-- class: dos
-- attack: hundreds of thousands of values onto the stack by one call.
-- expect: ERR
-- within: 100
return "count " .. select("#", table.unpack({}, 1, 200000))
