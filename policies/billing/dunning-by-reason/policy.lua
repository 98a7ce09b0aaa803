-- As billing/dunning, but a card that may pay another day is given longer than one that never will. Name it in the place of billing/dunning:
-- plans of one layer add up.
return {
  id = "billing.dunning-by-reason",
  api = 1,
  summary = "Dunning with a grace that follows from why the payment was declined.",
  settings = {
    grace_days = { type = "integer", min = 0, max = 90, default = 7, summary = "Grace where nobody says why, or the customer must act." },
    retry_days = { type = "integer", min = 0, max = 90, default = 14, summary = "Grace where the same card may pay another day." },
    lost_days = { type = "integer", min = 0, max = 90, default = 2, summary = "Grace where the card was reported lost or stolen." },
  },

  on_payment = function(request, settings)
    local event = request.event.type
    if event == "checkout_completed" then
      return plan{ issue_license{}, send_mail{ template = "purchase_confirmed" } }
    elseif event == "payment_succeeded" then
      return plan{ renew_license{}, restore_access{} }
    elseif event == "payment_failed" then
      local reason = request.event.decline_reason
      if reason == "lost_or_stolen" then
        return plan{
          start_grace{ days = settings.lost_days }, send_mail{ template = "payment_failed" }, notify_staff{ reason = "card_lost_or_stolen" },
        }
      end
      local can_retry = reason == "insufficient_funds" or reason == "processing_error"
      return plan{
        start_grace{ days = can_retry and settings.retry_days or settings.grace_days }, send_mail{ template = "payment_failed" },
      }
    elseif event == "subscription_cancelled" then
      return plan{ end_subscription{ when = "period_end" }, send_mail{ template = "subscription_cancelled" } }
    elseif event == "refund_created" or event == "dispute_opened" or event == "dispute_closed" then
      return plan{ notify_staff{ reason = event } }
    end
    -- subscription_updated: the mirror follows by itself.
    return plan{}
  end,
}
