local function request(change)
  local input = {
    user = { id = "u1", role = "contractor", recent_devices = 1 },
    device = { id = "d1" },
    license = { id = "l1", tier = "pro", status = "active", seats = 5, seats_used = 1 },
    purpose = "interactive",
  }
  for name, value in pairs(change or {}) do input[name] = value end
  return input
end

local function row(name, input, expect, settings)
  return { name = name, hook = "on_seat_request", input = input, expect = expect, settings = settings }
end

return {
  row("says nothing in working hours", request(), { outcome = "abstain" }),
  row("says nothing in the first minute", request{ now = { hour = 8, minute = 0 } }, { outcome = "abstain" }),
  row("says nothing in the last hour", request{ now = { hour = 17 } }, { outcome = "abstain" }),
  row("refuses before, until the hour", request{ now = { hour = 6, minute = 30 } },
    { outcome = "deny", reason = "outside_hours", retry_after_seconds = 5400 }),
  row("refuses after", request{ now = { hour = 18 } }, { outcome = "deny", reason = "outside_hours" }),
  row("says nothing on Friday", request{ now = { weekday = 5 } }, { outcome = "abstain" }),
  row("refuses at weekends", request{ now = { weekday = 6 } }, { outcome = "deny", reason = "weekend" }),
  row("lets them work at weekends where the setting says so", request{ now = { weekday = 6 } }, { outcome = "abstain" }, { on_weekends = true }),
  row("does not concern others", request{ user = { id = "u1", role = "developer", recent_devices = 1 }, now = { hour = 3, weekday = 7 } },
    { outcome = "abstain" }),
}
