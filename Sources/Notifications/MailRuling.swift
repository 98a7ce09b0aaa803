import Foundation
import HookEngine
import Store
import Vocabulary

/// What mails to a person depend on beside the mail: policy, and what is known of the person in the tenant.
package struct MailAudience: Sendable {
    package var hooks: (any Hooks)?
    /// The tier of a tenant at a time.
    package var tier: @Sendable (TenantID, Timestamp) async throws -> String?
    /// The role of a person in a tenant.
    package var role: @Sendable (UserID, TenantID) async throws -> String?
    /// Whether a person has agreed to mails of this template, where they take a consent.
    package var consents: @Sendable (_ template: String, UserID) async throws -> Bool = { _, _ in true }
    package init(
        hooks: (any Hooks)?, tier: @escaping @Sendable (TenantID, Timestamp) async throws -> String?,
        role: @escaping @Sendable (UserID, TenantID) async throws -> String?
    ) {
        self.hooks = hooks
        self.tier = tier
        self.role = role
    }
    /// Nobody has a say: every mail goes out at once.
    package static let unasked = MailAudience(hooks: nil, tier: { _, _ in nil }, role: { _, _ in nil })
}

/// Whether a mail goes out, and when: the person's own choice first, then `on_notify`. Asked once for each mail to each person; a delay
/// counts from then, however often the request is delivered.
extension Notifications {
    static let laterKind = "notifications.send_later"

    struct Later: Codable {
        let request: MailRequested
        let user: UserID
        let tenant: TenantID?
    }

    /// True where the mail may go out now.
    func isDue(_ slip: MailSlip, of tenant: TenantID?, _ act: Act) async throws -> Bool {
        let (request, user) = (slip.request, slip.user)
        let known = try await store.kernelRead(KernelReason("notifications.ruling")) { db -> (isOver: Bool, isChosen: Bool, sent: Int) in
            let isSent = try db.row(NotificationTable.wasSent, request.key, user) != nil
            let due = try db.row(RulingTable.due, request.key, user).map { try $0.time(0) }
            let isOut = try db.row(RulingTable.isOut, user, request.template) != nil
            let midnight = Timestamp(seconds: act.now.seconds - act.now.seconds % 86_400)
            let sent = try db.row(RulingTable.sentSince, user, midnight).map { try $0.int(0) } ?? 0
            return (isSent || due.map { $0 > act.now } ?? false, isSent || due != nil || (isOut && request.isOptional), sent)
        }
        guard !known.isOver else { return false }
        if request.isOptional, try await !audience.consents(request.template, user) {
            try await withhold(slip, "no_consent", decision: nil, act)
            return false
        }
        if known.isChosen {
            guard try await isOut(slip) else { return true }
            try await withhold(slip, "unsubscribed", decision: nil, act)
            return false
        }
        return try await isAllowed(slip, of: tenant, sentToday: known.sent, act)
    }

    private func isOut(_ slip: MailSlip) async throws -> Bool {
        guard slip.request.isOptional else { return false }
        let (user, template) = (slip.user, slip.request.template)
        return try await store.kernelRead(KernelReason("notifications.ruling")) { try $0.row(RulingTable.isOut, user, template) != nil }
    }

    private func isAllowed(_ slip: MailSlip, of tenant: TenantID?, sentToday: Int, _ act: Act) async throws -> Bool {
        guard let hooks = audience.hooks else { return true }
        let request = slip.request
        let home = request.owners ?? tenant
        var (role, tier): (String?, String?) = (nil, nil)
        if let home {
            if case .invited = request.recipient {} else { role = try await audience.role(slip.user, home) }
            tier = try await audience.tier(home, act.now)
        }
        let input = OnNotify.Input(
            template: request.template, channel: "mail", role: request.recipient == .staff ? "staff" : role, tier: tier,
            isMandatory: !request.isOptional, sentToday: min(sentToday, 1_000_000))
        let verdict: Verdict<OnNotify.Terms>
        do {
            verdict = try await hooks.decide(
                OnNotify.self, input, HookSubject(tenant: home, tier: tier, requestID: act.requestID, now: act.now))
        } catch is HookFailure {
            // A policy that fails keeps no mail back.
            return true
        }
        // What safety or the contract asks for goes out, and at once, whatever was answered.
        guard request.isOptional else { return true }
        if case .deny(let reason, _) = verdict.outcome {
            try await withhold(slip, reason, decision: verdict.decision, act)
            return false
        }
        guard let seconds = verdict.terms.delaySeconds, seconds > 0 else { return true }
        try await postpone(slip, of: tenant, to: act.now + .seconds(Int64(seconds)), verdict.decision, act)
        return false
    }

    private func withhold(_ slip: MailSlip, _ reason: String, decision: DecisionID?, _ act: Act) async throws {
        try await store.kernel(KernelReason("notifications.withhold")) { db in
            let request = slip.request
            guard try db.row(NotificationTable.insertSent, request.key, slip.user, request.template, act.now) != nil else { return }
            try db.journal(
                JournalEntry(
                    "mail.withheld", subject: slip.subject, outcome: .denied,
                    details: ["template": .string(request.template), "reason": .string(reason)], decision: decision), act)
        }
    }

    private func postpone(_ slip: MailSlip, of tenant: TenantID?, to due: Timestamp, _ decision: DecisionID, _ act: Act) async throws {
        let job = try NewJob(
            Self.laterKind, key: slip.mail, tenant: tenant, payload: Later(request: slip.request, user: slip.user, tenant: tenant),
            runAt: due)
        try await store.kernel(KernelReason("notifications.postpone")) { db in
            // Somebody else was faster: that answer stands.
            guard try db.row(RulingTable.insert, slip.request.key, slip.user, due) != nil else { return }
            try db.enqueue(job, act)
            try db.journal(
                JournalEntry(
                    "mail.postponed", subject: slip.subject,
                    details: ["template": .string(slip.request.template), "until": .string(due.iso8601)], decision: decision), act)
        }
    }

    /// A mail whose time has come.
    func sendLater(_ delivery: Delivery, _ act: Act) async throws {
        let job = try delivery.decode(Later.self)
        try await deliver(job.request, of: job.tenant, only: job.user, act)
    }
}

extension MailRequested {
    /// Neither safety nor the contract asks for it: it may be left out.
    package var isOptional: Bool { recipient != .staff && MailTemplate.isOptional(template) }
    fileprivate var owners: TenantID? {
        if case .owners(let tenant) = recipient { tenant } else { nil }
    }
}

enum RulingTable {
    static let due = SQL("notifications.due", "SELECT due_at FROM mail_ruling WHERE occasion = $1 AND user_id = $2")
    static let insert = SQL(
        "notifications.insert_ruling",
        """
        INSERT INTO mail_ruling (occasion, user_id, due_at) VALUES ($1, $2, $3) ON CONFLICT (occasion, user_id) DO NOTHING RETURNING 1
        """)
    static let sentSince = SQL(
        "notifications.sent_since", "SELECT count(*) FROM notification_sent WHERE user_id = $1 AND sent_at >= $2")
    static let purge = SQL(
        "notifications.purge_rulings",
        """
        DELETE FROM mail_ruling WHERE (occasion, user_id) IN
            (SELECT occasion, user_id FROM mail_ruling WHERE due_at < $1 ORDER BY due_at LIMIT $2)
        RETURNING 1
        """)
    static let isOut = SQL("notifications.is_out", "SELECT 1 FROM mail_optout WHERE user_id = $1 AND template = $2")
    static let outs = SQL("notifications.outs", "SELECT template FROM mail_optout WHERE user_id = $1 ORDER BY template LIMIT 100")
    static let leave = SQL(
        "notifications.leave",
        """
        INSERT INTO mail_optout (user_id, template, since) VALUES ($1, $2, $3) ON CONFLICT (user_id, template) DO NOTHING RETURNING 1
        """)
    static let join = SQL("notifications.join", "DELETE FROM mail_optout WHERE user_id = $1 AND template = $2 RETURNING 1")
}
