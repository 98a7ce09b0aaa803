-- class: leak
-- attack: addresses in texts tell how memory is laid out, and make two runs differ.
-- expect: OK
-- within: 50
local function has(text) return text:find("0x", 1, true) ~= nil end
local shown = tostring({}) .. tostring(pairs) .. tostring(function() end) .. tostring(allow{})
local _, err = pcall(function() return {} .. "" end)
local _, missing = pcall(function()
  local t = setmetatable({}, { __index = function(_, k) error("no " .. tostring(k)) end })
  return t[{}]
end)
if has(shown) or has(tostring(err)) or has(tostring(missing)) then return "ESCAPED an address" end
return "SAFE"
