import Foundation
import Store
import Vocabulary

package enum OperationMark {}

/// Something that a provider was asked to do, and what became of it.
package struct BillingOperation: Sendable, Hashable {
    package typealias ID = Identifier<OperationMark>
    package enum Kind: String, Sendable, Hashable, CaseIterable { case change, cancel, resume, pause, refund }
    package enum Status: String, Sendable, Hashable, CaseIterable {
        /// Written down; the provider is asked, or somebody died asking.
        case asking
        /// The provider was asked and nobody knows whether it did it. A job finds out.
        case unknown
        case done
        /// Certainly not done.
        case refused
    }
    package let id: ID
    package let provider: String
    package let kind: Kind
    package let object: String
    let fingerprint: [UInt8]?
    let wish: Wish
    let attempt: Int
    package let status: Status
    let tries: Int
    package let code: String?
    package let made: String?
    package let amount: Money?
    let askedAt: Timestamp
    package let createdAt: Timestamp
    package let settledAt: Timestamp?

    package var isOpen: Bool { status == .asking || status == .unknown }
    /// One key for one question: the same while the answer is unknown, another after a refusal.
    var key: String { "operation-\(id)-\(attempt)" }
    /// How long providers surely know a key; after it a repetition could be a second deed.
    static let keyLife = Duration.hours(20)
}

/// All that is asked of a provider. What is stored has no key: that is the operation's.
enum Wish: Codable, Hashable, Sendable {
    case change(SubscriptionChange)
    case cancel(SubscriptionCancellation)
    case resume(SubscriptionResumption)
    case pause(SubscriptionPause)
    case refund(RefundRequest)

    /// What the provider answered to it.
    enum Effect: Sendable, Hashable {
        case subscription(SubscriptionFact)
        case refund(Refund)
    }

    var kind: BillingOperation.Kind {
        switch self {
        case .change: .change
        case .cancel: .cancel
        case .resume: .resume
        case .pause: .pause
        case .refund: .refund
        }
    }
    var object: String {
        switch self {
        case .change(let wish): wish.subscription
        case .cancel(let wish): wish.subscription
        case .resume(let wish): wish.subscription
        case .pause(let wish): wish.subscription
        case .refund(let wish): wish.payment
        }
    }
    var amount: Money? { if case .refund(let wish) = self { wish.amount } else { nil } }
    var capability: PaymentCapability {
        switch self {
        case .change: .subscriptionChange
        case .cancel(let wish): wish.capability
        case .resume: .resume
        case .pause: .pause
        case .refund: .refunds
        }
    }

    func ask(_ provider: any PaymentProvider, key: String) async throws -> Effect {
        switch self {
        case .change(var wish):
            wish.idempotencyKey = key
            return .subscription(try await provider.changeSubscription(wish))
        case .cancel(var wish):
            wish.idempotencyKey = key
            return .subscription(try await provider.cancelSubscription(wish))
        case .resume(var wish):
            wish.idempotencyKey = key
            return .subscription(try await provider.resumeSubscription(wish))
        case .pause(var wish):
            wish.idempotencyKey = key
            return .subscription(try await provider.pauseSubscription(wish))
        case .refund(var wish):
            wish.idempotencyKey = key
            // Who can only give all of it back is asked for all of it.
            if !provider.capabilities.contains(.partialRefunds) { wish.amount = nil }
            return .refund(try await provider.refund(wish))
        }
    }

    /// Whether the subscription is as it was wished for.
    func isGranted(by fact: SubscriptionFact) -> Bool {
        switch self {
        case .change(let wish):
            let isPriced = wish.providerPrice.map { $0 == fact.providerPrice } ?? (fact.tier == wish.tier)
            return fact.quantity == wish.quantity && isPriced && (fact.interval ?? wish.interval) == wish.interval
        case .cancel(let wish):
            return fact.status == .cancelled || (wish.when == .periodEnd && fact.cancelsAt != nil)
        case .resume: return fact.status != .cancelled && fact.status != .paused && fact.cancelsAt == nil
        case .pause: return fact.status == .paused
        case .refund: return false
        }
    }
}

extension BillingOperation {
    static let columns = """
        id, provider, kind, object, fingerprint, wish, attempt, status, tries, code, made, amount_minor, currency, asked_at, created_at,
        settled_at
        """

    init(_ row: Row) throws {
        guard let kind = Kind(rawValue: try row.text(2)), let status = Status(rawValue: try row.text(7)) else {
            throw StoreFault.corrupt("billing_operation")
        }
        id = try row.id(0)
        provider = try row.text(1)
        self.kind = kind
        object = try row.text(3)
        fingerprint = try row.optional(4, row.blob)
        wish = try StoredJSON.decode(try row.text(5))
        attempt = try row.int(6)
        self.status = status
        tries = try row.int(8)
        code = try row.optional(9, row.text)
        made = try row.optional(10, row.text)
        let currency = try row.optional(12, row.text).flatMap { Currency($0) }
        amount = try row.optional(11, row.integer).flatMap { minor in currency.map { Money(amountMinor: minor, currency: $0) } }
        askedAt = try row.time(13)
        createdAt = try row.time(14)
        settledAt = try row.optional(15, row.time)
    }
}
