-- When a tenant leaves whose last subscription was cancelled, and nothing took its place.
return {
  id = "offboarding.cancelled",
  api = 1,
  summary = "Lets a cancelled customer leave now, at the end of what is paid, or not because of it.",
  settings = {
    when = { type = "string", default = "period_end", summary = "now, period_end or never; anything else is period_end." },
    new_days = { type = "integer", min = 0, max = 3650, default = 0, summary = "Customers of fewer days leave at once." },
  },

  on_offboard = function(request, settings)
    if request.subject ~= "tenant" or request.stage ~= "requested" or request.cause ~= "cancelled" then return end
    if settings.when == "now" or request.customer.age_days < settings.new_days then return plan{ leave{ when = "now" } } end
    if settings.when == "never" then return plan{ leave{ when = "never" } } end
    return plan{ leave{ when = "period_end" } }
  end,
}
