-- Lets a licence run a few seats over, where the operator says how many.
return {
  id = "seats.overdraft",
  api = 1,
  summary = "Seats beyond the licence's own.",
  settings = {
    overdraft_seats = {
      type = "integer", min = 0, max = 1000, default = 0,
      summary = "Leases allowed beyond the licence's seats; 0 allows none.",
    },
  },

  on_seat_request = function(request, settings)
    if settings.overdraft_seats > 0 then return allow{ overdraft_seats = settings.overdraft_seats } end
  end,
}
