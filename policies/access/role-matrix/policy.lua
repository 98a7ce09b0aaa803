-- Grants what the role's list in roles.lua names. Everything else it leaves to other policies; where none speaks, nobody may.
return {
  id = "access.role-matrix",
  api = 1,
  summary = "The role matrix of roles.lua.",
  data = { "roles" },

  on_role_check = function(request, settings, data)
    local role = data.roles.roles[request.user.role]
    if not role then return deny("unknown_role") end
    local granted, wanted = role.permissions, request.permission
    if contains(granted, wanted) then return allow{} end
    local resource, verb = wanted:match("^([a-z_]+):([a-z_]+)$")
    if not resource then return deny("malformed_permission") end
    if contains(granted, resource .. ":*") or contains(granted, "*:" .. verb) or contains(granted, "*") then return allow{} end
  end,
}
