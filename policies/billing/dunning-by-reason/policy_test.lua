local function request(event, reason)
  return {
    event = { type = event, provider = "sandbox", decline_reason = reason },
    tenant = { id = "00000000-0000-7000-8000-000000000001" },
    subscription = {
      id = "00000000-0000-7000-8000-000000000002", tier = "pro", interval = "month", status = "active", quantity = 1, failed_payments = 0,
    },
    payment = { amount_minor = 9900, currency = "USD" },
  }
end

local function row(event, actions, reason, settings)
  return {
    name = event .. (reason and " because of " .. reason or "") .. (settings and " with settings" or ""),
    hook = "on_payment",
    input = request(event, reason),
    settings = settings,
    expect = { outcome = "plan", actions = actions },
  }
end

local function grace(days) return { start_grace{ days = days }, send_mail{ template = "payment_failed" } } end
local function lost(days)
  return { start_grace{ days = days }, send_mail{ template = "payment_failed" }, notify_staff{ reason = "card_lost_or_stolen" } }
end

return {
  row("checkout_completed", { issue_license{}, send_mail{ template = "purchase_confirmed" } }),
  row("payment_succeeded", { renew_license{}, restore_access{} }),
  row("payment_failed", grace(7)),
  row("payment_failed", grace(14), "insufficient_funds"),
  row("payment_failed", grace(14), "processing_error"),
  row("payment_failed", grace(7), "expired_card"),
  row("payment_failed", grace(7), "incorrect_details"),
  row("payment_failed", grace(7), "authentication_required"),
  row("payment_failed", grace(7), "not_accepted"),
  row("payment_failed", grace(7), "other"),
  row("payment_failed", lost(2), "lost_or_stolen"),
  row("payment_failed", grace(30), "insufficient_funds", { retry_days = 30 }),
  row("payment_failed", grace(9), "other", { grace_days = 9 }),
  row("payment_failed", lost(0), "lost_or_stolen", { lost_days = 0 }),
  row("subscription_updated", {}),
  row("subscription_cancelled", { end_subscription{ when = "period_end" }, send_mail{ template = "subscription_cancelled" } }),
  row("refund_created", { notify_staff{ reason = "refund_created" } }),
  row("dispute_opened", { notify_staff{ reason = "dispute_opened" } }),
  row("dispute_closed", { notify_staff{ reason = "dispute_closed" } }),
}
