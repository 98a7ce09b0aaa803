-- class: crash
-- attack: lists with holes, from zero, from the end of the numbers, and shared.
-- expect: OK|ERR
-- within: 50
local shared = { 1, 2 }
return { [0] = 1, [math.maxinteger] = 2, [math.mininteger] = 3, a = shared, b = shared }
