import Foundation
import Store
import Vocabulary

/// Which endpoint is to be pumped; what a job carries.
struct WebhookTarget: Codable, Sendable {
    let tenant: TenantID
    let endpoint: WebhookEndpoint.ID
}

/// From what happened to what is to be sent: messages and deliveries, in the transaction that settles the event.
extension Webhooks {
    private static let intakeReason = KernelReason("webhooks.intake")

    package func subscribers() -> [EventSubscriber] {
        [
            hear(LicenseIssued.self), hear(LicenseChanged.self), hear(LicenseRevoked.self), hear(StandingChanged.self),
            hear(PaymentTold.self),
            hear(SeatTold.self), hear(TenantPoliciesChanged.self), hear(UserVerified.self),
            hear(ProjectChanged.self), hear(ProjectFileChanged.self), hear(OffboardingTold.self),
        ]
    }

    private func hear<News: WebhookNews>(_ news: News.Type) -> EventSubscriber {
        EventSubscriber(news, subscriber: "webhooks") { event, delivery, act in
            try await take(event.webhook, event.tenant, delivery, act)
        }
    }

    private func take(
        _ event: (type: String, object: String, data: JSONValue), _ tenant: TenantID, _ delivery: Delivery, _ act: Act
    ) async throws {
        try await store.kernel(Self.intakeReason) { db in
            let targets = try db.within(tenant) { db -> [WebhookEndpoint.ID] in
                let wanting = try db.rows(WebhookTable.endpoints).map(Self.endpoint).filter { $0.wants(event.type) }.map(\.id)
                // The event's own id: delivered twice, it is one message.
                let message = WebhookMessage(
                    id: WebhookMessage.ID(delivery.id), type: event.type, object: event.object, at: act.now, data: event.data)
                guard !wanting.isEmpty, try db.row(WebhookTable.message, message.id) == nil else { return [] }
                try Self.keep(message, for: wanting, db, act)
                return wanting
            }
            for endpoint in targets {
                try Self.wake(WebhookTarget(tenant: tenant, endpoint: endpoint), "\(delivery.id)", at: act.now, db, act)
            }
            try db.settle(delivery)
        }
    }

    private static func keep(_ message: WebhookMessage, for endpoints: [WebhookEndpoint.ID], _ db: any TenantScope, _ act: Act) throws {
        let counted = try db.row(WebhookTable.count, message.object)?.integer(0)
        if counted == nil { try db.run(WebhookTable.beginCount, db.tenant, message.object) }
        let sequence = counted ?? 1
        try db.run(
            WebhookTable.keep, db.tenant, message.id, message.type, try message.body(sequence: sequence), act.now)
        for endpoint in endpoints { try db.run(WebhookTable.begin, db.tenant, endpoint, message.id, act.now) }
    }

    /// Makes a pump due; two with one cause are one.
    static func wake(_ target: WebhookTarget, _ cause: String, at moment: Timestamp, _ db: any SQLScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob("webhooks.pump", key: "\(target.endpoint)/\(cause)", tenant: target.tenant, payload: target, runAt: moment), act)
    }

    // MARK: By hand

    /// A message to one endpoint, whatever it wants to hear of.
    package func test(_ id: WebhookEndpoint.ID, _ tenant: TenantID, _ act: Act) async throws -> WebhookMessage.ID {
        let message = WebhookMessage(
            id: entropy.id(act.now), type: "webhook.test", object: "webhook:\(id)", at: act.now,
            data: ["webhook_id": .string(id.description)])
        try await store.tenant(tenant) { db in
            guard try Self.endpoint(id, db).state == .enabled else { throw WebhookProblems.disabled }
            try Self.keep(message, for: [id], db, act)
            try Self.wake(WebhookTarget(tenant: tenant, endpoint: id), message.id.description, at: act.now, db, act)
        }
        return message.id
    }

    /// Sends again what happened between two moments: what was not delivered, or `all` of it, also what came before the endpoint was
    /// added. Answers how many; at most `mostReplayed` at once.
    package func replay(
        _ id: WebhookEndpoint.ID, from: Timestamp, to: Timestamp, all: Bool, _ tenant: TenantID, _ act: Act
    ) async throws -> (count: Int, isCut: Bool) {
        try await store.tenant(tenant) { db in
            let endpoint = try Self.endpoint(id, db)
            guard endpoint.state == .enabled else { throw WebhookProblems.disabled }
            let found = try db.rows(WebhookTable.replay, id, from, to, Self.mostReplayed + 1)
            var count = 0
            for row in found.prefix(Self.mostReplayed) {
                let message: WebhookMessage.ID = try row.id(0)
                let state = try row.optional(1, row.text).flatMap { MessageDelivery.State(rawValue: $0) }
                if state == nil {
                    guard all, let type = try db.row(WebhookTable.message, message)?.text(0), endpoint.wants(type) else { continue }
                    try db.run(WebhookTable.begin, db.tenant, id, message, act.now)
                } else {
                    guard state == .failed || (all && state == .delivered) else { continue }
                    try db.run(WebhookTable.again, id, message, act.now)
                }
                count += 1
            }
            if count > 0 {
                try Self.wake(WebhookTarget(tenant: tenant, endpoint: id), "replay/\(act.requestID)", at: act.now, db, act)
                try db.journal(JournalEntry("webhook.replayed", subject: "webhook:\(id)", details: ["messages": .int(Int64(count))]), act)
            }
            return (count, found.count > Self.mostReplayed)
        }
    }
    static let mostReplayed = 1_000

    // MARK: The log

    package func deliveries(
        _ id: WebhookEndpoint.ID, state: MessageDelivery.State?, after: String?, limit: Int, _ tenant: TenantID
    ) async throws -> [MessageDelivery] {
        let last = after.flatMap { WebhookMessage.ID($0) }
        return try await store.tenantRead(tenant) { db in
            _ = try Self.endpoint(id, db)
            return try db.rows(WebhookTable.deliveries, id, state?.rawValue, last, limit).map(Self.delivery)
        }
    }

    package struct Told: Sendable {
        package let delivery: MessageDelivery
        package let body: String
        package let attempts: [WebhookAttempt]
    }

    package func delivery(_ id: WebhookEndpoint.ID, _ message: WebhookMessage.ID, _ tenant: TenantID) async throws -> Told {
        try await store.tenantRead(tenant) { db in
            guard let row = try db.row(WebhookTable.delivery, id, message) else { throw CommonProblems.notFound }
            let attempts = try db.rows(WebhookTable.attempts, id, message).map { row in
                WebhookAttempt(
                    number: try row.int(0), at: try row.time(1), milliseconds: try row.int(2), status: try row.optional(3, row.int),
                    answer: try row.optional(4, row.text), failure: try row.optional(5, row.text))
            }
            return Told(delivery: try Self.delivery(row), body: try row.text(6), attempts: attempts)
        }
    }

    private static func delivery(_ row: Row) throws -> MessageDelivery {
        MessageDelivery(
            message: try row.id(0), type: try row.text(1), state: MessageDelivery.State(rawValue: try row.text(2)) ?? .failed,
            attempts: try row.int(3), nextAt: try row.optional(4, row.time), createdAt: try row.time(5))
    }
}
