local function request(change)
  local input = {
    subject = "tenant",
    stage = "requested",
    user = { id = "", role = "", is_last_owner = false },
    reason = "other",
    tier = "pro",
    customer = { age_days = 400 },
    has_legal_hold = false,
    has_refused_offer = false,
    cause = "cancelled",
  }
  for name, value in pairs(change or {}) do input[name] = value end
  return input
end

local function row(name, change, when, settings)
  return {
    name = name, hook = "on_offboard", input = request(change), settings = settings,
    expect = when and { outcome = "plan", actions = { leave{ when = when } } } or { outcome = "abstain" },
  }
end

return {
  row("lets it leave at the end of what is paid", {}, "period_end"),
  row("lets it leave at once", {}, "now", { when = "now" }),
  row("keeps it", {}, "never", { when = "never" }),
  row("takes a word that it does not know for the end of what is paid", {}, "period_end", { when = "soon" }),
  row("lets new customers leave at once", { customer = { age_days = 13 } }, "now", { new_days = 14 }),
  row("counts a customer's days to the day", { customer = { age_days = 14 } }, "period_end", { new_days = 14 }),
  row("lets new customers leave at once where it keeps others", { customer = { age_days = 1 } }, "now", { when = "never", new_days = 14 }),
  row("says nothing where an owner asked", { cause = "asked" }),
  row("says nothing where nothing was paid for long", { cause = "lapsed" }),
  row("says nothing when it begins", { stage = "period_end" }),
  row("says nothing of a member", { subject = "member" }),
}
