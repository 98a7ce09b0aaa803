-- class: leak
-- attack: %p and %s tell addresses: how memory is laid out, and two runs differ.
-- expect: OK
-- within: 50
local shown = string.format("%s %s", {}, function() end)
if shown:find("0x", 1, true) or pcall(string.format, "%p", {}) then return "ESCAPED an address" end
return "SAFE"
