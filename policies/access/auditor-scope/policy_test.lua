local function row(name, role, permission, expect, settings)
  return {
    name = name, hook = "on_role_check", settings = settings, expect = expect,
    input = { user = { role = role }, permission = permission, tenant = { kind = "organization" } },
  }
end
local silent = { outcome = "abstain" }

return {
  row("says nothing about others", "developer", "projects:write", silent),
  row("says nothing about what is in scope", "auditor", "billing:read", silent),
  row("says nothing about an export in scope", "auditor", "audit:export", silent),
  row("says nothing about what is the auditor's own", "auditor", "sessions:revoke", silent),
  row("refuses what is out of scope", "auditor", "projects:read", { outcome = "deny", reason = "outside_audit_scope" }),
  row("refuses to write in scope", "auditor", "billing:write", { outcome = "deny", reason = "auditor_writes" }),
  row("takes the scope from the setting", "auditor", "projects:read", silent, { resources = "projects" }),
  row("does not take a part of a word", "auditor", "audi:read", { outcome = "deny", reason = "outside_audit_scope" }),
  row("refuses what is no permission", "auditor", "billing", { outcome = "deny", reason = "malformed_permission" }),
}
