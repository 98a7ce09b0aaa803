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

local function as(role) return request{ user = { id = "u1", email_domain = "example.com", role = role } } end
local two = { outcome = "allow", terms = { factors = 2 } }

return {
  { name = "asks an owner for two factors", hook = "on_login", input = as("owner"), expect = two },
  { name = "asks an admin for two factors", hook = "on_login", input = as("admin"), expect = two },
  { name = "asks a developer for nothing", hook = "on_login", input = as("developer"), expect = { outcome = "abstain" } },
  { name = "asks nothing of whom it does not know", hook = "on_login", input = as(nil), expect = { outcome = "abstain" } },
}
