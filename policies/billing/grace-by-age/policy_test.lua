local function request(event, age)
  return {
    event = { type = event, provider = "sandbox" },
    tenant = { id = "00000000-0000-7000-8000-000000000001" },
    subscription = {
      id = "00000000-0000-7000-8000-000000000002", tier = "pro", interval = "month", status = "active", quantity = 1, failed_payments = 0,
    },
    payment = { amount_minor = 9900, currency = "USD" },
    customer = age and { age_days = age },
  }
end

local function row(event, actions, age)
  return {
    name = event .. (age and " at " .. age .. " days" or ""),
    hook = "on_payment",
    input = request(event, age),
    expect = { outcome = "plan", actions = actions },
  }
end

return {
  row("checkout_completed", { issue_license{}, send_mail{ template = "purchase_confirmed" } }),
  row("payment_succeeded", { renew_license{}, restore_access{} }),
  row("payment_failed", { start_grace{ days = 3 }, send_mail{ template = "payment_failed" } }),
  row("payment_failed", { start_grace{ days = 3 }, send_mail{ template = "payment_failed" } }, 89),
  row("payment_failed", { start_grace{ days = 7 }, send_mail{ template = "payment_failed" } }, 90),
  row("payment_failed", { start_grace{ days = 7 }, send_mail{ template = "payment_failed" } }, 729),
  row("payment_failed", { start_grace{ days = 21 }, send_mail{ template = "payment_failed" } }, 730),
  row("subscription_updated", {}),
  row("subscription_cancelled", { end_subscription{ when = "period_end" }, send_mail{ template = "subscription_cancelled" } }),
  row("refund_created", { notify_staff{ reason = "refund_created" } }),
  row("dispute_opened", { notify_staff{ reason = "dispute_opened" } }),
  row("dispute_closed", { notify_staff{ reason = "dispute_closed" } }),
}
