-- Who may do what. A permission is resource:verb; "resource:*" is every verb of a resource, "*:verb" a verb on every resource, "*" all.
-- What a role may touch within a permission (own leases, shared or scoped projects, roles below the own one) is the kernel's to check.
local own = { "users:read", "users:write", "sessions:read", "sessions:revoke", "api_keys:own" }

local function with_own(permissions)
  for _, permission in ipairs(own) do permissions[#permissions + 1] = permission end
  return permissions
end

return {
  api = 1,
  roles = {
    owner = {
      permissions = with_own {
        "workstations:*", "billing:*", "team:*", "licenses:*", "seats:*", "projects:*", "files:*", "audit:*", "tenant:*", "api_keys:*",
        "usage:*", "support:*", "compliance:*", "data_requests:*", "offboarding:*", "webhooks:*", "sso:*", "tenant_policies:*",
      },
    },
    admin = {
      permissions = with_own {
        "workstations:*", "billing:read", "team:*", "licenses:*", "seats:*", "projects:*", "files:*", "audit:*", "tenant:read", "api_keys:*",
        "usage:read", "support:*", "compliance:read", "webhooks:*", "sso:*", "tenant_policies:*",
      },
    },
    developer = {
      permissions = with_own {
        "workstations:use", "team:read", "seats:acquire", "projects:read", "projects:write", "files:read", "files:write", "support:*",
      },
    },
    contractor = {
      permissions = with_own {
        "workstations:use", "seats:acquire", "projects:read", "projects:write", "files:read", "files:write",
      },
    },
    auditor = {
      permissions = with_own {
        "billing:read", "team:read", "licenses:read", "seats:read", "projects:read", "audit:read", "audit:export", "compliance:read",
      },
    },
    viewer = {
      permissions = with_own { "projects:read", "files:read" },
    },
    -- Platform roles.
    staff = {
      permissions = with_own { "*:read", "support:*", "staff:*" },
    },
    platform_admin = {
      permissions = { "*" },
    },
  },
}
