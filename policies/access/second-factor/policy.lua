-- Whoever can spend the tenant's money, or appoint who can, proves two things.
local spending = { "owner", "admin", "platform_admin" }

return {
  id = "access.second-factor",
  api = 1,
  summary = "Two factors for roles that reach billing.",

  on_login = function(request)
    if contains(spending, request.user.role) then return allow{ factors = 2 } end
  end,
}
