-- One offer, to those for whom it may matter, and never a second one.
return {
  id = "offboarding.retention-offers",
  api = 1,
  summary = "Offers to stay, by the reason for leaving.",
  settings = {
    discount_basis_points = { type = "integer", min = 0, max = 5000, default = 2000, summary = "Discount in hundredths of a percent." },
    loyal_days = { type = "integer", min = 0, max = 3650, default = 180, summary = "Customers of fewer days are offered no discount." },
  },

  on_offboard = function(request, settings)
    if request.subject ~= "tenant" or request.stage ~= "requested" or request.has_refused_offer then return end
    if request.reason == "price" and request.customer.age_days >= settings.loyal_days then
      return plan{ offer{ kind = "discount", discount_basis_points = settings.discount_basis_points } }
    elseif request.reason == "price" then
      return plan{ offer{ kind = "downgrade" } }
    elseif request.reason == "no_need" then
      return plan{ offer{ kind = "pause" } }
    end
  end,
}
