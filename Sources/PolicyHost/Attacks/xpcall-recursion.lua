-- class: crash
-- attack: a handler that raises inside a handler that raises.
-- expect: OK|ERR
-- within: 250
local n = 0
local function handler(e) n = n + 1; error(e) end
local ok, e = xpcall(error, handler, "x")
local function nest(d) return xpcall(d > 150 and error or nest, handler, d + 1) end
nest(1)
return ok and "ESCAPED" or "SAFE"
