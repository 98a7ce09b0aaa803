-- Contractors work in working hours; whoever else asks is not concerned. A seat that is held is not taken away when the hour is over.
return {
  id = "seats.contractor-hours",
  api = 1,
  summary = "Seats for contractors only in working hours, UTC.",
  settings = {
    from_hour = { type = "integer", min = 0, max = 23, default = 8, summary = "First hour in which a seat is given." },
    to_hour = { type = "integer", min = 1, max = 24, default = 18, summary = "First hour in which none is given any more." },
    on_weekends = { type = "boolean", default = false, summary = "Also on Saturday and Sunday." },
  },

  on_seat_request = function(request, settings)
    if request.user.role ~= "contractor" then return end
    local now = request.now
    if now.weekday > 5 and not settings.on_weekends then return deny("weekend") end
    if now.hour < settings.from_hour then
      return deny("outside_hours", { retry_after_seconds = (settings.from_hour - now.hour) * 3600 - now.minute * 60 })
    end
    if now.hour >= settings.to_hour then return deny("outside_hours") end
  end,
}
