import Foundation
import Signing
import Store
import Vocabulary

package enum NotificationsRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "notifications", bundle: .module) }
}

/// Writes and sends the mails that other rooms ask for, each occasion once to each person.
package struct Notifications: Sendable {
    let store: any Store
    let sealer: any Sealer
    let addresses: any AddressBook
    let transport: any MailTransport
    let settings: Settings
    let voice: MailVoice
    /// Scheme and authority for people's browsers, as known when the mail is written.
    let origin: @Sendable () -> String
    /// Who has a say in a mail; nobody where Composition does not say.
    package var audience = MailAudience.unasked

    package init(
        store: any Store, sealer: any Sealer, addresses: any AddressBook, transport: any MailTransport, settings: Settings,
        voice: MailVoice,
        origin: @escaping @Sendable () -> String
    ) {
        self.store = store
        self.sealer = sealer
        self.addresses = addresses
        self.transport = transport
        self.settings = settings
        self.voice = voice
        self.origin = origin
    }

    package func subscribers() -> [EventSubscriber] {
        [
            EventSubscriber(MailRequested.self, subscriber: "notifications") { request, delivery, act in
                try await deliver(request, of: delivery.tenant, act)
            }
        ]
    }

    package func jobs() -> [JobHandler] {
        [
            JobHandler("notifications.purge") { delivery, act in try await purge(delivery, act) },
            JobHandler(Self.laterKind) { delivery, act in try await sendLater(delivery, act) },
        ]
    }

    /// Makes the daily purge due; the same job at every start of a day.
    package func start(_ act: Act) async throws {
        let job = try purgeJob(at: act.now)
        try await store.kernel(KernelReason("notifications.start")) { db in try db.enqueue(job, act) }
    }

    /// Sends to each recipient who has not had it. A mail is recorded after it was taken: a crash between the two repeats it under the same
    /// Message-ID, and none is lost.
    func deliver(_ request: MailRequested, of tenant: TenantID? = nil, only one: UserID? = nil, _ act: Act) async throws {
        var values = request.values
        for (name, box) in request.sealed {
            // What does not open now never will: staff is told, instead of trying for ever.
            guard let bytes = Data(base64Encoded: box), let plain = try? sealer.open([UInt8](bytes), context: request.context(of: name))
            else {
                throw PermanentFailure("the sealed value \(name) of \(request.template) does not open")
            }
            values[name] = String(decoding: plain, as: UTF8.self)
        }
        let brand = try await brand(of: request, tenant)
        let writer = MailWriter(brand: brand, templates: voice.templates, origin: origin())
        // One whose mailbox is full keeps nobody else waiting.
        var failure: (any Error)?
        for user in try await recipients(request.recipient) where one.map({ $0 == user }) ?? true {
            do { try await deliver(request, of: tenant, to: user, writer, values, act) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private func deliver(
        _ request: MailRequested, of tenant: TenantID?, to user: UserID, _ writer: MailWriter, _ values: [String: String], _ act: Act
    ) async throws {
        guard let address = try await address(of: user, request, values), MailText.isAddress(address.email) else { return }
        let stamp = Hex.encode(sealer.digest(Array("\(request.key)/\(user)".utf8), purpose: "notifications.message_id").prefix(16))
        let slip = MailSlip(request: request, user: user, mail: stamp, address: digest(of: address.email))
        guard try await isDue(slip, of: tenant, act), let isRepeated = try await claim(slip, act) else { return }
        let stop = unsubscribing(slip)
        let words = writer.write(
            request.template, values: values, recipient: address.name, isForStaff: request.recipient == .staff, unsubscribe: stop)
        let from = settings[NotificationSettings.from]
        let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
        let receipt: MailReceipt
        do {
            receipt = try await transport.send(
                Mail(
                    from: from, sender: writer.brand.sender, to: address, subject: words.subject, text: words.text, html: words.html,
                    messageID: "\(stamp)@\(domain)", at: act.now, template: request.template, unsubscribe: stop))
        } catch {
            try await giveBack(slip, error, act)
            throw error
        }
        try await record(slip, receipt, isRepeated: isRepeated, act)
    }

    /// An invitation stands in a user's place: its id tells one mail from another.
    private func recipients(_ recipient: MailRequested.Recipient) async throws -> [UserID] {
        switch recipient {
        case .user(let id): [id]
        case .owners(let tenant): try await addresses.owners(of: tenant)
        case .staff: try await addresses.staff()
        case .invited(let id): [UserID(id.uuid)]
        }
    }
    /// Whoever is invited is perhaps nobody's account: the address came sealed with the request.
    private func address(of user: UserID, _ request: MailRequested, _ values: [String: String]) async throws -> MailAddress? {
        if case .invited = request.recipient { return values["address"].map { MailAddress(email: $0, name: "") } }
        return try await addresses.address(of: user)
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
            try await store.kernel(KernelReason("notifications.purge")) { db in _ = try db.rows(RulingTable.purge, before, 500) }
        } while removed == 500
        try await purgeFates(before: before, act)
        let next = try purgeJob(at: act.now + .days(1))
        try await store.kernel(KernelReason("notifications.purge_again")) { db in
            try db.enqueue(next, act)
            try db.settle(delivery)
        }
    }
}

extension MailRequested.Recipient {
    /// What the ids are of.
    var noun: String {
        if case .invited = self { "invitation" } else { "user" }
    }
}
