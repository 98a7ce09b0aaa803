-- The order in which policies are asked. Platform first, then the tier of whoever is concerned; any deny wins, a number takes its
-- tight end, a lower layer narrows what an upper one said. An edit here is live about a second later, or refused with file and line.
return {
  platform = {
    "access/role-matrix",
    "signup/pilot-cap",
    "billing/dunning",
    { "seats/overdraft", settings = { overdraft_seats = 0 } },
  },
  -- By tier: pilot_starter = { "feature/rule", … }
  tier = {},
}
