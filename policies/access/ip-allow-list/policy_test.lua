local function request(change)
  local input = {
    user = { id = "u1", email_domain = "example.com", role = "developer" },
    tenant = { kind = "organization", tier = "pro", has_allow_list = true },
    method = "password",
    factors = 1,
    device = { is_known = true },
    address = { is_listed = true },
    recent_failures = 0,
  }
  for name, value in pairs(change or {}) do input[name] = value end
  return input
end

return {
  { name = "says nothing for a listed address", hook = "on_login", input = request(), expect = { outcome = "abstain" } },
  {
    name = "refuses any other",
    hook = "on_login",
    input = request{ address = { is_listed = false } },
    expect = { outcome = "deny", reason = "address_not_listed" },
  },
  {
    name = "says nothing where no list is",
    hook = "on_login",
    input = request{ address = { is_listed = false }, tenant = { kind = "organization", has_allow_list = false } },
    expect = { outcome = "abstain" },
  },
  {
    name = "leaves recovery open",
    hook = "on_login",
    input = request{ address = { is_listed = false }, method = "recovery" },
    expect = { outcome = "abstain" },
  },
}
