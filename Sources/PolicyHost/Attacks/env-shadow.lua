-- class: escape
-- attack: _ENV is rebound to reach or forge globals; in 5.4.0 to 5.4.3 a constant one corrupted memory.
-- expect: ERR|OK
-- within: 50
local function probe(_ENV) return tostring, x end
local a, b = probe{ x = 1 }
local _ENV <const> = {}
y = 1
return a == nil and b == 1 and y == 1 and "SAFE" or "ESCAPED"
