import Store
import Vocabulary

/// Moves a wish for a quantity on, inside the transaction of whatever moves it. Each move names the revision that was read.
struct QuantityWishBooks {
    static let carrying = "billing.carry_out_quantity_wish"

    struct Job: Codable { let wish: QuantityWish.ID, subscription: SubscriptionID }
    /// Somebody else was quicker: what was read holds no longer.
    struct Moved: Error {}

    /// Who wishes.
    struct Wisher {
        let user: UserID
        let role: String
    }

    let db: any TenantScope
    let act: Act

    func find(_ subscription: SubscriptionID) throws -> QuantityWish? {
        try db.row(QuantityWishTable.find, db.tenant, subscription).map(QuantityWish.init)
    }
    func waiting(_ subscription: SubscriptionID) throws -> QuantityWish? {
        try find(subscription).flatMap { $0.status == .waiting ? $0 : nil }
    }

    /// - Parameter window: from the first wish on.
    func open(
        _ id: QuantityWish.ID, of row: SubscriptionRow, quantity: Int, by wisher: Wisher, window: Duration, decision: DecisionID
    ) throws {
        let due = act.now + window
        if let old = try find(row.id) {
            try require(
                db.row(
                    QuantityWishTable.reopen, db.tenant, row.id, old.revision, id, quantity, wisher.user, wisher.role, act.now, due))
        } else {
            try db.run(
                QuantityWishTable.insert, db.tenant, row.id, id, row.provider, row.object, quantity, wisher.user, wisher.role, act.now, due)
        }
        try schedule(id, row.id, at: due)
        try record("wished", row.id, ["quantity": .int(Int64(quantity)), "due_at": .string(due.iso8601)], decision: decision)
    }

    func renew(_ wish: QuantityWish, quantity: Int, by wisher: Wisher, decision: DecisionID) throws {
        try require(
            db.row(
                QuantityWishTable.renew, db.tenant, wish.subscription, wish.revision, quantity, wisher.user, wisher.role, act.now))
        try record(
            "wished", wish.subscription, ["quantity": .int(Int64(quantity)), "due_at": .string(wish.dueAt.iso8601)], decision: decision)
    }

    func ask(_ wish: QuantityWish, by operation: BillingOperation.ID) throws {
        try require(db.row(QuantityWishTable.ask, db.tenant, wish.subscription, wish.revision, operation))
        try record("asked", wish.subscription, ["quantity": .int(Int64(wish.quantity)), "operation": .string(operation.description)])
    }

    func withdraw(_ wish: QuantityWish) throws {
        try settle(wish, .withdrawn)
        try record("withdrawn", wish.subscription, ["quantity": .int(Int64(wish.quantity))])
    }

    func finish(_ wish: QuantityWish) throws {
        try settle(wish, .done)
        try record("done", wish.subscription, ["quantity": .int(Int64(wish.quantity))])
    }

    /// Owners are told: nobody waits for the answer any more.
    func refuse(_ wish: QuantityWish, code: String) throws {
        try settle(wish, .refused, code: code)
        try record("refused", wish.subscription, ["quantity": .int(Int64(wish.quantity)), "code": .string(code)], outcome: .failed)
        try BillingMails(db: db, act: act).send(
            BillingMails.quantityRefused, about: "\(wish.id)", ["quantity": "\(wish.quantity)", "reason": wish.words(code)])
    }

    /// Once more later, unless it has been tried for too long.
    func putOff(_ wish: QuantityWish, code: String, pause: Duration?) throws {
        guard act.now < wish.wishedAt + QuantityWish.patience else { return try refuse(wish, code: code) }
        let due = act.now + QuantityWish.pause(tries: wish.tries + 1, asked: pause)
        try require(db.row(QuantityWishTable.putOff, db.tenant, wish.subscription, wish.revision, due))
        try schedule(wish.id, wish.subscription, at: due)
        try record("put_off", wish.subscription, ["code": .string(code), "due_at": .string(due.iso8601)])
    }

    // MARK: - What became of an operation

    /// A wish that waited while something else was done to the subscription is out of date, unless it came later than that was asked for.
    func heard(done operation: BillingOperation) throws {
        guard let wish = try of(operation) else { return }
        if wish.operation == operation.id, wish.status == .asked { return try finish(wish) }
        let replaces: Set<BillingOperation.Kind> = [.change, .cancel, .pause]
        guard wish.status == .waiting, replaces.contains(operation.kind), wish.wishedAt <= operation.askedAt else { return }
        try settle(wish, .replaced)
        try record("replaced", wish.subscription, ["operation": .string(operation.id.description)])
    }

    /// - Parameter isFinal: false where the provider had no time for it.
    func heard(refused operation: BillingOperation, code: String, isFinal: Bool, pause: Duration?) throws {
        guard let wish = try of(operation), wish.operation == operation.id, wish.status == .asked else { return }
        if isFinal { try refuse(wish, code: code) } else { try putOff(wish, code: code, pause: pause) }
    }

    private func of(_ operation: BillingOperation) throws -> QuantityWish? {
        guard operation.kind != .refund else { return nil }
        return try db.row(QuantityWishTable.byObject, db.tenant, operation.provider, operation.object).map(QuantityWish.init)
    }

    // MARK: - Parts

    private func settle(_ wish: QuantityWish, _ status: QuantityWish.Status, code: String? = nil) throws {
        try require(
            db.row(QuantityWishTable.settle, db.tenant, wish.subscription, wish.revision, status.rawValue, code, act.now))
    }
    private func require(_ row: Row?) throws { if row == nil { throw Moved() } }

    private func schedule(_ wish: QuantityWish.ID, _ subscription: SubscriptionID, at due: Timestamp) throws {
        try db.enqueue(
            NewJob(
                QuantityWishBooks.carrying, key: "\(wish):\(due.microseconds)", tenant: db.tenant,
                payload: Job(wish: wish, subscription: subscription), runAt: due), act)
    }

    private func record(
        _ past: String, _ subscription: SubscriptionID, _ details: [String: JSONValue], outcome: JournalEntry.Outcome = .success,
        decision: DecisionID? = nil
    ) throws {
        try db.journal(
            JournalEntry(
                "quantity_wish.\(past)", subject: "subscription:\(subscription)", outcome: outcome, details: .object(details),
                decision: decision), act)
    }
}
