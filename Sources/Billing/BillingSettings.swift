import Vocabulary

package enum BillingSettings {
    package static let graceDays = Setting(
        "billing.grace_days", default: 7, in: 0...90,
        reason: "How long everything works after a payment failed, where the plan of on_payment names no days, or a renewal is missing.")
    package static let defaultProvider = Setting<String>(
        "billing.default_provider", default: "", range: "name of a payment plugin, or empty",
        reason: "Who is asked when a checkout names nobody; empty: the only payment plugin, Stripe where its key is set, else the sandbox.")
    package static let invoiceProvider = Setting<String>(
        "billing.invoice_provider", default: "", range: "name of a payment plugin, or empty",
        reason: "Who is asked when a checkout of a tier that is paid by invoice names nobody; empty: whoever is asked otherwise.")
    package static let eventRetentionDays = Setting(
        "billing.event_retention_days", default: 30, in: 7...365,
        reason: "How long raw webhook events stay; providers repeat for days, so never less than a week.")
    package static let parkedNoticeHours = Setting(
        "billing.parked_notice_hours", default: 24, in: 1...720,
        reason: "Staff is told of an event whose object has not appeared by then.")
    package static let trialReminderDays = Setting(
        "billing.trial_reminder_days", default: 3, in: 0...30, reason: "How long before its end a trial is reminded of; 0: not at all.")
    package static let renewalReminderDays = Setting(
        "billing.renewal_reminder_days", default: 7, in: 0...60, reason: "How long before it a renewal is reminded of; 0: not at all.")
    package static let graceReminderDays = Setting<[String]>(
        "billing.grace_reminder_days", default: ["3", "1"], range: "at most 10 whole numbers of days, 1 … 89; empty for none",
        accepts: { $0.count <= 10 && days($0).count == $0.count },
        reason: "How long before its end a grace is reminded of, beside the mail of the failure itself.")
    package static let webhookBodyBytes = Setting(
        "billing.webhook_max_body_bytes", default: 524_288, in: 65_536...4_194_304,
        reason: "The longest webhook accepted; providers send a few kilobytes, the largest known objects some hundred.")
    package static let successURL = Setting<String>(
        "billing.success_url", default: "/billing/success", range: "a path of this server, or https://…", accepts: isTarget,
        reason: "Where a buyer lands after paying.")
    package static let cancelURL = Setting<String>(
        "billing.cancel_url", default: "/billing/cancelled", range: "a path of this server, or https://…", accepts: isTarget,
        reason: "Where a buyer lands after turning back.")
    package static let portalReturnURL = Setting<String>(
        "billing.portal_return_url", default: "/billing", range: "a path of this server, or https://…", accepts: isTarget,
        reason: "Where the provider's own page leads back to.")

    package static let providerSeconds = Setting(
        "billing.provider_timeout_seconds", default: 25, in: 1...60,
        reason: "How long a provider is waited for; after that the outcome of what it was asked is unknown, and a job finds out.")
    package static let quantityWindow = Setting(
        "billing.quantity_window_seconds", default: 60, in: 0...3_600,
        reason:
            "How long a change of quantity waits for others, so that all of them are one call at the provider and one proration: long enough for a script that adds people one by one, short enough to wait for a seat; 0: each is asked for at once."
    )
    package static let reconcileHours = Setting(
        "billing.reconcile_hours", default: 6, in: 1...168,
        reason: "How often mirror and licences are compared with each provider; webhooks lost for days are found by then.")
    package static let reconcileDays = Setting(
        "billing.reconcile_days", default: 7, in: 1...400,
        reason: "How far back a comparison looks for payments, refunds, disputes and events; longer than any outage that went unseen.")

    package static let all: [AnySetting] = [
        graceDays.erased, defaultProvider.erased, invoiceProvider.erased, eventRetentionDays.erased, parkedNoticeHours.erased,
        trialReminderDays.erased,
        renewalReminderDays.erased, graceReminderDays.erased,
        webhookBodyBytes.erased, providerSeconds.erased, quantityWindow.erased, reconcileHours.erased, reconcileDays.erased,
        successURL.erased, cancelURL.erased,
        portalReturnURL.erased,
    ]

    /// What is no number of days is left out.
    @Sendable static func days(_ texts: [String]) -> [Int64] { texts.compactMap { Int64($0) }.filter { (1...89).contains($0) } }

    @Sendable static func isTarget(_ text: String) -> Bool {
        text.utf8.count <= 1_000
            && (text.hasPrefix("/") && !text.hasPrefix("//") || text.hasPrefix("https://") || text.hasPrefix("http://127.0.0.1"))
    }
    /// A path of this server, under the origin that the caller sees.
    static func target(_ text: String, origin: String) -> String { text.hasPrefix("/") ? origin + text : text }
}
