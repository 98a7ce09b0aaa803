import Store
import Vocabulary

/// A subscription that goes on at another provider, within one transaction: for everybody to the right it is one, the first of the line. Each member
/// keeps its own facts and standing, so that late news of the old provider changes the old provider's member and nothing else.
struct Lineage {
    /// Under whose id and version others hear of it.
    let root: SubscriptionRow
    /// The root first, then as they were bought.
    let members: [SubscriptionRow]
    let moves: [(from: SubscriptionID, to: SubscriptionID)]

    /// Nil for a subscription that never moved.
    static func of(_ row: SubscriptionRow, _ db: any TenantScope) throws -> Lineage? {
        let rootID: SubscriptionID = try db.row(MoveTable.rootOf, db.tenant, row.provider, row.object).map { try $0.id(0) } ?? row.id
        var members: [SubscriptionRow] = []
        var moves: [(SubscriptionID, SubscriptionID)] = []
        for move in try db.rows(MoveTable.ofRoot, db.tenant, rootID) {
            guard let found = try db.row(BillingTable.subscriptionByObject, db.tenant, try move.text(0), try move.text(1)) else { continue }
            let member = try SubscriptionRow(found)
            members.append(member)
            moves.append((try move.id(2), member.id))
        }
        guard !members.isEmpty, let root = try db.row(BillingTable.subscriptionByID, db.tenant, rootID).map(SubscriptionRow.init) else {
            return nil
        }
        return Lineage(root: root, members: [root] + members, moves: moves)
    }

    /// Who carries it: what entitles most, and of equals the newest.
    static func carrier(_ standings: [(row: SubscriptionRow, standing: Standing)]) -> (row: SubscriptionRow, standing: Standing)? {
        let order: [Standing.State] = [.active, .grace, .suspended, .cancelled]
        let granted = standings.reversed().filter(\.standing.isGranted)
        return order.lazy.compactMap { state in granted.first { $0.standing.state == state } }.first
    }

    /// Every member's standing at this time; of `row` as given.
    func standings(_ row: SubscriptionRow, _ standing: Standing, _ books: MirrorBooks, _ parts: BillingParts, now: Timestamp) throws -> [(
        row: SubscriptionRow, standing: Standing
    )] {
        try members.map { member in
            if member.id == row.id { return (row, standing) }
            let books = MirrorBooks(db: books.db, provider: member.provider, now: now, entropy: parts.floor.entropy)
            return (member, Standing.derive(try books.facts(of: member), terms: parts.terms(member.provider), now: now))
        }
    }
}

extension StandingKeeper {
    /// Like `settle`, where the subscription is one of several that are one to others.
    func settle(_ row: SubscriptionRow, _ facts: StandingFacts, _ standing: Standing, in line: Lineage, _ decision: DecisionID?) throws {
        let (db, parts, act) = (books.db, parts, act)
        var own = row
        own.facts = facts.subscription
        own.standing = standing.state
        let standings = try line.standings(own, standing, books, parts, now: act.now)
        let carrier = Lineage.carrier(standings)
        var root = line.root.id == row.id ? own : line.root
        if let carrier, let told = ToldStanding(carrier.standing), told != root.told {
            root.told = told
            root.version += 1
            try db.emit(told.event(db.tenant, root.id, version: root.version), act)
            try db.journal(
                JournalEntry(
                    "subscription.changed", subject: "subscription:\(root.id)",
                    details: [
                        "provider": .string(carrier.row.provider), "to": .string(carrier.standing.state.rawValue),
                        "tier": .string(told.tier), "quantity": .int(Int64(told.quantity)), "version": .int(root.version),
                    ], decision: decision), act)
        }
        if root.id == own.id { own = root } else if root.version != line.root.version { try write(root) }
        if own.facts != row.facts || own.standing != row.standing || own.version != row.version { try write(own) }
        // The time until the old one's period is over is no trial that somebody must be reminded of: it is paid.
        var shown = standing
        if row.id != line.root.id, shown.reason == .trial { shown.reason = .paid }
        if shown.state != .pending { try schedule(row, shown) }
        // Of whom nobody lives any more, nobody is told.
        if carrier?.row.id == row.id { try tell(row, own, shown) }
        try finish(line, standings)
    }

    /// What others should have been told of a row at a time; nil: nothing, or another of its line speaks.
    func entitles(_ row: SubscriptionRow, _ facts: StandingFacts, at now: Timestamp) throws -> ToldStanding? {
        let standing = Standing.derive(facts, terms: parts.terms(row.provider), now: now)
        guard let line = try Lineage.of(row, books.db) else { return ToldStanding(standing) }
        guard line.root.id == row.id else { return nil }
        return Lineage.carrier(try line.standings(row, standing, books, parts, now: now)).flatMap { ToldStanding($0.standing) }
    }

    private func write(_ row: SubscriptionRow) throws {
        try books.db.run(
            BillingTable.updateSubscription, books.db.tenant, row.id, try StoredJSON.encode(row.facts), row.standing.rawValue,
            try row.told.map(StoredJSON.encode), row.version, act.now)
    }

    /// Whoever was left behind is cancelled at its provider, once the next one stands.
    private func finish(_ line: Lineage, _ standings: [(row: SubscriptionRow, standing: Standing)]) throws {
        for move in line.moves {
            guard let to = standings.first(where: { $0.row.id == move.to }), to.standing.isGranted, to.standing.state == .active,
                let from = standings.first(where: { $0.row.id == move.from }), from.row.facts.ended == nil,
                from.row.facts.latest?.cancelsAt == nil
            else { continue }
            try books.db.enqueue(
                NewJob(
                    MoveDesk.finishing, key: "\(move.to)", tenant: books.db.tenant, payload: MoveDesk.Job(from: move.from, to: move.to),
                    runAt: act.now), act)
        }
    }
}

enum MoveTable {
    static let insert = SQL(
        "billing.insert_move", "INSERT INTO billing_move (tenant_id, checkout_id, root_id, from_id, created_at) VALUES ($1, $2, $3, $4, $5)"
    )
    static let rootOf = SQL(
        "billing.root_of_subscription",
        """
        SELECT m.root_id FROM billing_checkout c JOIN billing_move m ON m.tenant_id = c.tenant_id AND m.checkout_id = c.id
        WHERE c.tenant_id = $1 AND c.provider = $2 AND c.subscription_object = $3
        """)
    static let ofRoot = SQL(
        "billing.moves_of_root",
        """
        SELECT c.provider, c.subscription_object, m.from_id FROM billing_move m
        JOIN billing_checkout c ON c.tenant_id = m.tenant_id AND c.id = m.checkout_id
        WHERE m.tenant_id = $1 AND m.root_id = $2 AND c.subscription_object IS NOT NULL ORDER BY m.created_at, m.checkout_id
        """)

    static let all = [insert, rootOf, ofRoot]
}
