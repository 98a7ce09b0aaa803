-- A tenant that lists its networks lets nobody in from elsewhere. Recovery stays open, or a wrong list would lock everybody out.
return {
  id = "access.ip-allow-list",
  api = 1,
  summary = "Sign-in only from the networks that the tenant lists.",

  on_login = function(request)
    if not request.tenant.has_allow_list or request.address.is_listed then return end
    if request.method == "recovery" then return end
    return deny("address_not_listed")
  end,
}
