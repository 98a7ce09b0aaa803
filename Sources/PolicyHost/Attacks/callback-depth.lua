-- class: crash
-- attack: callbacks inside callbacks: gsub, sort, tostring, pairs, each a level of C.
-- expect: OK|ERR
-- within: 250
local depth = 0
local function dig()
  depth = depth + 1
  local t = { 2, 1 }
  table.sort(t, function() (("x"):gsub("x", function() tostring(setmetatable({}, { __tostring = dig })) end)) return false end)
  return "x"
end
pcall(dig)
return depth > 10 and "SAFE" or "ESCAPED never nested"
