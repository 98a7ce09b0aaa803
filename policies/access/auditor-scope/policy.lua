-- An auditor is asked in for something. The role matrix says what the role may read; this says what this audit is about.
local own = { users = true, sessions = true, api_keys = true }

return {
  id = "access.auditor-scope",
  api = 1,
  summary = "Auditors read only what the audit is about.",
  settings = {
    resources = { type = "string", default = "audit compliance billing licenses", summary = "Resources in scope, with blanks between." },
  },

  on_role_check = function(request, settings)
    if request.user.role ~= "auditor" then return end
    local resource, verb = request.permission:match("^([a-z_]+):([a-z_]+)$")
    if not resource then return deny("malformed_permission") end
    if own[resource] then return end
    if verb ~= "read" and verb ~= "export" then return deny("auditor_writes") end
    for word in settings.resources:gmatch("[a-z_]+") do
      if word == resource then return end
    end
    return deny("outside_audit_scope")
  end,
}
