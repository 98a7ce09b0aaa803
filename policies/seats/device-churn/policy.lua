-- One licence passed from desk to desk shows as one user with many devices.
return {
  id = "seats.device-churn",
  api = 1,
  summary = "Refuses a user who came with too many devices lately.",
  settings = {
    most_devices = { type = "integer", min = 1, max = 1000, default = 5, summary = "Devices that a user may have come with lately." },
  },

  on_seat_request = function(request, settings)
    if request.user.recent_devices > settings.most_devices then return deny("too_many_devices") end
  end,
}
