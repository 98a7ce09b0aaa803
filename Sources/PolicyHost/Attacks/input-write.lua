-- class: leak
-- attack: the request is changed for the policy that is asked next.
-- expect: OK
-- within: 50
-- entry: on_seat_request
return { on_seat_request = function(request)
  if request.user.role ~= "developer" or request.seats ~= 5 then return "ESCAPED another changed the request" end
  request.user.role, request.seats = "owner", 1000000
  rawset(request, "seats", 1000000)
  getmetatable(request)
  return "SAFE"
end }
