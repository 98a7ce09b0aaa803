-- class: crash
-- attack: two hundred levels of C, each as wide as it can be.
-- expect: OK|ERR
-- within: 200
local depth = 0
local function dig()
  depth = depth + 1
  return (("x"):gsub("x", function() return string.format("%s%99.99f", dig(), 1e308) end))
end
local ok = pcall(dig)
return "SAFE " .. depth
