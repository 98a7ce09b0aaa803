local function request(change)
  local input = {
    subject = "member",
    stage = "period_end",
    user = { id = "u1", role = "developer", is_last_owner = false },
    reason = "other",
    tier = "pro",
    customer = { age_days = 400 },
    has_legal_hold = false,
    has_refused_offer = false,
    cause = "removed",
    has_workstation = true,
  }
  for name, value in pairs(change or {}) do input[name] = value end
  return input
end

local function row(name, change, actions, settings)
  return {
    name = name, hook = "on_offboard", input = request(change), settings = settings,
    expect = actions and { outcome = "plan", actions = actions } or { outcome = "abstain" },
  }
end

local gone = { end_membership{}, revoke_access{}, end_shares{} }
local contractor = { id = "u2", role = "contractor", is_last_owner = false }
local owner = { id = "u3", role = "owner", is_last_owner = true }

return {
  row("keeps a workstation for the owners, and tells them", {}, {
    end_membership{}, revoke_access{}, end_shares{}, keep_workstation{ days = 7 }, hand_over{ to = "owner" },
    send_mail{ template = "member_left" },
  }),
  row("keeps it for nobody but the member where it is not handed over", {}, {
    end_membership{}, revoke_access{}, end_shares{}, keep_workstation{ days = 30 },
  }, { workstation_days = 30, hand_over = false }),
  row("keeps nothing where there is nothing", { has_workstation = false }, gone),
  row("keeps nothing for no days", {}, gone, { workstation_days = 0 }),
  row("lets who asks go at once", { stage = "requested" }),
  row("gives notice", { stage = "requested" }, { end_membership{ after_days = 14 } }, { notice_days = 14 }),
  row("gives a contractor none", { stage = "requested", user = contractor }, nil, { notice_days = 14 }),
  row("says nothing of a last owner", { stage = "requested", user = owner }, nil, { notice_days = 14 }),
  row("leaves the end of the days to the kernel", { stage = "retention_over" }),
  row("says nothing of a tenant", { subject = "tenant" }),
}
