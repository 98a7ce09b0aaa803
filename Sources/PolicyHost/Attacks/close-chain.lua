-- class: dos
-- attack: ten thousand variables to be closed, each of which raises.
-- expect: ERR|KILLED_CPU|KILLED_MEM
-- within: 250
local raise = setmetatable({}, { __close = function() error("closed") end })
local function nest(n)
  local guard <close> = raise
  if n > 0 then nest(n - 1) end
  return n
end
nest(10000)
