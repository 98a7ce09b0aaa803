local function request(change)
  local input = {
    subject = "tenant",
    stage = "requested",
    user = { id = "u1", role = "owner", is_last_owner = true },
    reason = "price",
    tier = "pro",
    customer = { age_days = 400 },
    has_legal_hold = false,
    has_refused_offer = false,
  }
  for name, value in pairs(change or {}) do input[name] = value end
  return input
end

local function asks(kind, hold)
  return {
    kind = kind, user = { id = "u1", role = "viewer", is_last_owner = false }, region = "eu", has_legal_hold = hold, days_open = 1,
  }
end
local silent = { outcome = "abstain" }

return {
  {
    name = "keeps what would be purged", hook = "on_offboard", input = request{ stage = "retention_over", has_legal_hold = true },
    expect = { outcome = "plan", actions = { notify_staff{ reason = "legal_hold" } } },
  },
  { name = "says nothing before that", hook = "on_offboard", input = request{ has_legal_hold = true }, expect = silent },
  { name = "says nothing without a hold", hook = "on_offboard", input = request{ stage = "retention_over" }, expect = silent },
  {
    name = "refuses an erasure, and restricts instead", hook = "on_data_request", input = asks("erasure", true),
    expect = {
      outcome = "plan",
      actions = { refuse_request{ reason = "legal_hold" }, restrict_processing{}, notify_staff{ reason = "legal_hold" } },
    },
  },
  { name = "says nothing about an export", hook = "on_data_request", input = asks("export", true), expect = silent },
  { name = "says nothing about an erasure without a hold", hook = "on_data_request", input = asks("erasure", false), expect = silent },
}
