local function request(used)
  return {
    user = { id = "u1", role = "developer" },
    device = { id = "d1" },
    license = { id = "l1", tier = "pro", status = "active", seats = 1, seats_used = used },
  }
end

return {
  { name = "grants nothing as shipped", hook = "on_seat_request", input = request(1), expect = { outcome = "abstain" } },
  {
    name = "grants as many as the setting says",
    hook = "on_seat_request",
    input = request(1),
    settings = { overdraft_seats = 2 },
    expect = { outcome = "allow", terms = { overdraft_seats = 2 } },
  },
  {
    name = "grants a single one",
    hook = "on_seat_request",
    input = request(1),
    settings = { overdraft_seats = 1 },
    expect = { outcome = "allow", terms = { overdraft_seats = 1 } },
  },
  {
    name = "grants the same while seats are free: the kernel counts, not the policy",
    hook = "on_seat_request",
    input = request(0),
    settings = { overdraft_seats = 2 },
    expect = { outcome = "allow", terms = { overdraft_seats = 2 } },
  },
}
