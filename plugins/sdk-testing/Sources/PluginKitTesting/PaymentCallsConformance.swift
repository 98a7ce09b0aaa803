import Foundation
import PluginKit

/// What the conformance kit must know to try a provider's calls (kit 1.1), beside what it must know of its webhooks.
public protocol PaymentCallsSubject: PaymentProviderSubject {
    /// A provider over a world of its own: one customer, one active monthly subscription of 5 units, in this currency, paid by one
    /// invoice. Nil: the provider does not sell in it.
    func stage(_ currency: Currency) async throws -> PaymentStage?
    /// `life` in other shapes that the provider may still send; each must state the same facts.
    var otherShapes: [[Data]] { get }
    /// A completed checkout whose delayed payment has not arrived.
    var waitingCheckout: Data? { get }
}

extension PaymentCallsSubject {
    public var otherShapes: [[Data]] { [] }
    public var waitingCheckout: Data? { nil }
}

/// One provider at work, and what its other side knows.
public struct PaymentStage: Sendable {
    public var provider: any PaymentProvider
    public var customer: String
    public var subscription: String
    public var invoice: String
    /// What `RefundRequest.payment` takes; nil where nothing is refunded.
    public var payment: String?
    /// What the invoice asked for and got.
    public var paid: Money
    public var now: @Sendable () -> Timestamp
    /// What the provider's side has really done.
    public var truth: @Sendable () async throws -> PaymentTruth
    /// Makes that many more subscriptions, each with a paid invoice, and the events that tell of them.
    public var populate: (@Sendable (Int) async throws -> Void)?
    /// A code that takes something off.
    public var coupon: String?
    /// A subscription in its trial, where the provider makes no trial of one that is paid for; nil: it does, and `subscription` is tried.
    public var trial: String?
    /// The way to the other side; nil where there is none to break.
    public var wire: FaultyWire?
    /// How the provider refuses for good, in these words.
    public var refusal: (@Sendable (String) -> OutboundResponse)?
    public var secrets: [String] = []
    public var log: @Sendable () -> [String] = { [] }

    public init(
        provider: any PaymentProvider, customer: String, subscription: String, invoice: String, payment: String?, paid: Money,
        now: @escaping @Sendable () -> Timestamp, truth: @escaping @Sendable () async throws -> PaymentTruth
    ) {
        self.provider = provider
        self.customer = customer
        self.subscription = subscription
        self.invoice = invoice
        self.payment = payment
        self.paid = paid
        self.now = now
        self.truth = truth
    }
}

/// What is so, whatever anybody was told.
public struct PaymentTruth: Sendable, Hashable {
    public var status: SubscriptionStatus
    public var quantity: Int
    public var tier: String?
    public var isCancelling: Bool
    /// How often the subscription was changed in any way since the stage was set.
    public var changes: Int
    public var refunds: [Money]
    public var checkouts: Int
    public init(
        status: SubscriptionStatus, quantity: Int, tier: String?, isCancelling: Bool, changes: Int, refunds: [Money], checkouts: Int
    ) {
        self.status = status
        self.quantity = quantity
        self.tier = tier
        self.isCancelling = isCancelling
        self.changes = changes
        self.refunds = refunds
        self.checkouts = checkouts
    }
}

/// Tries the calls of a payment provider the way a network and a hurried caller do. What the provider does not claim in `capabilities`
/// is skipped, but for one clause: it must say so when it is asked all the same.
public struct PaymentCallsConformance: Sendable {
    let subject: any PaymentCallsSubject
    let now: Timestamp
    static let usd = Currency("USD")!

    public init(_ subject: any PaymentCallsSubject, now: Timestamp) {
        self.subject = subject
        self.now = now
    }

    struct Clause: Sendable {
        var name: String
        var needs: Set<PaymentCapability> = []
        var needsWire = false
        var check: @Sendable (PaymentStage) async throws -> [String]
    }

    /// Runs every clause, each on a stage of its own; the order is stable. `stoppingAtFault`: only until one does not hold.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        var findings: [ConformanceFinding] = []
        for clause in webhookClauses + callClauses + networkClauses {
            findings.append(await tried(clause))
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    private func tried(_ clause: Clause) async -> ConformanceFinding {
        do {
            guard let stage = try await subject.stage(Self.usd) else {
                return ConformanceFinding(check: clause.name, faults: ["There is no stage in USD."])
            }
            guard clause.needs.isSubset(of: stage.provider.capabilities), !clause.needsWire || stage.wire != nil else {
                return ConformanceFinding(check: clause.name, faults: [], isSkipped: true)
            }
            return ConformanceFinding(check: clause.name, faults: try await clause.check(stage))
        } catch {
            return ConformanceFinding(check: clause.name, faults: ["It threw \(error)."])
        }
    }

    // MARK: - What the clauses share

    /// What a call that must fail threw; nil: it did not.
    static func failure(_ call: () async throws -> Void) async -> (any Error)? {
        do {
            try await call()
            return nil
        } catch { return error }
    }
    /// Nil when the call was refused for good, else what happened.
    static func refused(_ what: String, _ call: () async throws -> Void) async -> String? {
        switch await failure(call) {
        case nil: return "\(what) was taken."
        case PaymentProviderError.refused?: return nil
        case let other?: return "\(what) threw \(other) instead of .refused."
        }
    }
    static func change(_ stage: PaymentStage, quantity: Int, key: String, tier: String = "team") -> SubscriptionChange {
        SubscriptionChange(
            subscription: stage.subscription, tier: tier, interval: .month, quantity: quantity,
            unitPrice: Money(amountMinor: 2_900, currency: stage.paid.currency), providerPrice: nil, idempotencyKey: key)
    }
    static func refund(_ stage: PaymentStage, _ amount: Int64?, key: String) -> RefundRequest {
        RefundRequest(
            payment: stage.payment ?? "", amount: amount.map { Money(amountMinor: $0, currency: stage.paid.currency) },
            reason: .requestedByCustomer, idempotencyKey: key)
    }
    static func checkout(_ stage: PaymentStage, key: String, quantity: Int = 2) -> CheckoutRequest {
        CheckoutRequest(
            reference: "ref_" + key, tenant: "ten_1", tier: "team", interval: .month, quantity: quantity,
            unitPrice: Money(amountMinor: 2_900, currency: stage.paid.currency), providerPrice: nil, customer: nil,
            customerEmail: "ada@example.test", trialDays: 0, successURL: "https://platform.test/done",
            cancelURL: "https://platform.test/back", idempotencyKey: key)
    }
}
