import Foundation
import Signing
import Store
import Vocabulary

package enum NotificationsRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "notifications", bundle: .module) }
}

/// Writes and sends the mails that other rooms ask for, each occasion once to each person.
package struct Notifications: Sendable {
    private let store: any Store
    private let sealer: any Sealer
    private let addresses: any AddressBook
    private let transport: any MailTransport
    private let settings: Settings
    private let brand: String
    /// Scheme and authority for people's browsers, as known when the mail is written.
    private let origin: @Sendable () -> String

    package init(
        store: any Store, sealer: any Sealer, addresses: any AddressBook, transport: any MailTransport, settings: Settings, brand: String,
        origin: @escaping @Sendable () -> String
    ) {
        self.store = store
        self.sealer = sealer
        self.addresses = addresses
        self.transport = transport
        self.settings = settings
        self.brand = brand
        self.origin = origin
    }

    package func subscribers() -> [EventSubscriber] {
        [EventSubscriber(MailRequested.self, subscriber: "notifications") { request, _, act in try await deliver(request, act) }]
    }

    package func jobs() -> [JobHandler] { [JobHandler("notifications.purge") { delivery, act in try await purge(delivery, act) }] }

    /// Makes the daily purge due; the same job at every start of a day.
    package func start(_ act: Act) async throws {
        let job = try purgeJob(at: act.now)
        try await store.kernel(KernelReason("notifications.start")) { db in try db.enqueue(job, act) }
    }

    /// Sends to each recipient who has not had it. A mail is recorded after it was taken: a crash between the two repeats it under the same
    /// Message-ID, and none is lost.
    func deliver(_ request: MailRequested, _ act: Act) async throws {
        var values = request.values
        for (name, box) in request.sealed {
            // What does not open now never will: staff is told, instead of trying for ever.
            guard let bytes = Data(base64Encoded: box), let plain = try? sealer.open([UInt8](bytes), context: request.context(of: name))
            else {
                throw PermanentFailure("the sealed value \(name) of \(request.template) does not open")
            }
            values[name] = String(decoding: plain, as: UTF8.self)
        }
        let writer = MailWriter(brand: brand, origin: origin())
        for user in try await recipients(request.recipient) {
            guard let address = try await addresses.address(of: user), MailText.isAddress(address.email) else { continue }
            guard try await claim(request, user, act) else { continue }
            let words = writer.write(request.template, values: values, recipient: address.name, isForStaff: request.recipient == .staff)
            let stamp = Hex.encode(sealer.digest(Array("\(request.key)/\(user)".utf8), purpose: "notifications.message_id").prefix(16))
            let from = settings[NotificationSettings.from]
            let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
            do {
                try await transport.send(
                    Mail(
                        from: from, sender: brand, to: address, subject: words.subject, text: words.text, html: words.html,
                        messageID: "\(stamp)@\(domain)", at: act.now))
            } catch {
                try await store.kernel(KernelReason("notifications.give_back")) { db in
                    try db.run(NotificationTable.giveBack, request.key, user)
                }
                throw error
            }
            try await store.kernel(KernelReason("notifications.record")) { db in
                try db.run(NotificationTable.giveBack, request.key, user)
                guard try db.row(NotificationTable.insertSent, request.key, user, request.template, act.now) != nil else { return }
                try db.journal(
                    JournalEntry("mail.sent", subject: "user:\(user)", details: ["template": .string(request.template)]), act)
            }
        }
    }

    /// Another delivery of the same occasion is sending; its end is waited for, as it may fail.
    struct AlreadySending: Error {}
    /// Longer than any transport may take; after a crash the mail waits this long.
    private static let claimLength = Duration.minutes(5)

    /// False if the mail went out before. Throws `AlreadySending`.
    private func claim(_ request: MailRequested, _ user: UserID, _ act: Act) async throws -> Bool {
        try await store.kernel(KernelReason("notifications.claim")) { db in
            if try db.row(NotificationTable.wasSent, request.key, user) != nil { return false }
            let until = act.now + Self.claimLength
            guard try db.row(NotificationTable.claim, request.key, user, until, act.now) != nil else { throw AlreadySending() }
            return true
        }
    }

    private func recipients(_ recipient: MailRequested.Recipient) async throws -> [UserID] {
        switch recipient {
        case .user(let id): [id]
        case .owners(let tenant): try await addresses.owners(of: tenant)
        case .staff: try await addresses.staff()
        }
    }

    private func purgeJob(at moment: Timestamp) throws -> NewJob {
        try NewJob("notifications.purge", key: String(moment.seconds / 86_400), tenant: nil, payload: [String: String](), runAt: moment)
    }

    private func purge(_ delivery: Delivery, _ act: Act) async throws {
        let before = act.now - .days(Int64(settings[NotificationSettings.retentionDays]))
        var removed = 0
        repeat {
            removed = try await store.kernel(KernelReason("notifications.purge")) { db in
                try db.rows(NotificationTable.purge, before, 500).count
            }
        } while removed == 500
        let next = try purgeJob(at: act.now + .days(1))
        try await store.kernel(KernelReason("notifications.purge_again")) { db in
            try db.enqueue(next, act)
            try db.settle(delivery)
        }
    }
}
