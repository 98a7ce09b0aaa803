local function request(tier, enabled, used)
  return {
    user = { email_domain = "example.com" },
    organization_kind = "organization",
    tier = tier,
    pilot = { enabled = enabled, limit = 10, used = used },
  }
end

local function row(name, input, expect) return { name = name, hook = "on_signup", input = input, expect = expect } end

return {
  row("says nothing about other tiers", request("pro", false, 99), { outcome = "abstain" }),
  row("says nothing where no tier was chosen", request(nil, false, 99), { outcome = "abstain" }),
  row("lets the last one in", request("pilot_starter", true, 9), { outcome = "abstain" }),
  row("stops at the limit", request("pilot_starter", true, 10), { outcome = "deny", reason = "pilot_full" }),
  row("stops beyond the limit", request("pilot_professional", true, 11), { outcome = "deny", reason = "pilot_full" }),
  row("is closed while the pilot is not enabled", request("pilot_starter", false, 0), { outcome = "deny", reason = "pilot_closed" }),
}
