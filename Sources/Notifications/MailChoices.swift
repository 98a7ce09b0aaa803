import Foundation
import Signing
import Store
import Vocabulary

/// What people choose for themselves: mails of a kind can be stopped where neither safety nor the contract asks for them.
extension Notifications {
    /// One kind of mail, and whether the person gets it.
    package struct Choice: Sendable, Hashable {
        package let template: String
        package let isWanted: Bool
    }

    package func choices(of user: UserID) async throws -> [Choice] {
        let outs = try await store.kernelRead(KernelReason("notifications.choices")) { db in
            try Set(db.rows(RulingTable.outs, user).map { try $0.text(0) })
        }
        return MailTemplate.optional.sorted().map { Choice(template: $0, isWanted: !outs.contains($0)) }
    }

    package func choose(_ template: String, isWanted: Bool, of user: UserID, _ act: Act) async throws {
        guard MailTemplate.optional.contains(template) else { throw CommonProblems.invalid("template", "is no mail that can be stopped") }
        try await store.kernel(KernelReason("notifications.choose")) { db in
            let isNew =
                isWanted
                ? try db.row(RulingTable.join, user, template) != nil : try db.row(RulingTable.leave, user, template, act.now) != nil
            guard isNew else { return }
            try db.journal(
                JournalEntry(
                    isWanted ? "mail.subscribed" : "mail.unsubscribed", subject: "user:\(user)",
                    details: ["template": .string(template)]), act)
        }
    }

    // MARK: - By a link of the mail (RFC 8058)

    /// Where the mail's own program stops mails of this kind; nil for what cannot be stopped.
    func unsubscribing(_ slip: MailSlip) -> String? {
        guard MailTemplate.optional.contains(slip.request.template) else { return nil }
        if case .invited = slip.request.recipient { return nil }
        return "\(origin())/api/v1/mail/unsubscribe?token=\(token(slip.user, slip.request.template))"
    }

    func token(_ user: UserID, _ template: String) -> String {
        let text = "\(user).\(template)"
        return "\(text).\(Hex.encode(sealer.digest(Array(text.utf8), purpose: "notifications.unsubscribe").prefix(20)))"
    }

    /// Whose and which; nil for a token that is none of ours.
    func read(token text: String) -> (user: UserID, template: String)? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let user = UserID(parts[0]), MailTemplate.optional.contains(parts[1]) else { return nil }
        let right = Array(token(user, parts[1]).utf8)
        let given = Array(text.utf8)
        guard right.count == given.count, zip(right, given).reduce(0, { $0 | ($1.0 ^ $1.1) }) == 0 else { return nil }
        return (user, parts[1])
    }

    package func unsubscribe(_ token: String, _ act: Act) async throws {
        guard let (user, template) = read(token: token) else { throw NotificationProblems.linkInvalid }
        try await choose(template, isWanted: false, of: user, act)
    }
}
