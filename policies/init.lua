-- The order in which policies are asked. Platform first, then the tier of whoever is concerned; any deny wins, a number takes its
-- tight end, a lower layer narrows what an upper one said. An edit here is live about a second later, or refused with file and line.
return {
  platform = {
    "access/role-matrix",
    "signup/pilot-cap",
    "billing/dunning",
    { "seats/overdraft", settings = { overdraft_seats = 0 } },
    { "offboarding/leavers", settings = { workstation_days = 7, hand_over = true, notice_days = 0 } },
  },
  -- Off: each changes what is decided today, or waits for a hook that the server does not ask yet (docs/reference/hooks.md).
  --   "seats/contractor-hours", "seats/device-churn", "access/auditor-scope"
  --   "billing/grace-by-age" or "billing/dunning-by-reason", in the place of "billing/dunning"
  --   "access/ip-allow-list", "access/second-factor", "offboarding/retention-offers", "offboarding/legal-hold",
  --   "offboarding/cancelled"
  -- By tier: enterprise = { { "seats/overdraft", settings = { overdraft_seats = 5 } } } lends five seats to enterprise alone.
  tier = {},
}
