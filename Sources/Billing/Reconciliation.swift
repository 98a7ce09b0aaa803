import Store
import Vocabulary

package enum ReconciliationMark {}

/// One comparison of mirror and live access with a provider, and what it mended.
package struct Reconciliation: Sendable, Hashable {
    package typealias ID = Identifier<ReconciliationMark>
    package enum Status: String, Sendable, Hashable, CaseIterable { case running, done, failed }
    package let id: ID
    package let provider: String
    package let status: Status
    package let since: Timestamp
    package let report: ReconciliationReport
    package let startedAt: Timestamp
    package let finishedAt: Timestamp?

    init(_ row: Row) throws {
        id = try row.id(0)
        provider = try row.text(1)
        guard let status = Status(rawValue: try row.text(2)) else { throw StoreFault.corrupt("billing_reconciliation.status") }
        self.status = status
        since = try row.time(3)
        report = try StoredJSON.decode(try row.text(4))
        startedAt = try row.time(5)
        finishedAt = try row.optional(6, row.time)
    }
}

package struct ReconciliationReport: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// A webhook that never came.
        case missedEvent = "missed_event"
        case subscription, payment, refund, dispute
        /// A checkout of which the provider never told that it is paid, though its subscription is.
        case checkoutOpen = "checkout_open"
        /// A licence that is not what its subscription entitles to, or has none.
        case access
    }
    package struct Finding: Sendable, Hashable, Codable {
        package let kind: Kind
        /// The provider's name of the object; of a licence, the subscription's id here.
        package let object: String
        package let tenant: TenantID?
        /// What differed.
        package let what: String
        /// False: a person must look.
        package let isMended: Bool
        enum CodingKeys: String, CodingKey {
            case kind, object, tenant, what
            case isMended = "is_mended"
        }
    }
    /// Objects looked at, by kind.
    package var compared: [String: Int] = [:]
    /// Objects that are no tenant's here.
    package var foreign = 0
    /// Lists that the provider does not have.
    package var unlisted: [String] = []
    /// The first ones; `found` counts all.
    package var findings: [Finding] = []
    package var found = 0
    /// Why it ended early.
    package var failure: String?
    package init() {}

    static let mostFindings = 200

    mutating func count(_ kind: Kind) { compared[kind.rawValue, default: 0] += 1 }
    mutating func add(_ finding: Finding) {
        found += 1
        if findings.count < ReconciliationReport.mostFindings { findings.append(finding) }
    }
}

/// How what a provider lists differs from the mirror; nil where it does not. `asOf` alone is no difference.
enum Drift {
    static func of(_ fact: SubscriptionFact, _ known: SubscriptionState?) -> String? {
        guard let known, let latest = known.latest else { return "unknown" }
        if known.ended != nil { return nil }
        if fact.status == .cancelled { return "ended" }
        guard fact.asOf > latest.asOf else { return nil }
        func differs<Value: Equatable>(_ left: Value?, _ right: Value?) -> Bool { left != nil && left != right }
        if fact.status != latest.status { return "status" }
        if fact.quantity != latest.quantity { return "quantity" }
        if differs(fact.providerPrice, latest.providerPrice) || differs(fact.tier, latest.tier) { return "tier" }
        if differs(fact.interval, latest.interval) { return "interval" }
        if !isNear(fact.periodEnd, latest.periodEnd) { return "period_end" }
        if !isNear(fact.cancelsAt, latest.cancelsAt) { return "cancels_at" }
        if !isNear(fact.trialEnd, latest.trialEnd) { return "trial_end" }
        return nil
    }

    static func of(_ fact: InvoiceFact, _ known: InvoiceState?) -> String? {
        // An invoice of no subscription changes nothing.
        guard fact.subscription != nil, fact.isPaid || fact.hasFailed else { return nil }
        guard let known else { return fact.isPaid ? "paid" : "failed" }
        if fact.isPaid, !known.isPaid { return "paid" }
        if fact.hasFailed, !fact.isPaid, !known.isPaid, known.firstFailure == nil { return "failed" }
        if let end = fact.periodEnd, known.periodEnd.map({ end > $0 + .seconds(1) }) ?? true { return "period_end" }
        return nil
    }

    static func of(_ fact: RefundFact, _ known: ReversalState?) -> String? { known == nil ? "unknown" : nil }

    static func of(_ fact: DisputeFact, _ known: ReversalState?) -> String? {
        guard let known else { return "unknown" }
        return fact.asOf > known.latest.asOf && fact.status != known.latest.status ? "status" : nil
    }

    /// Webhooks write whole seconds where lists may write more.
    private static func isNear(_ left: Timestamp?, _ right: Timestamp?) -> Bool {
        guard let left, let right else { return left == right }
        return left - right < .seconds(2) && right - left < .seconds(2)
    }
}

enum ReconciliationTable {
    private static let columns = "id, provider, status, since_at, report, started_at, finished_at"
    static let begin = SQL(
        "billing.begin_reconciliation",
        """
        INSERT INTO billing_reconciliation (id, provider, status, since_at, report, started_at, finished_at)
        VALUES ($1, $2, 'running', $3, $4, $5, NULL)
        """)
    static let finish = SQL(
        "billing.finish_reconciliation",
        "UPDATE billing_reconciliation SET status = $2, report = $3, finished_at = $4 WHERE id = $1 RETURNING id")
    static let find = SQL("billing.find_reconciliation", "SELECT \(columns) FROM billing_reconciliation WHERE id = $1")
    static let list = SQL(
        "billing.list_reconciliations",
        """
        SELECT \(columns) FROM billing_reconciliation WHERE (started_at, id) < ($1, $2) ORDER BY started_at DESC, id DESC LIMIT $3
        """)
    static let purge = SQL(
        "billing.purge_reconciliations", "DELETE FROM billing_reconciliation WHERE started_at < $1 AND status <> 'running' RETURNING id")
    /// When the newest comparison began that came to its end; without one, the oldest that began at all.
    static let lookedSince = SQL(
        "billing.reconciled_since",
        """
        SELECT coalesce(
            (SELECT started_at FROM billing_reconciliation WHERE started_at > $2 AND provider = $1 AND status = 'done'
                ORDER BY started_at DESC LIMIT 1),
            (SELECT started_at FROM billing_reconciliation WHERE started_at > $2 AND provider = $1 ORDER BY started_at LIMIT 1))
        """)
    static let event = SQL("billing.event_by_name", "SELECT id, status FROM payment_event WHERE provider = $1 AND event = $2")
    /// Every subscription, tenant by tenant.
    static let subscriptions = SQL(
        "billing.all_subscriptions",
        """
        SELECT tenant_id, id, provider, object, standing FROM subscription_all WHERE (tenant_id, id) > ($1, $2)
        ORDER BY tenant_id, id LIMIT $3
        """)
    static let subscription = SQL("billing.subscription_exists", "SELECT id FROM subscription_all WHERE tenant_id = $1 AND id = $2")

    static let all = [begin, finish, find, list, purge, lookedSince, event, subscriptions, subscription]
}
