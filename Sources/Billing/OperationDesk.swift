import Foundation
import Store
import Vocabulary

/// Asks providers to do things, so that each wish has its effect once: the intent is on disk first, the provider is asked outside every
/// transaction under a key of the intent, then what came of it is recorded. Where nobody knows, it is recorded as unknown, and a job finds out.
struct OperationDesk {
    static let asking = KernelReason("billing.ask_provider")
    static let settling = "billing.settle_operation"
    /// A caller's Idempotency-Key stands for the same operation as long as the stored answers live.
    static let claimLife = Duration.hours(24)
    /// How long after the asking somebody else looks after it: longer than any call may take.
    static let patience = Duration.seconds(90)
    /// After so many looks staff is told.
    static let patientTries = 4

    struct Job: Codable {
        let operation: BillingOperation.ID
        let look: Int
    }

    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    /// - Parameters:
    ///   - details: for the journal entry of the intent.
    ///   - check: runs in the transaction that writes the intent down; what it throws is the caller's problem.
    func perform(
        _ wish: Wish, at name: String, tenant: TenantID, details: [String: JSONValue], decision: DecisionID? = nil, _ act: Act,
        check: @escaping @Sendable (any TenantScope, BillingOperation.ID) throws -> Void = { _, _ in }
    ) async throws -> BillingOperation {
        let provider = try await parts.providers.inService(name, for: tenant)
        guard provider.capabilities.contains(wish.capability) else {
            throw BillingProblems.providerCannot.with(["capability": .string(wish.capability.rawValue)])
        }
        let (operation, isNew) = try await intend(wish, name, tenant, details, decision, act, check: check)
        guard operation.status != .done else { return operation }
        if isNew { return try await ask(operation, provider, tenant, act, tellsCaller: true) }
        return try await askOnceMore(operation, provider, tenant, act, tellsCaller: true)
    }

    /// What this caller's key stands for already, asked for once more while nobody knows what became of it. Nil: a new wish, or one that was
    /// refused.
    func repeated(_ tenant: TenantID, _ act: Act) async throws -> BillingOperation? {
        guard let known = try await known(tenant, act), known.status != .refused else { return nil }
        guard known.isOpen else { return known }
        return try await askOnceMore(
            known, try await parts.providers.inService(known.provider, for: tenant), tenant, act, tellsCaller: true)
    }

    private func known(_ tenant: TenantID, _ act: Act) async throws -> BillingOperation? {
        guard let claim = claim(act) else { return nil }
        return try await store.tenantRead(tenant) { db in
            guard let known = try db.row(OperationTable.byClaim, db.tenant, claim).map(BillingOperation.init),
                known.createdAt + OperationDesk.claimLife > act.now
            else { return nil }
            guard known.fingerprint == act.idempotency?.fingerprint else { throw CommonProblems.idempotencyKeyReused }
            return known
        }
    }

    private func claim(_ act: Act) -> [UInt8]? {
        act.idempotency.map {
            parts.floor.sealer.digest(Array("\($0.scope.utf8.count):\($0.scope)\($0.key)".utf8), purpose: "billing_operation.claim")
        }
    }

    /// Whether it is new: nobody has asked the provider under its present key.
    private func intend(
        _ wish: Wish, _ provider: String, _ tenant: TenantID, _ details: [String: JSONValue], _ decision: DecisionID?, _ act: Act,
        check: @escaping @Sendable (any TenantScope, BillingOperation.ID) throws -> Void
    ) async throws -> (operation: BillingOperation, isNew: Bool) {
        let id: BillingOperation.ID = parts.floor.entropy.id(act.now)
        let claim = claim(act)
        return try await store.tenant(tenant, .flushed) { db in
            if let claim, let known = try db.row(OperationTable.byClaim, db.tenant, claim).map(BillingOperation.init) {
                if known.createdAt + OperationDesk.claimLife > act.now {
                    guard known.fingerprint == act.idempotency?.fingerprint else { throw CommonProblems.idempotencyKeyReused }
                    let isNew = known.status == .refused
                    if isNew {
                        try OperationDesk.refuseOther(than: known.id, known.object, provider, db)
                        try check(db, known.id)
                        try db.run(OperationTable.askAgain, db.tenant, known.id, act.now)
                        try OperationDesk.look(after: known.id, look: 0, at: act.now + OperationDesk.patience, db, act)
                    }
                    return (try OperationDesk.find(known.id, db), isNew)
                }
                try db.run(OperationTable.forgetClaim, db.tenant, known.id)
            }
            try OperationDesk.refuseOther(than: nil, wish.object, provider, db)
            try check(db, id)
            try db.run(
                OperationTable.insert, db.tenant, id, provider, wish.kind.rawValue, wish.object, claim, act.idempotency?.fingerprint,
                try StoredJSON.encode(wish), wish.amount?.amountMinor, wish.amount?.currency.code, act.now,
                wish.kind == .cancel ? details["reason"]?.string : nil)
            // Whoever dies from here on is followed by this job.
            try OperationDesk.look(after: id, look: 0, at: act.now + OperationDesk.patience, db, act)
            try db.journal(
                JournalEntry(
                    "billing_operation.intended", subject: "billing_operation:\(id)",
                    details: .object(
                        details.merging(["kind": .string(wish.kind.rawValue), "provider": .string(provider)]) { own, _ in own }),
                    decision: decision), act)
            return (try OperationDesk.find(id, db), true)
        }
    }

    /// While nobody knows what became of one operation, no other is asked of the same object.
    static func refuseOther(than own: BillingOperation.ID?, _ object: String, _ provider: String, _ db: any TenantScope) throws {
        let others = try db.rows(OperationTable.ofObject, db.tenant, provider, object).map(BillingOperation.init)
        guard let open = others.first(where: { $0.isOpen && $0.id != own }) else { return }
        throw BillingProblems.operationOpen.with(["operation_id": .string(open.id.description)]).retry(afterSeconds: 10)
    }

    static func find(_ id: BillingOperation.ID, _ db: any TenantScope) throws -> BillingOperation {
        guard let row = try db.row(OperationTable.find, db.tenant, id) else { throw CommonProblems.notFound }
        return try BillingOperation(row)
    }

    static func look(after id: BillingOperation.ID, look: Int, at moment: Timestamp, _ db: any TenantScope, _ act: Act) throws {
        let payload = Job(operation: id, look: look)
        try db.enqueue(
            NewJob(settling, key: "\(id):\(moment.microseconds):\(look)", tenant: db.tenant, payload: payload, runAt: moment), act)
    }

    // MARK: - Asking

    /// Asks and records. To a caller a definite refusal is thrown as its problem; an unknown outcome is an answer like another.
    private func ask(
        _ operation: BillingOperation, _ provider: any PaymentProvider, _ tenant: TenantID, _ act: Act, tellsCaller: Bool
    ) async throws -> BillingOperation {
        switch try await answer(of: provider, to: operation) {
        case .done(let effect): return try await done(operation, effect, tenant, act)
        case .unknown: return try await lost(operation, tenant, act)
        case .refused(let error):
            let (code, isFinal) = OperationDesk.code(of: error)
            var pause: Duration?
            if case .rateLimited(let wanted)? = error as? PaymentProviderError { pause = wanted }
            let settled = try await refused(operation, code: code, isFinal: isFinal, pause: pause, tenant, act)
            // Somebody else asked too, and this refusal is only one answer of several.
            if settled.isOpen { return try await lost(settled, tenant, act) }
            // Another look may have settled it meanwhile, as done.
            if tellsCaller, settled.status == .refused { throw BillingProblems.of(error) }
            return settled
        }
    }

    /// Asks under a key under which it was asked before. From here on no single refusal ends the operation: it says nothing about what
    /// became of the other request. A limit of requests leaves it open; of any other refusal the provider's own books are asked.
    func askOnceMore(
        _ operation: BillingOperation, _ provider: any PaymentProvider, _ tenant: TenantID, _ act: Act, tellsCaller: Bool
    ) async throws -> BillingOperation {
        let doubted = try await store.tenant(tenant, .flushed) { db in
            try db.run(OperationTable.doubt, db.tenant, operation.id, operation.attempt)
            return try OperationDesk.find(operation.id, db)
        }
        guard doubted.isOpen, doubted.attempt == operation.attempt else { return doubted }
        switch try await answer(of: provider, to: doubted) {
        case .done(let effect): return try await done(doubted, effect, tenant, act)
        case .unknown: return try await lost(doubted, tenant, act)
        case .refused(let error):
            let (code, isFinal) = OperationDesk.code(of: error)
            guard isFinal else { return try await lost(doubted, tenant, act) }
            switch try await OperationReview(parts: parts).proof(doubted, provider, tenant) {
            case .done(let effect): return try await done(doubted, effect, tenant, act)
            case .unknown: return try await lost(doubted, tenant, act)
            case .notDone, .none:
                let settled = try await refused(doubted, code: code, isFinal: true, tenant, act)
                if tellsCaller, settled.status == .refused { throw BillingProblems.of(error) }
                return settled
            }
        }
    }

    private enum Answer {
        case done(Wish.Effect)
        /// This request was certainly not carried out.
        case refused(any Error)
        case unknown
    }

    private func answer(of provider: any PaymentProvider, to operation: BillingOperation) async throws -> Answer {
        do {
            let limit = Duration.seconds(Int64(parts.settings[BillingSettings.providerSeconds]))
            return .done(try await CallLimit.within(limit) { try await operation.wish.ask(provider, key: operation.key) })
        } catch {
            return (error as? PaymentProviderError)?.outcome == .notDone ? .refused(error) : .unknown
        }
    }

    /// Records what the provider did, and lets the mirror know it at once.
    func done(_ operation: BillingOperation, _ effect: Wish.Effect, _ tenant: TenantID, _ act: Act) async throws -> BillingOperation {
        let news: PaymentNews
        var made: String?
        switch effect {
        case .subscription(let fact): news = PaymentNews(provider: operation.provider, event: operation.key, facts: [.subscription(fact)])
        case .refund(let refund):
            news = PaymentNews(provider: operation.provider, event: operation.key, facts: [.refund(refund.fact)])
            made = refund.fact.refund
        }
        if let fault = news.fault {
            parts.floor.note("A provider answered what cannot be", ["operation": operation.id.description, "fault": fault])
            return try await lost(operation, tenant, act)
        }
        let (name, knownAt) = (made, act.now)
        return try await store.kernel(OperationDesk.asking, .flushed) { db in
            let isFirst = try db.within(tenant) { db in
                let row = try db.row(
                    OperationTable.finish, db.tenant, operation.id, operation.attempt, BillingOperation.Status.done.rawValue,
                    nil as String?, name, knownAt, 0)
                guard row != nil else { return false }
                try db.journal(
                    JournalEntry(
                        "billing_operation.done", subject: "billing_operation:\(operation.id)",
                        details: .object(
                            ["kind": .string(operation.kind.rawValue)].merging(name.map { ["made": .string($0)] } ?? [:]) { $1 })),
                    act)
                try QuantityWishBooks(db: db, act: act).heard(done: operation)
                return true
            }
            if isFirst { try learn(effect, news, tenant, db, act) }
            return try db.within(tenant) { try OperationDesk.find(operation.id, $0) }
        }
    }

    /// What was answered joins the mirror as what it is, a fact. What policy has a say in goes the way of every event.
    private func learn(_ effect: Wish.Effect, _ news: PaymentNews, _ tenant: TenantID, _ db: any KernelScope, _ act: Act) throws {
        switch effect {
        case .subscription(let fact):
            try db.within(tenant) { db in
                let books = MirrorBooks(db: db, provider: news.provider, now: act.now, entropy: parts.floor.entropy)
                let own = try books.own(news)
                let page = try books.page(news.mirror(directives: .none, ownReferences: own.references, intended: own.intended))
                try books.write(page)
                for subscription in page.subscriptions {
                    let row = try page.rows[subscription] ?? books.row(of: subscription)
                    try StandingKeeper(parts, books, act).settle(row, page.after.facts(of: subscription))
                }
            }
            if fact.status == .cancelled { try KnownNews(parts: parts).store(news, tenant, db, act) }
        case .refund:
            // The payment is the tenant's, since the invoice was.
            let payments = news.readings.compactMap(\.payment).map { RouteAnchor(.payment, $0) }
            try PaymentPosting.link(payments, of: news.provider, to: tenant, db, act)
            try KnownNews(parts: parts).store(news, tenant, db, act)
        }
    }

    /// The code of a refusal, and whether its key is used up: after a limit of requests the same key may ask again.
    private static func code(of error: any Error) -> (code: String, isFinal: Bool) {
        switch error as? PaymentProviderError {
        case .refused(let said, _)?: (PaymentInbox.isName(said) ? String(said.prefix(100)) : "refused", true)
        case .notSupported?: ("not_supported", true)
        case .rateLimited?: ("rate_limited", false)
        default: ("refused", true)
        }
    }

    /// Records that it was certainly not done. One that is in doubt is ended by a final refusal only.
    func refused(
        _ operation: BillingOperation, code: String, isFinal: Bool, pause: Duration? = nil, _ tenant: TenantID, _ act: Act
    ) async throws -> BillingOperation {
        try await store.tenant(tenant, .flushed) { db in
            if try db.row(
                OperationTable.finish, db.tenant, operation.id, operation.attempt, BillingOperation.Status.refused.rawValue, code,
                nil as String?, act.now, isFinal ? 1 : 0) != nil
            {
                try db.journal(
                    JournalEntry(
                        "billing_operation.refused", subject: "billing_operation:\(operation.id)", outcome: .failed,
                        details: ["kind": .string(operation.kind.rawValue), "code": .string(code)]), act)
                try QuantityWishBooks(db: db, act: act).heard(refused: operation, code: code, isFinal: isFinal, pause: pause)
            }
            return try OperationDesk.find(operation.id, db)
        }
    }

    /// Records that nobody knows, and when somebody looks again: first after seconds, at last once an hour.
    func lost(_ operation: BillingOperation, _ tenant: TenantID, _ act: Act, settling delivery: Delivery? = nil) async throws
        -> BillingOperation
    {
        try await store.tenant(tenant, .flushed) { db in
            if let row = try db.row(OperationTable.lose, db.tenant, operation.id, operation.attempt) {
                let tries = try row.int(0)
                if tries == 1 {
                    try db.journal(
                        JournalEntry(
                            "billing_operation.unknown", subject: "billing_operation:\(operation.id)",
                            details: ["kind": .string(operation.kind.rawValue), "provider": .string(operation.provider)]), act)
                }
                if tries == OperationDesk.patientTries {
                    try BillingMails(db: db, act: act).notifyStaff(
                        "operation_unknown", about: "\(operation.id)",
                        ["operation": operation.id.description, "provider": operation.provider, "kind": operation.kind.rawValue])
                }
                let wait = Backoff(first: .seconds(10), cap: .hours(1)).delay(attempt: tries, jitter: 0)
                try OperationDesk.look(after: operation.id, look: tries, at: act.now + wait, db, act)
            }
            if let delivery { try db.settle(delivery) }
            return try OperationDesk.find(operation.id, db)
        }
    }
}
