-- class: escape
-- attack: all texts share one metatable: who has it has every s:method() of everybody.
-- expect: OK
-- within: 50
local meta = getmetatable("")
if type(meta) == "table" then meta.__index = function(s) return function() return "stolen:" .. s end end end
return "done"
--@@ tenant B
local ok, text = pcall(function() return ("card-4242"):upper() end)
return ok and text == "CARD-4242" and "SAFE" or "ESCAPED texts reach another's code"
