import Store
import Vocabulary

package enum QuantityWishMark {}

/// How many units a customer wants of a subscription. What is wished within one window is one call at the provider, and one proration.
package struct QuantityWish: Sendable, Hashable {
    package typealias ID = Identifier<QuantityWishMark>
    package enum Status: String, Sendable, Hashable, CaseIterable {
        /// Until `dueAt` another wish takes its place.
        case waiting
        /// The provider is asked by an operation, whose outcome is this one's.
        case asked
        case done
        case withdrawn
        /// Another operation on the subscription took its place, or took it along.
        case replaced
        case refused
    }
    package let id: ID
    package let subscription: SubscriptionID
    let revision: Int
    let provider: String
    let object: String
    package let quantity: Int
    /// Who wished last.
    package let wishedBy: UserID
    let role: String
    package let status: Status
    package let operation: BillingOperation.ID?
    let tries: Int
    package let code: String?
    package let openedAt: Timestamp
    package let wishedAt: Timestamp
    package let dueAt: Timestamp
    package let settledAt: Timestamp?

    /// For how long a refusal is shown beside the subscription.
    static let refusalShown = Duration.days(7)
    /// After so long a wish that was put off again and again is given up.
    static let patience = Duration.days(3)

    package var isOpen: Bool { status == .waiting || status == .asked }

    /// Whether whoever looks at the subscription should hear of it.
    func isShown(at now: Timestamp) -> Bool {
        switch status {
        case .waiting, .asked: true
        case .refused: settledAt.map { now < $0 + QuantityWish.refusalShown } ?? false
        case .done, .withdrawn, .replaced: false
        }
    }

    /// What follows from a wish.
    enum Step: Equatable {
        /// The first one: the window begins.
        case open
        /// Another one in the same window, which does not grow by it.
        case renew
        /// Back to what the provider bills already: nobody need be asked.
        case withdraw
        case nothing
    }
    static func step(waiting: QuantityWish?, wanted: Int, billed: Int) -> Step {
        if wanted == billed { return waiting == nil ? .nothing : .withdraw }
        return waiting == nil ? .open : .renew
    }

    /// How a change is made.
    package enum Apply: String, Sendable, Hashable, CaseIterable, Codable {
        /// At once.
        case now
        /// With whatever else is wished within the window.
        case window
    }

    /// What is agreed to at a price is bought at that price, so it is asked for at once; so is all that is more than a quantity.
    static func isGathered(
        _ order: ChangeOrder, _ apply: Apply?, isQuantityAlone: Bool, window: Duration
    ) throws(Problem) -> Bool {
        guard apply != .now else { return false }
        let isAgreed = order.dueNowMinor != nil || order.prorationAt != nil
        if apply == .window, isAgreed { throw CommonProblems.invalid("apply", "is now where a preview is agreed to") }
        if apply == .window, !isQuantityAlone { throw CommonProblems.invalid("apply", "is now where more than the quantity changes") }
        return isQuantityAlone && !isAgreed && window > .zero
    }

    /// Why it was refused, for a person.
    func words(_ code: String) -> String {
        switch code {
        case CommonProblems.policyDenied.code: "a rule does not allow it"
        case BillingProblems.stateWrong.code: "the subscription has meanwhile ended, is paused, or a payment is open"
        case BillingProblems.downgradeWaits.code: "a downgrade waits for the end of the period first"
        case BillingProblems.quantityTooLarge.code: "it is more than the plan allows"
        default: "the payment provider did not take it (\(code))"
        }
    }

    /// When it is tried again after it could not be asked for.
    static func pause(tries: Int, asked: Duration?) -> Duration {
        max(Backoff(first: .seconds(30), cap: .hours(1)).delay(attempt: tries, jitter: 0), min(asked ?? .zero, .days(1)))
    }
}

extension QuantityWish {
    static let columns = """
        id, subscription_id, revision, provider, object, quantity, wished_by, role, status, operation_id, tries, code, opened_at, wished_at,
        due_at, settled_at
        """

    init(_ row: Row) throws {
        guard let status = Status(rawValue: try row.text(8)) else { throw StoreFault.corrupt("billing_quantity_wish.status") }
        id = try row.id(0)
        subscription = try row.id(1)
        revision = try row.int(2)
        provider = try row.text(3)
        object = try row.text(4)
        quantity = try row.int(5)
        wishedBy = try row.id(6)
        role = try row.text(7)
        self.status = status
        operation = try row.optional(9, row.id)
        tries = try row.int(10)
        code = try row.optional(11, row.text)
        openedAt = try row.time(12)
        wishedAt = try row.time(13)
        dueAt = try row.time(14)
        settledAt = try row.optional(15, row.time)
    }
}

/// Every statement over wishes for a quantity. Tenant scope.
enum QuantityWishTable {
    private static let columns = QuantityWish.columns
    static let find = SQL(
        "billing.quantity_wish", "SELECT \(columns) FROM billing_quantity_wish WHERE tenant_id = $1 AND subscription_id = $2")
    /// As many as the subscriptions that are shown.
    static let list = SQL("billing.quantity_wishes", "SELECT \(columns) FROM billing_quantity_wish WHERE tenant_id = $1 LIMIT 100")
    static let byObject = SQL(
        "billing.quantity_wish_of_object",
        "SELECT \(columns) FROM billing_quantity_wish WHERE tenant_id = $1 AND provider = $2 AND object = $3")
    static let insert = SQL(
        "billing.insert_quantity_wish",
        """
        INSERT INTO billing_quantity_wish (tenant_id, subscription_id, id, revision, provider, object, quantity, wished_by, role, status,
            operation_id, tries, code, opened_at, wished_at, due_at, settled_at)
        VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, 'waiting', NULL, 0, NULL, $9, $9, $10, NULL)
        """)
    /// The next window of the same subscription.
    static let reopen = SQL(
        "billing.reopen_quantity_wish",
        """
        UPDATE billing_quantity_wish SET id = $4, revision = revision + 1, quantity = $5, wished_by = $6, role = $7, status = 'waiting',
            operation_id = NULL, tries = 0, code = NULL, opened_at = $8, wished_at = $8, due_at = $9, settled_at = NULL
        WHERE tenant_id = $1 AND subscription_id = $2 AND revision = $3 AND status IN ('done', 'withdrawn', 'replaced', 'refused')
        RETURNING quantity
        """)
    static let renew = SQL(
        "billing.renew_quantity_wish",
        """
        UPDATE billing_quantity_wish SET revision = revision + 1, quantity = $4, wished_by = $5, role = $6, wished_at = $7
        WHERE tenant_id = $1 AND subscription_id = $2 AND revision = $3 AND status = 'waiting' RETURNING quantity
        """)
    static let ask = SQL(
        "billing.ask_quantity_wish",
        """
        UPDATE billing_quantity_wish SET revision = revision + 1, status = 'asked', operation_id = $4
        WHERE tenant_id = $1 AND subscription_id = $2 AND revision = $3 AND status = 'waiting' RETURNING quantity
        """)
    static let putOff = SQL(
        "billing.put_off_quantity_wish",
        """
        UPDATE billing_quantity_wish SET revision = revision + 1, status = 'waiting', tries = tries + 1, due_at = $4
        WHERE tenant_id = $1 AND subscription_id = $2 AND revision = $3 AND status IN ('waiting', 'asked') RETURNING quantity
        """)
    static let settle = SQL(
        "billing.settle_quantity_wish",
        """
        UPDATE billing_quantity_wish SET revision = revision + 1, status = $4, code = $5, settled_at = $6
        WHERE tenant_id = $1 AND subscription_id = $2 AND revision = $3 AND status IN ('waiting', 'asked') RETURNING quantity
        """)

    static let all = [find, list, byObject, insert, reopen, renew, ask, putOff, settle]
}
