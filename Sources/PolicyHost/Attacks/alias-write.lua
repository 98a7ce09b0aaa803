-- class: escape
-- attack: the globals are reached by every name that they may have, and changed.
-- expect: OK
-- within: 50
for _, g in ipairs{ _G or {}, _ENV._G or {}, (getmetatable(_ENV) or {}).__index or {} } do
  pcall(rawset, g, "tostring", function() return "owned" end)
end
tostring = function() return "owned" end
return "done"
--@@ tenant B
return tostring(1) == "1" and "SAFE" or "ESCAPED tostring is another's"
