-- The matrix of the product: one line per role, the permissions it has and those it has not.
local matrix = {
  owner = {
    has = { "workstations:use", "billing:read", "billing:write", "team:manage", "licenses:read", "licenses:write", "seats:release",
      "projects:write", "audit:read", "audit:export", "users:read", "sessions:revoke" },
    lacks = { "policies:write", "plugins:read", "staff:impersonate" },
  },
  admin = {
    has = { "workstations:use", "billing:read", "team:invite", "team:manage", "licenses:write", "seats:release", "projects:write",
      "audit:export" },
    lacks = { "billing:write", "offboarding:start", "policies:read" },
  },
  developer = {
    has = { "workstations:use", "team:read", "seats:acquire", "projects:read", "projects:write", "users:write" },
    lacks = { "billing:read", "team:invite", "licenses:read", "seats:read", "seats:release", "audit:read" },
  },
  contractor = {
    has = { "workstations:use", "seats:acquire", "projects:read" },
    lacks = { "billing:read", "team:read", "licenses:read", "audit:read", "seats:release" },
  },
  auditor = {
    has = { "billing:read", "team:read", "licenses:read", "seats:read", "projects:read", "audit:read", "audit:export" },
    lacks = { "workstations:use", "billing:write", "team:invite", "seats:acquire", "projects:write" },
  },
  viewer = {
    has = { "projects:read", "users:read" },
    lacks = { "workstations:use", "billing:read", "team:read", "seats:acquire", "licenses:read", "projects:write", "audit:read" },
  },
  staff = {
    has = { "billing:read", "licenses:read", "policies:read", "staff:impersonate" },
    lacks = { "billing:write", "policies:write", "seats:release" },
  },
  platform_admin = {
    has = { "billing:write", "policies:write", "plugins:read", "seats:release" },
    lacks = {},
  },
}

local tests = {}

local function ask(role, permission, expect)
  tests[#tests + 1] = {
    name = role .. " " .. expect.outcome .. " " .. permission,
    hook = "on_role_check",
    input = { user = { role = role }, permission = permission, tenant = { kind = "organization" } },
    expect = expect,
  }
end

for role, row in pairs(matrix) do
  for _, permission in ipairs(row.has) do ask(role, permission, { outcome = "allow" }) end
  for _, permission in ipairs(row.lacks) do ask(role, permission, { outcome = "abstain" }) end
end
ask("janitor", "billing:read", { outcome = "deny", reason = "unknown_role" })
ask("owner", "billing", { outcome = "deny", reason = "malformed_permission" })

return tests
