-- class: dos
-- attack: hundreds of thousands of values by one call.
-- expect: ERR
-- within: 100
return "count " .. select("#", utf8.codepoint(("x"):rep(200000), 1, -1))
