import Foundation
import Signing
import Store
import Vocabulary

/// One mail of one request to one person, before it is written.
struct MailSlip: Sendable {
    let request: MailRequested
    let user: UserID
    /// The first part of its Message-ID.
    let mail: String
    /// Keyed digest of the address.
    let address: [UInt8]
    var subject: String { "\(request.recipient.noun):\(user)" }
}

/// What stands written about a mail before and after it is handed over.
extension Notifications {
    /// Another delivery of the same occasion is sending; its end is waited for, as it may fail.
    struct AlreadySending: Error {}
    /// Longer than any transport may take; after a crash beside other processes the mail waits this long.
    private static let claimLength = Duration.minutes(5)

    /// Whatever the address's case: few servers tell them apart.
    func digest(of address: String) -> [UInt8] { sealer.digest(Array(address.lowercased().utf8), purpose: "notifications.address") }

    /// Nil if nothing is to be sent: it went out before, a report says so, or the address takes no mail. True where an earlier attempt may
    /// have been taken. Throws `AlreadySending`.
    func claim(_ slip: MailSlip, _ act: Act) async throws -> Bool? {
        try await store.kernel(KernelReason("notifications.claim")) { db in
            let (request, user) = (slip.request, slip.user)
            if try db.row(NotificationTable.wasSent, request.key, user) != nil { return nil }
            let before = try db.row(NotificationTable.delivery, slip.mail).map { try Self.fate($0) }
            if let before, before.isTaken {
                try finish(slip, "mail.sent", ["confirmed": .string(before.rawValue)], in: db, act)
                return nil
            }
            if let row = try db.row(NotificationTable.suppression, slip.address) {
                let (cause, code) = (try row.text(0), try row.text(1))
                try begin(slip, .suppressed, code, in: db, act)
                try finish(slip, "mail.suppressed", ["cause": .string(cause), "code": .string(code)], in: db, act)
                return nil
            }
            let until = act.now + Self.claimLength
            guard try db.row(NotificationTable.claim, request.key, user, until, act.now) != nil else { throw AlreadySending() }
            try begin(slip, .sending, "", in: db, act)
            return before?.isOpen ?? false
        }
    }

    /// The claim is free again. What may have been taken is told: it is sent a second time, and not silently.
    func giveBack(_ slip: MailSlip, _ error: any Error, _ act: Act) async throws {
        try await store.kernel(KernelReason("notifications.give_back")) { db in
            try db.run(NotificationTable.giveBack, slip.request.key, slip.user)
            let isUnknown = error is MailUnknown
            try join(slip.mail, isUnknown ? .unknown : .waiting, "", in: db, act)
            guard isUnknown else { return }
            try db.journal(JournalEntry("mail.unknown", subject: slip.subject, details: ["template": .string(slip.request.template)]), act)
        }
    }

    /// Frees what a process that is no more had claimed: its mails go out at once, told as repeated. Only for a store that no other process
    /// shares, before jobs run.
    package func takeOver() async throws {
        try await store.kernel(KernelReason("notifications.take_over")) { try $0.run(NotificationTable.takeOver) }
    }

    func record(_ slip: MailSlip, _ receipt: MailReceipt, isRepeated: Bool, _ act: Act) async throws {
        try await store.kernel(KernelReason("notifications.record")) { db in
            try db.run(NotificationTable.giveBack, slip.request.key, slip.user)
            switch receipt {
            case .taken:
                try join(slip.mail, .sent, "", in: db, act)
                try finish(slip, "mail.sent", isRepeated ? ["repeated": true] : [:], in: db, act)
            case .refused(let code):
                try join(slip.mail, .refused, String(code.prefix(60)), in: db, act)
                let isOver = MailFate.isOfAddress(code)
                if isOver { try suppress(slip.address, of: slip.user, "refused", code, in: db, act) }
                try finish(slip, "mail.refused", ["code": .string(code)].merging(isOver ? ["suppressed": true] : [:]) { $1 }, in: db, act)
            }
        }
    }

    // MARK: - Rows

    static func fate(_ row: Row) throws -> MailFate {
        guard let fate = MailFate(rawValue: try row.text(0)) else {
            throw StoreFault.corrupt("notifications: a fate that this program does not know")
        }
        return fate
    }

    private func begin(_ slip: MailSlip, _ fate: MailFate, _ code: String, in db: any KernelScope, _ act: Act) throws {
        _ = try db.row(
            NotificationTable.begin, slip.mail, slip.user, String(slip.request.template.prefix(100)), slip.address, fate.rawValue,
            code, act.now)
    }

    /// A report may be faster than the answer.
    func join(_ mail: String, _ fate: MailFate, _ code: String, in db: any KernelScope, _ act: Act) throws {
        guard let row = try db.row(NotificationTable.delivery, mail) else { return }
        let now = try Self.fate(row)
        guard now.joined(with: fate) == fate else { return }
        _ = try db.row(NotificationTable.write, mail, fate.rawValue, code, act.now)
    }

    /// Nobody is mailed for this occasion again.
    private func finish(
        _ slip: MailSlip, _ action: String, _ details: [String: JSONValue], in db: any KernelScope, _ act: Act
    ) throws {
        let request = slip.request
        guard try db.row(NotificationTable.insertSent, request.key, slip.user, request.template, act.now) != nil else { return }
        let all = details.merging(["template": .string(request.template)]) { $1 }
        try db.journal(JournalEntry(action, subject: slip.subject, details: .object(all)), act)
    }

    /// False where it was already.
    @discardableResult
    func suppress(
        _ address: [UInt8], of user: UserID, _ cause: String, _ code: String, in db: any KernelScope, _ act: Act
    ) throws -> Bool {
        let id = SuppressionID(UUID(bytes: Array(address.prefix(16))))
        return try db.row(NotificationTable.suppress, address, id, user, cause, String(code.prefix(60)), act.now) != nil
    }
}
