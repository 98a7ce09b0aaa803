-- class: leak
-- attack: a setting is changed for whoever is asked next.
-- expect: OK
-- within: 50
return { on_call = function(request, settings, data)
  if settings.limit ~= 5 or data.nested.limit ~= 5 or data.list[1] ~= 3 then return "ESCAPED the change is still there" end
  for _, try in ipairs{
    function() settings.limit = 6 end, function() rawset(settings, "limit", 6) end, function() data.nested.limit = 6 end,
    function() table.insert(data.list, 1, 9) end, function() table.sort(data.list) end, function() data.list[1] = 9 end,
    function() table.move({ 9 }, 1, 1, 1, data.list) end, function() table.remove(data.list, 1) end,
    function() setmetatable(settings, { __index = { limit = 6 } }) end,
  } do pcall(try) end
  return "SAFE"
end }
