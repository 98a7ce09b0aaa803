import Store
import Vocabulary

/// What owners are told of a standing, each thing once: reminders before a moment comes, and what came of it.
extension StandingKeeper {
    /// Something that is told at a moment of its own.
    private struct Reminder {
        let template: String
        let due: Timestamp
        /// From here on it would come too late.
        let over: Timestamp
        /// What it is about; two of one thing are one mail.
        let subject: String
        let values: [String: String]
    }

    /// The next moment at which time alone changes the standing, or somebody is due to be reminded.
    func schedule(_ row: SubscriptionRow, _ standing: Standing) throws {
        let moments = ([standing.nextReview] + reminders(row, standing).map(\.due)).compactMap { $0 }.filter { $0 > act.now }
        guard let moment = moments.min() else { return }
        try db.enqueue(
            NewJob(
                StandingReview.kind, key: "\(row.id):\(moment.microseconds)", tenant: db.tenant,
                payload: StandingReview.Job(subscription: row.id, tellsSuspension: false),
                runAt: moment), act)
    }

    private func reminders(_ row: SubscriptionRow, _ standing: Standing) -> [Reminder] {
        [trialReminder(row, standing), renewalReminder(row, standing)].compactMap { $0 } + graceReminders(row, standing)
    }

    private func trialReminder(_ row: SubscriptionRow, _ standing: Standing) -> Reminder? {
        let days = parts.settings[BillingSettings.trialReminderDays]
        guard days > 0, standing.reason == .trial, let end = standing.trialEndsAt else { return nil }
        // Who has cancelled already knows.
        if let cancels = standing.cancelsAt, cancels <= end { return nil }
        return Reminder(
            template: BillingMails.trialEnding, due: end - .days(Int64(days)), over: end, subject: "\(row.id):\(end.seconds)",
            values: ["trial_ends_at": end.iso8601])
    }

    private func renewalReminder(_ row: SubscriptionRow, _ standing: Standing) -> Reminder? {
        let days = parts.settings[BillingSettings.renewalReminderDays]
        guard days > 0, standing.state == .active, standing.reason == .paid, let end = standing.periodEnd else { return nil }
        if let cancels = standing.cancelsAt, cancels <= end { return nil }
        let due = end - .days(Int64(days))
        // Who bought it only now has just read the date.
        guard due > row.createdAt else { return nil }
        var values = ["period_end": end.iso8601]
        if let change = standing.change { values["next_tier"] = tierName(change.tier) }
        return Reminder(
            template: BillingMails.renewalReminder, due: due, over: end, subject: "\(row.id):\(end.seconds)", values: values)
    }

    /// Those that fall into the grace; where it is shorter, `payment_failed` has said it.
    private func graceReminders(_ row: SubscriptionRow, _ standing: Standing) -> [Reminder] {
        guard standing.state == .grace, let start = standing.graceSince, let end = standing.graceUntil else { return [] }
        return BillingSettings.days(parts.settings[BillingSettings.graceReminderDays]).compactMap { days in
            let due = end - .days(days)
            guard due > start else { return nil }
            return Reminder(
                template: BillingMails.graceReminder, due: due, over: end, subject: "\(row.id):\(end.seconds):\(days)",
                values: ["grace_until": end.iso8601])
        }
    }

    func tell(_ before: SubscriptionRow, _ after: SubscriptionRow, _ standing: Standing) throws {
        let mails = BillingMails(db: db, act: act)
        if after.standing == .suspended, before.standing != .suspended {
            // Not at once: news of the payment may be under way.
            let due = act.now + StandingReview.suspensionPause
            try db.enqueue(
                NewJob(
                    StandingReview.kind, key: "\(before.id):suspended:\(due.microseconds)", tenant: db.tenant,
                    payload: StandingReview.Job(subscription: before.id, tellsSuspension: true), runAt: due), act)
        }
        // Of several that are due, as after an outage, the last one says it.
        let due = reminders(before, standing).filter { $0.due <= act.now && act.now < $0.over }
        for (_, several) in Dictionary(grouping: due, by: \.template).sorted(by: { $0.key < $1.key }) {
            guard let last = several.max(by: { $0.due < $1.due }) else { continue }
            try mails.send(last.template, about: last.subject, last.values.merging(["tier": tierName(standing.tier)]) { $1 })
        }
        try tellRecovery(before.id, standing)
        if standing.reason == .unknownPrice, let latest = after.facts.latest {
            let price = latest.providerPrice ?? latest.tier ?? "none"
            try mails.notifyStaff("unknown_price", about: "\(before.id):\(price)", ["subscription": before.id.description, "price": price])
        }
        if standing.reason == .withheld {
            try mails.notifyStaff("license_withheld", about: "\(before.id)", ["subscription": before.id.description])
        }
    }

    /// A suspension that has stood for a while.
    func tellSuspension(_ id: SubscriptionID, _ standing: Standing) throws {
        guard standing.state == .suspended, let end = standing.periodEnd else { return }
        let mails = BillingMails(db: db, act: act)
        let template = standing.reason == .paused ? BillingMails.subscriptionPaused : BillingMails.accessSuspended
        let open = try mails.mark(.suspended, id)
        guard open.isNew else { return }
        // The period says which suspension it is, but for one that comes back in it.
        let about = "\(id):\(end.seconds)"
        let isAgain = try mails.wasSent(template, about: about)
        // Of two subscriptions to one tier, each is known by its time.
        try mails.send(
            template, about: isAgain ? "\(about):\(open.since.microseconds)" : about,
            ["tier": tierName(standing.tier), "period_end": end.iso8601])
    }

    /// Whoever was told that something is wrong is told that it is right again, and nobody else.
    private func tellRecovery(_ id: SubscriptionID, _ standing: Standing) throws {
        guard standing.state == .active || standing.state == .grace else { return }
        let mails = BillingMails(db: db, act: act)
        let suspended = try mails.lift(.suspended, id)
        let failed = standing.state == .active ? try mails.lift(.failed, id) : nil
        guard let since = suspended ?? failed else { return }
        let values = ["tier": tierName(standing.tier)]
        try mails.send(
            suspended == nil ? BillingMails.paymentRecovered : BillingMails.accessRestored, about: "\(id):\(since.microseconds)", values)
    }

    func tierName(_ tier: String) -> String { parts.catalog[tier]?.name ?? tier }
}
