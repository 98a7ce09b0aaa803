import Foundation
import Signing
import Store
import Vocabulary

package enum WebhooksRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "webhooks", bundle: .module) }
}

/// Tells customers' own systems what happens to them: signed, at least once, for three days, with a log.
package struct Webhooks: Sendable {
    let store: any Store
    let sealer: any Sealer
    let transport: any WebhookTransport
    let entropy: any Entropy
    let settings: Settings

    package init(store: any Store, sealer: any Sealer, transport: any WebhookTransport, entropy: any Entropy, settings: Settings) {
        self.store = store
        self.sealer = sealer
        self.transport = transport
        self.entropy = entropy
        self.settings = settings
    }

    var opens: Bool { settings[WebhookSettings.opens] }

    // MARK: Endpoints

    package func endpoints(_ tenant: TenantID) async throws -> [WebhookEndpoint] {
        try await store.tenantRead(tenant) { db in try db.rows(WebhookTable.endpoints).map(Self.endpoint) }
    }

    package func endpoint(_ id: WebhookEndpoint.ID, _ tenant: TenantID) async throws -> WebhookEndpoint {
        try await store.tenantRead(tenant) { db in try Self.endpoint(id, db) }
    }

    /// The new endpoint and its secret, which is shown this once. A request repeated under its Idempotency-Key makes no second one.
    package func create(
        url: String, events: [String], description: String, _ tenant: TenantID, _ act: Act
    ) async throws -> (endpoint: WebhookEndpoint, secret: String) {
        try check(url, events)
        let id: WebhookEndpoint.ID = entropy.id(act.now)
        // A repeated request must get the same secret: it is made from what was stored with the first answer.
        let fresh = entropy.bytes(MessageSignature.secretBytes)
        let box = try sealer.seal(fresh, context: Self.context(id))
        let made = try await store.tenant(tenant) { db -> WebhookEndpoint.ID in
            try db.once(act) {
                guard try db.rows(WebhookTable.endpoints).count < WebhookEndpoint.mostPerTenant else { throw WebhookProblems.tooMany }
                try db.run(
                    WebhookTable.create, db.tenant, id, url, try Self.text(events), description, box, act.now)
                try db.journal(
                    JournalEntry("webhook.created", subject: "webhook:\(id)", details: ["events": .array(events.map { .string($0) })]), act)
                return id
            }
        }
        let (endpoint, secret) = try await store.tenantRead(tenant) { db in
            guard let row = try db.row(WebhookTable.secrets, made) else { throw CommonProblems.notFound }
            return (try Self.endpoint(made, db), try row.blob(0))
        }
        return (endpoint, MessageSignature.text(try sealer.open(secret, context: Self.context(made))))
    }

    package struct Change: Sendable {
        package var url: String?
        package var events: [String]?
        package var description: String?
        package var isEnabled: Bool?
        package init(url: String? = nil, events: [String]? = nil, description: String? = nil, isEnabled: Bool? = nil) {
            self.url = url
            self.events = events
            self.description = description
            self.isEnabled = isEnabled
        }
    }

    package func change(_ id: WebhookEndpoint.ID, _ change: Change, _ tenant: TenantID, _ act: Act) async throws -> WebhookEndpoint {
        try check(change.url, change.events)
        return try await store.tenant(tenant) { db in
            var endpoint = try Self.endpoint(id, db)
            endpoint.url = change.url ?? endpoint.url
            endpoint.events = change.events ?? endpoint.events
            endpoint.description = change.description ?? endpoint.description
            if let isEnabled = change.isEnabled {
                endpoint.state = isEnabled ? .enabled : .disabled
                endpoint.disabledReason = isEnabled ? nil : "switched off"
                endpoint.failingSince = isEnabled ? nil : endpoint.failingSince
                if !isEnabled { try db.run(WebhookTable.giveUp, id) }
            }
            try db.run(
                WebhookTable.change, id, endpoint.url, try Self.text(endpoint.events), endpoint.description, endpoint.state.rawValue,
                endpoint.disabledReason, endpoint.failingSince)
            try db.journal(
                JournalEntry("webhook.changed", subject: "webhook:\(id)", details: ["state": .string(endpoint.state.rawValue)]), act)
            return endpoint
        }
    }

    package func drop(_ id: WebhookEndpoint.ID, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            guard try db.row(WebhookTable.drop, id) != nil else { throw CommonProblems.notFound }
            try db.journal(JournalEntry("webhook.removed", subject: "webhook:\(id)"), act)
        }
    }

    /// A new secret; the one before signs too for so long.
    package func rotate(_ id: WebhookEndpoint.ID, overlap: Duration, _ tenant: TenantID, _ act: Act) async throws -> String {
        let fresh = entropy.bytes(MessageSignature.secretBytes)
        let box = try sealer.seal(fresh, context: Self.context(id))
        try await store.tenant(tenant) { db in
            guard let row = try db.row(WebhookTable.secrets, id) else { throw CommonProblems.notFound }
            let before: [UInt8]? = overlap > .zero ? try row.blob(0) : nil
            try db.run(WebhookTable.rotate, id, box, before, before == nil ? nil : act.now + overlap)
            try db.journal(
                JournalEntry(
                    "webhook.secret_rotated", subject: "webhook:\(id)", details: ["overlap_seconds": .int(overlap.microseconds / 1_000_000)]
                ),
                act)
        }
        return MessageSignature.text(fresh)
    }

    private func check(_ url: String?, _ events: [String]?) throws {
        if let url, WebhookAddress(url, opens: opens) == nil { throw WebhookProblems.address }
        guard let events else { return }
        guard !events.isEmpty else { throw CommonProblems.invalid("events", "must name at least one kind of event, or *") }
        if let strange = events.first(where: { !WebhookEventType.isPattern($0) }) {
            let known = WebhookEventType.all.map(\.name).joined(separator: ", ")
            throw CommonProblems.invalid("events", "\(strange.debugDescription) is no kind of event; accepted are *, license.*, \(known)")
        }
    }

    // MARK: Rows

    static func context(_ id: WebhookEndpoint.ID) -> String { "webhook.secret:\(id)" }
    static func text(_ events: [String]) throws -> String {
        String(decoding: try JSONCoding.encode(events), as: UTF8.self)
    }
    static func endpoint(_ id: WebhookEndpoint.ID, _ db: any TenantScope) throws -> WebhookEndpoint {
        guard let row = try db.row(WebhookTable.endpoint, id) else { throw CommonProblems.notFound }
        return try endpoint(row)
    }
    static func endpoint(_ row: Row) throws -> WebhookEndpoint {
        WebhookEndpoint(
            id: try row.id(0), url: try row.text(1), events: try JSONCoding.decode([String].self, Data(row.text(2).utf8)),
            description: try row.text(3), state: WebhookEndpoint.State(rawValue: try row.text(4)) ?? .disabled,
            disabledReason: try row.optional(5, row.text), previousUntil: try row.optional(6, row.time),
            failingSince: try row.optional(7, row.time), createdAt: try row.time(8))
    }
}
