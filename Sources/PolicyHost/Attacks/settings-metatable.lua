-- class: escape
-- attack: the metatable of the settings is taken: everybody's settings have the same.
-- expect: OK
-- within: 50
return { on_call = function(request, settings)
  if getmetatable(settings) then return "ESCAPED the metatable is readable" end
  local ok = pcall(setmetatable, settings, {})
  return ok and "ESCAPED the metatable was replaced" or "SAFE"
end }
