import Catalog
import Foundation
import Store
import Vocabulary

package enum PaymentEventMark {}
package enum CheckoutMark {}
package enum InvoiceMark {}

/// An event in the inbox, as staff sees it. The raw body is sealed and not part of it.
package struct PaymentEvent: Sendable, Hashable {
    package typealias ID = Identifier<PaymentEventMark>
    package enum Status: String, Sendable, Hashable, CaseIterable, Codable {
        /// Stored and acknowledged, not yet applied.
        case received
        /// Its object is not known yet.
        case parked
        case applied
        /// It says nothing that matters.
        case ignored
        /// It can never be applied; the reason says why.
        case refused
    }
    package let id: ID
    package let provider: String
    /// The provider's id.
    package let event: String
    package let type: String
    package let occurredAt: Timestamp
    package let receivedAt: Timestamp
    package let status: Status
    package let tenant: TenantID?
    let round: Int
    package let deliveries: Int
    package let alteredDeliveries: Int
    package let failures: Int
    let plan: PaymentPlanRecord?
    package let reason: String?
    package let settledAt: Timestamp?
    /// The decision that made the plan.
    package var decision: DecisionID? { plan?.decision }

    init(_ row: Row) throws {
        id = try row.id(0)
        provider = try row.text(1)
        event = try row.text(2)
        type = try row.text(3)
        occurredAt = try row.time(4)
        receivedAt = try row.time(5)
        guard let status = Status(rawValue: try row.text(6)) else { throw StoreFault.corrupt("payment_event.status") }
        self.status = status
        tenant = try row.optional(7, row.id)
        round = try row.int(8)
        deliveries = try row.int(9)
        alteredDeliveries = try row.int(10)
        failures = try row.int(11)
        plan = try row.optional(12, row.text).map(StoredJSON.decode)
        reason = try row.optional(13, row.text)
        settledAt = try row.optional(14, row.time)
    }
}

/// What `on_payment` answered to an event, reduced to what it rules.
struct PaymentPlanRecord: Codable, Hashable, Sendable {
    var decision: DecisionID
    var policyHash: String
    var directives: PaymentDirectives
}

/// JSON in a TEXT column.
enum StoredJSON {
    static func encode<Value: Encodable>(_ value: Value) throws -> String { String(decoding: try JSONCoding.encode(value), as: UTF8.self) }
    static func decode<Value: Decodable>(_ text: String) throws -> Value { try JSONCoding.decode(Value.self, Data(text.utf8)) }
}

/// A row of `subscription`.
struct SubscriptionRow: Sendable {
    let id: SubscriptionID
    let provider: String
    let object: String
    var facts: SubscriptionState
    var standing: Standing.State
    var told: ToldStanding?
    var version: Int64
    let createdAt: Timestamp
    let changedAt: Timestamp

    init(_ row: Row) throws {
        id = try row.id(0)
        provider = try row.text(1)
        object = try row.text(2)
        facts = try StoredJSON.decode(try row.text(3))
        guard let standing = Standing.State(rawValue: try row.text(4)) else { throw StoreFault.corrupt("subscription.standing") }
        self.standing = standing
        told = try row.optional(5, row.text).map(StoredJSON.decode)
        version = try row.integer(6)
        createdAt = try row.time(7)
        changedAt = try row.time(8)
    }
}

/// What the rooms to the right were told of a subscription.
struct ToldStanding: Codable, Hashable, Sendable {
    var standing: StandingChanged.Standing
    var tier: String
    var quantity: Int
    var interval: BillingInterval
    var periodEnd: Timestamp
    var graceUntil: Timestamp?
    var cancelsAt: Timestamp?

    /// Nil while nothing was ever granted: there is nothing to tell.
    init?(_ standing: Standing) {
        guard standing.isGranted, let state = StandingChanged.Standing(rawValue: standing.state.rawValue), let end = standing.periodEnd
        else {
            return nil
        }
        self.standing = state
        tier = standing.tier
        quantity = standing.quantity
        interval = standing.interval
        periodEnd = end
        graceUntil = standing.graceUntil
        cancelsAt = standing.cancelsAt
    }

    func event(_ tenant: TenantID, _ subscription: SubscriptionID, version: Int64) -> StandingChanged {
        StandingChanged(
            tenant: tenant, subscription: subscription, version: version, standing: standing, tier: tier, quantity: quantity,
            interval: interval,
            periodEnd: periodEnd, graceUntil: graceUntil, cancelsAt: cancelsAt)
    }
}

/// A row of `billing_checkout`: what was asked of the provider, or is about to be.
struct CheckoutIntent: Sendable, Hashable {
    typealias ID = Identifier<CheckoutMark>
    enum Status: String, Sendable, CaseIterable { case asking, open, refused }
    var id: ID
    var provider: String
    var reference: String
    var fingerprint: [UInt8]?
    var attempt: Int
    var tier: String
    var interval: BillingInterval
    var quantity: Int
    var unitPrice: Money
    var providerPrice: String?
    var trialDays: Int
    var status: Status
    var session: String?
    var urlBox: [UInt8]?
    var createdAt: Timestamp
    /// The buyer's code, and what it was worth when the checkout was asked for.
    var coupon: Coupon?

    /// One key for one question: the same while the answer is unknown, another after a refusal.
    var idempotencyKey: String { "checkout-\(id)-\(attempt)" }
    static func context(_ id: ID) -> String { "billing_checkout.url:\(id)" }
}

extension CheckoutIntent {
    init(_ row: Row) throws {
        guard let interval = BillingInterval(rawValue: try row.text(6)), let currency = Currency(try row.text(9)),
            let status = Status(rawValue: try row.text(12))
        else { throw StoreFault.corrupt("billing_checkout") }
        self.init(
            id: try row.id(0), provider: try row.text(1), reference: try row.text(2), fingerprint: try row.optional(3, row.blob),
            attempt: try row.int(4), tier: try row.text(5), interval: interval, quantity: try row.int(7),
            unitPrice: Money(amountMinor: try row.integer(8), currency: currency), providerPrice: try row.optional(10, row.text),
            trialDays: try row.int(11), status: status, session: try row.optional(13, row.text), urlBox: try row.optional(14, row.blob),
            createdAt: try row.time(15), coupon: try row.optional(16, row.text).map(StoredJSON.decode))
    }
}
