-- class: crash
-- attack: errors that are no texts: nil, numbers, tables, functions, themselves.
-- expect: OK
-- within: 50
local self = setmetatable({}, { __tostring = function(t) error(t) end, __index = function() error("index") end })
for _, value in ipairs{ false, 1, 1.5, self, error, "" } do
  local ok, e = pcall(error, value)
  if ok then return "ESCAPED an error was lost" end
  xpcall(error, function(e) return e end, value, 2)
end
pcall(error)
pcall(pcall)
pcall(xpcall, error)
return "SAFE"
