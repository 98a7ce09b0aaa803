import Store
import Vocabulary

/// What channels tell of mails that they took, and whom nothing is sent to because of it.
extension Notifications {
    /// How many reports were new and of our mails.
    package func receive(_ delivery: WebhookDelivery, channel: String, _ act: Act) async throws -> Int {
        let reports: [MailReport]
        do { reports = try await transport.reports(delivery, channel: channel) } catch { throw NotificationProblems.ofReport(error) }
        let act = Act(actor: .provider(channel), requestID: act.requestID, now: act.now, address: act.address)
        var count = 0
        for start in stride(from: 0, to: reports.count, by: 200) {
            let some = Array(reports[start..<min(start + 200, reports.count)])
            count += try await store.kernel(KernelReason("notifications.reports")) { db in
                try some.filter { try apply($0, channel, in: db, act) }.count
            }
        }
        return count
    }

    private func apply(_ report: MailReport, _ channel: String, in db: any KernelScope, _ act: Act) throws -> Bool {
        guard try db.row(NotificationTable.insertReport, channel, report.id, act.now) != nil else { return false }
        let mail = String(report.mail.prefix { $0 != "@" })
        guard let row = try db.row(NotificationTable.delivery, mail) else { return false }
        let address = try row.blob(1)
        // Of whom the mail went to, not of whoever it was passed on to.
        guard address == digest(of: report.recipient) else { return false }
        let (user, template): (UserID, String) = (try row.id(2), try row.text(3))
        let fate = MailFate(report.fate)
        try join(mail, fate, report.code, in: db, act)
        let isNew = report.isLasting ? try suppress(address, of: user, fate.cause, report.code, in: db, act) : false
        if fate.isTold {
            let details: [String: JSONValue] = [
                "user": .string(user.description), "template": .string(template), "code": .string(report.code), "channel": .string(channel),
                "suppressed": .bool(isNew),
            ]
            try db.journal(JournalEntry("mail.\(fate.rawValue)", subject: "mail:\(mail)", details: .object(details)), act)
        }
        return true
    }

    // MARK: - Who gets no mail

    /// The newest first, all since `before`.
    package func suppressions(before: Timestamp, limit: Int) async throws -> [MailSuppression] {
        try await store.kernelRead(KernelReason("notifications.suppressions")) { db in
            try db.rows(NotificationTable.suppressions, before, limit).map { try Self.suppression($0) }
        }
    }

    package func suppressions(of users: [UserID]) async throws -> [MailSuppression] {
        try await store.kernelRead(KernelReason("notifications.suppressions_of")) { db in
            try users.flatMap { try db.rows(NotificationTable.suppressionsOf, $0).map { try Self.suppression($0) } }
        }
    }

    /// What became of the newest mails to a person.
    package func deliveries(of user: UserID, limit: Int) async throws -> [MailStanding] {
        try await store.kernelRead(KernelReason("notifications.deliveries")) { db in
            try db.rows(NotificationTable.deliveriesOf, user, limit).map { row in
                guard let fate = MailFate(rawValue: try row.text(2)) else { throw StoreFault.corrupt("notifications: an unknown fate") }
                return MailStanding(
                    mail: try row.text(0), template: try row.text(1), fate: fate, code: try row.text(3), attempts: try row.int(4),
                    changedAt: try row.time(5))
            }
        }
    }

    /// The address is tried again with the next mail; what was not sent meanwhile stays unsent.
    package func lift(_ id: SuppressionID, _ act: Act) async throws {
        try await store.kernel(KernelReason("notifications.lift")) { db in
            guard let row = try db.row(NotificationTable.lift, id) else { throw CommonProblems.notFound }
            let (user, cause): (UserID, String) = (try row.id(0), try row.text(1))
            try db.journal(JournalEntry("mail.suppression_lifted", subject: "user:\(user)", details: ["cause": .string(cause)]), act)
        }
    }

    private static func suppression(_ row: Row) throws -> MailSuppression {
        MailSuppression(id: try row.id(0), user: try row.id(1), cause: try row.text(2), code: try row.text(3), since: try row.time(4))
    }

    func purgeFates(before: Timestamp, _ act: Act) async throws {
        let lapsed = act.now - .days(Int64(settings[NotificationSettings.suppressedDays]))
        for (statement, moment) in [
            (NotificationTable.purgeDeliveries, before), (NotificationTable.purgeReports, before),
            (NotificationTable.purgeSuppressions, lapsed),
        ] {
            var removed = 0
            repeat {
                removed = try await store.kernel(KernelReason("notifications.purge_fates")) { db in
                    try db.rows(statement, moment, 500).count
                }
            } while removed == 500
        }
    }
}

extension MailFate {
    /// As a suppression names it.
    fileprivate var cause: String { [.dropped, .complained].contains(self) ? rawValue : "bounced" }
}
