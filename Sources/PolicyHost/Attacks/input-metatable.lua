-- class: escape
-- attack: the request's metatable is taken or replaced.
-- expect: ERR
-- within: 50
-- entry: on_seat_request
return { on_seat_request = function(request)
  if getmetatable(request) then return "ESCAPED the metatable is readable" end
  setmetatable(request, { __index = function() return "stolen" end })
  return "ESCAPED"
end }
