import Store
import Vocabulary

package enum CorrectionMark {}

/// Something in one account that a comparison with a provider found and put right, as those who pay may read it.
package struct Correction: Sendable, Hashable {
    package typealias ID = Identifier<CorrectionMark>
    /// Which of the three was not as it should be.
    package enum Place: String, Sendable, Hashable, CaseIterable {
        /// The provider does not know what is recorded here.
        case provider
        /// The record here lagged behind the provider.
        case mirror
        /// The licence, or what it was told, lagged behind the record.
        case access
    }
    package enum Done: String, Sendable, Hashable, CaseIterable {
        case corrected
        /// Nobody can know by a rule what is right: the platform's people look.
        case staffLooks = "staff_looks"
    }
    /// What a subscription entitled to.
    package struct Terms: Sendable, Hashable, Codable {
        package let status: StandingChanged.Standing
        package let tier: String
        package let quantity: Int
        package let periodEnd: Timestamp?
        enum CodingKeys: String, CodingKey {
            case status, tier, quantity
            case periodEnd = "period_end"
        }
    }

    package let id: ID
    package let provider: String
    package let place: Place
    package let kind: ReconciliationReport.Kind
    package let what: String
    package let done: Done
    package let subscription: SubscriptionID?
    package let before: Terms?
    package let after: Terms?
    package let changesAccess: Bool
    package let changesMoney: Bool
    package let amount: Money?
    package let foundAt: Timestamp
    package let settledAt: Timestamp
}

extension Correction {
    static let columns = """
        id, provider, place, kind, what, done, subscription_id, before_terms, after_terms, changes_access, changes_money, amount_minor,
        currency, found_at, settled_at
        """

    init(_ row: Row) throws {
        guard let place = Place(rawValue: try row.text(2)), let kind = ReconciliationReport.Kind(rawValue: try row.text(3)),
            let done = Done(rawValue: try row.text(5))
        else { throw StoreFault.corrupt("billing_correction") }
        let currency = try row.optional(12, row.text).flatMap { Currency($0) }
        self.init(
            id: try row.id(0), provider: try row.text(1), place: place, kind: kind, what: try row.text(4), done: done,
            subscription: try row.optional(6, row.id), before: try row.optional(7, row.text).map(StoredJSON.decode),
            after: try row.optional(8, row.text).map(StoredJSON.decode), changesAccess: try row.bool(9), changesMoney: try row.bool(10),
            amount: try row.optional(11, row.integer).flatMap { minor in currency.map { Money(amountMinor: minor, currency: $0) } },
            foundAt: try row.time(13), settledAt: try row.time(14))
    }
}

extension Correction.Terms {
    init?(_ told: ToldStanding?) {
        guard let told else { return nil }
        self.init(status: told.standing, tier: told.tier, quantity: told.quantity, periodEnd: told.periodEnd)
    }
    init?(_ shown: ShownLicense?) {
        guard let shown else { return nil }
        self.init(status: shown.standing, tier: shown.tier, quantity: shown.quantity, periodEnd: shown.periodEnd)
    }
}

/// Why a comparison stored an event.
struct CorrectionFinding: Sendable, Hashable {
    let kind: ReconciliationReport.Kind
    let what: String
    let foundAt: Timestamp

    func note(_ event: PaymentEvent.ID, _ db: any KernelScope) throws {
        try db.run(CorrectionTable.note, event, kind.rawValue, what, foundAt)
    }
    static func of(_ event: PaymentEvent.ID, _ db: any KernelScope) throws -> CorrectionFinding? {
        guard let row = try db.row(CorrectionTable.finding, event), let kind = ReconciliationReport.Kind(rawValue: try row.text(0)) else {
            return nil
        }
        return CorrectionFinding(kind: kind, what: try row.text(1), foundAt: try row.time(2))
    }
}

enum CorrectionTable {
    private static let columns = Correction.columns
    // Kernel scope: what an event is to mend.
    static let note = SQL(
        "billing.note_finding",
        "INSERT INTO payment_event_finding (event_id, kind, what, found_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
    static let finding = SQL("billing.finding_of_event", "SELECT kind, what, found_at FROM payment_event_finding WHERE event_id = $1")
    // Tenant scope.
    static let known = SQL("billing.known_correction", "SELECT id FROM billing_correction WHERE tenant_id = $1 AND finding = $2")
    static let purge = SQL(
        "billing.purge_corrections",
        """
        DELETE FROM billing_correction_all WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM billing_correction_all
            WHERE settled_at < $1 AND \(TenantKeep.unheld("billing_correction_all")) LIMIT $2) RETURNING id
        """)
    static let insert = SQL(
        "billing.insert_correction",
        """
        INSERT INTO billing_correction (tenant_id, id, finding, provider, place, kind, what, done, subscription_id, before_terms,
            after_terms, changes_access, changes_money, amount_minor, currency, found_at, settled_at, told_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, NULL)
        """)
    static let list = SQL(
        "billing.list_corrections",
        """
        SELECT \(columns) FROM billing_correction
        WHERE tenant_id = $1 AND (settled_at, id) < ($2, $3) ORDER BY settled_at DESC, id DESC LIMIT $4
        """)
    /// What owners were not mailed of yet, the oldest first.
    static let untold = SQL(
        "billing.untold_corrections",
        """
        SELECT \(columns) FROM billing_correction
        WHERE tenant_id = $1 AND told_at IS NULL AND (changes_access = 1 OR changes_money = 1) ORDER BY settled_at, id
        """)
    /// Only one caller mails of a correction; to nobody else is a row returned.
    static let tell = SQL(
        "billing.tell_correction",
        "UPDATE billing_correction SET told_at = $3 WHERE tenant_id = $1 AND id = $2 AND told_at IS NULL RETURNING told_at")

    static let ofKernel = [note, finding]
    static let ofTenant = [known, insert, list, untold, tell]
    static let all = ofKernel + ofTenant + [purge]
}
