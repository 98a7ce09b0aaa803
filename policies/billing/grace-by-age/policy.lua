-- As billing/dunning, but whoever has paid for long is given longer. Name it in the place of billing/dunning: plans of one layer add up.
return {
  id = "billing.grace-by-age",
  api = 1,
  summary = "Dunning with a grace that grows with the customer's age.",
  settings = {
    new_days = { type = "integer", min = 0, max = 90, default = 3, summary = "Grace of a customer of less than three months." },
    known_days = { type = "integer", min = 0, max = 90, default = 7, summary = "Grace of a customer of three months to two years." },
    old_days = { type = "integer", min = 0, max = 90, default = 21, summary = "Grace of a customer of two years and more." },
  },

  on_payment = function(request, settings)
    local age = request.customer and request.customer.age_days or 0
    local days = age >= 730 and settings.old_days or age >= 90 and settings.known_days or settings.new_days
    local event = request.event.type
    if event == "checkout_completed" then
      return plan{ issue_license{}, send_mail{ template = "purchase_confirmed" } }
    elseif event == "payment_succeeded" then
      return plan{ renew_license{}, restore_access{} }
    elseif event == "payment_failed" then
      return plan{ start_grace{ days = days }, send_mail{ template = "payment_failed" } }
    elseif event == "subscription_cancelled" then
      return plan{ end_subscription{ when = "period_end" }, send_mail{ template = "subscription_cancelled" } }
    elseif event == "refund_created" or event == "dispute_opened" or event == "dispute_closed" then
      return plan{ notify_staff{ reason = event } }
    end
    -- subscription_updated: the mirror follows by itself.
    return plan{}
  end,
}
