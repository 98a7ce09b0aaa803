-- What follows from what a payment provider tells. The kernel checks each action against the facts before it runs it.
return {
  id = "billing.dunning",
  api = 1,
  summary = "Issue, renew, grace and end by payment state.",
  settings = {
    grace_days = { type = "integer", min = 0, max = 90, default = 7, summary = "Days in which everything works after a failed payment." },
  },

  on_payment = function(request, settings)
    local event = request.event.type
    if event == "checkout_completed" then
      return plan{ issue_license{}, send_mail{ template = "purchase_confirmed" } }
    elseif event == "payment_succeeded" then
      return plan{ renew_license{}, restore_access{} }
    elseif event == "payment_failed" then
      return plan{ start_grace{ days = settings.grace_days }, send_mail{ template = "payment_failed" } }
    elseif event == "subscription_cancelled" then
      return plan{ end_subscription{ when = "period_end" }, send_mail{ template = "subscription_cancelled" } }
    elseif event == "refund_created" or event == "dispute_opened" or event == "dispute_closed" then
      return plan{ notify_staff{ reason = event } }
    end
    -- subscription_updated: the mirror follows by itself.
    return plan{}
  end,
}
