-- Pilot tiers are open while the pilot is, and only to so many users.
return {
  id = "signup.pilot-cap",
  api = 1,
  summary = "Closes the pilot when it is full.",

  on_signup = function(request)
    if not request.tier or request.tier:sub(1, 6) ~= "pilot_" then return end
    if not request.pilot.enabled then return deny("pilot_closed") end
    if request.pilot.used >= request.pilot.limit then return deny("pilot_full") end
  end,
}
