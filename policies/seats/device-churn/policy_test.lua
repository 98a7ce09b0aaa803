local function request(devices)
  local input = {
    user = { id = "u1", role = "contractor", recent_devices = devices },
    device = { id = "d1" },
    license = { id = "l1", tier = "pro", status = "active", seats = 5, seats_used = 1 },
    purpose = "interactive",
  }
  return input
end

return {
  { name = "says nothing up to the limit", hook = "on_seat_request", input = request(5), expect = { outcome = "abstain" } },
  { name = "refuses beyond it", hook = "on_seat_request", input = request(6), expect = { outcome = "deny", reason = "too_many_devices" } },
  {
    name = "takes the limit from the setting",
    hook = "on_seat_request",
    input = request(2),
    settings = { most_devices = 1 },
    expect = { outcome = "deny", reason = "too_many_devices" },
  },
}
