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

local function row(name, change, actions)
  return {
    name = name, hook = "on_offboard", input = request(change),
    expect = actions and { outcome = "plan", actions = actions } or { outcome = "abstain" },
  }
end

return {
  row("offers a discount to who has stayed long", {}, { offer{ kind = "discount", discount_basis_points = 2000 } }),
  row("offers it on the day", { customer = { age_days = 180 } }, { offer{ kind = "discount", discount_basis_points = 2000 } }),
  row("offers a smaller tier to who has not", { customer = { age_days = 179 } }, { offer{ kind = "downgrade" } }),
  row("offers a pause to who has no need", { reason = "no_need" }, { offer{ kind = "pause" } }),
  row("lets go who misses something", { reason = "missing_feature" }),
  row("offers nothing twice", { has_refused_offer = true }),
  row("offers nothing to a member", { subject = "member" }),
  row("offers nothing when it is over", { stage = "period_end" }),
}
