import HookEngine
import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

/// Deaths between wish, job, question and record. What is judged is what the provider did: once for each window at most, and what was wished last.
@Suite("Wishes that die on the way")
struct QuantityWishCrashTests {
    @Test("a crash before and after each single step leaves what was wished, once, or nothing that was promised")
    func everyStep() async throws {
        let (probe, counted) = try await OperationCrashTests.house()
        counted.crash(at: nil, .before)
        try await Self.live(probe)
        let steps = counted.calls
        #expect(steps >= 8)
        for step in 1...steps {
            for moment in FaultyStore.Moment.allCases {
                let (house, store) = try await OperationCrashTests.house()
                store.crash(at: step, moment)
                var isTold = false
                do {
                    try await house.wish(5, key: "k")
                    isTold = true
                } catch is FaultyStore.Crash {}
                try await OperationCrashTests.settle(house, store)
                #expect(!isTold || house.effects("change") == 1, "step \(step) \(moment)")
                // Whoever asked comes back with the same key.
                try await OperationCrashTests.quietly { try await house.wish(5, key: "k") }
                try await OperationCrashTests.settle(house, store)
                #expect(house.effects("change") == 1, "step \(step) \(moment)")
                #expect(try await house.operations.map(\.status) == [.done], "step \(step) \(moment)")
                #expect(try await house.subscription()?.standing.quantity == 5, "step \(step) \(moment)")
            }
        }
    }
    private static func live(_ house: House) async throws {
        try await house.wish(5, key: "k")
        house.move(to: house.clock.now() + .minutes(1))
        try await house.run()
    }

    /// A tenant with a subscription of its own, and what it wished for.
    final class Buyer: Sendable {
        let tenant: TenantID
        let object: String
        /// What it was promised; nil: a crash or an answer that was lost leaves it open.
        let wanted = Guarded<Int?>(3)
        let windows = Guarded<Set<QuantityWish.ID>>([])
        init(_ tenant: TenantID, _ object: String) {
            self.tenant = tenant
            self.object = object
        }
        var caller: Principal {
            Principal(
                user: House.user, tenant: tenant, membership: MembershipID("01890000-0000-7000-8000-00000000000c")!, session: House.session,
                role: "owner")
        }
    }

    @Test("random wishes, withdrawals, changes at once, crashes, lost answers, refusals and late jobs of many tenants", arguments: 1...40)
    func random(seed: Int) async throws {
        var dice = Dice(seed: UInt64(seed))
        let (house, store) = try await OperationCrashTests.house()
        var buyers = [Buyer(house.tenant, "sub_1_x")]
        for (number, tenant) in [house.stranger, TenantID("01890000-0000-7000-8000-000000000003")!].enumerated() {
            buyers.append(Buyer(tenant, try await house.bought("t\(number)", by: tenant)))
        }
        for number in 0..<40 {
            let buyer = buyers[Int.random(in: 0..<buyers.count, using: &dice)]
            let (key, quantity) = ("k\(number)", Int.random(in: 1...9, using: &dice))
            switch Int.random(in: 0..<12, using: &dice) {
            case 0..<5: try await Self.wish(quantity, key, buyer, house)
            case 5:
                let old = try await Self.look(buyer, house)
                do {
                    _ = try await house.billing.withdrawQuantity(nil, tenant: buyer.tenant, house.act(key))
                    buyer.wanted.with { $0 = old.billed }
                } catch is FaultyStore.Crash { buyer.wanted.with { $0 = nil } } catch is Problem {}
            case 6:
                do {
                    let answer = try await house.billing.change(ChangeOrder(quantity: quantity), apply: .now, buyer.caller, house.act(key))
                    let isKnown = answer.operation.map { $0.status == .done } ?? true
                    buyer.wanted.with { $0 = isKnown ? quantity : nil }
                } catch is FaultyStore.Crash { buyer.wanted.with { $0 = nil } } catch is Problem {}
            case 7:
                let losses = (0..<3).map { _ in FakeDesk.Loss.allCases.randomElement(using: &dice) ?? .none }
                house.provider.desk.state.with { $0.losses = losses }
            case 8: store.crash(at: Int.random(in: 1...10, using: &dice), Bool.random(using: &dice) ? .before : .after)
            default:
                house.move(to: house.clock.now() + .seconds(Int64.random(in: 1...90, using: &dice)))
                do { try await house.run() } catch is FaultyStore.Crash {}
            }
        }
        house.provider.desk.state.with { $0.losses = [] }
        try await OperationCrashTests.settle(house, store)
        for buyer in buyers { try await Self.judge(buyer, house) }
    }

    private static func wish(_ quantity: Int, _ key: String, _ buyer: Buyer, _ house: House) async throws {
        do {
            let answer = try await house.billing.change(ChangeOrder(quantity: quantity), apply: nil, buyer.caller, house.act(key))
            buyer.wanted.with { $0 = quantity }
            if let wish = answer.subscription?.wish { buyer.windows.with { _ = $0.insert(wish.id) } }
        } catch is FaultyStore.Crash { buyer.wanted.with { $0 = nil } } catch is Problem {}
        if let wish = try await look(buyer, house).wish { buyer.windows.with { _ = $0.insert(wish.id) } }
    }

    /// Past the room's own store.
    private static func look(_ buyer: Buyer, _ house: House) async throws -> (wish: QuantityWish?, billed: Int) {
        try await house.test.store.tenantRead(buyer.tenant) { db in
            let row = try db.row(BillingTable.subscriptionByObject, db.tenant, "fake", buyer.object).map(SubscriptionRow.init)
            return (
                try row.flatMap { try db.row(QuantityWishTable.find, db.tenant, $0.id).map(QuantityWish.init) },
                row?.facts.latest?.quantity ?? 0
            )
        }
    }

    private static func judge(_ buyer: Buyer, _ house: House) async throws {
        let (wish, billed) = try await look(buyer, house)
        let theirs = house.provider.desk.state.with { $0.subscriptions[buyer.object]?.quantity }
        #expect(theirs == billed, "the provider has \(theirs ?? 0), the mirror \(billed)")
        #expect(wish?.isOpen != true, "\(wish?.status.rawValue ?? "")")
        let operations = try await house.billing.operations(of: buyer.tenant, after: nil, limit: 100).items
        #expect(operations.allSatisfy { !$0.isOpen })
        let deeds = house.provider.desk.state.with { Array($0.deeds.keys) }
        let done = operations.filter { operation in deeds.contains { $0.hasPrefix("operation-\(operation.id)-") } }
        #expect(done.allSatisfy { $0.status == .done })
        // A wish's operation has no key of a caller; at most one of them did something for each window.
        let ofWishes = try await house.operationsWithoutKey(buyer.tenant)
        #expect(done.filter { ofWishes.contains($0.id) }.count <= buyer.windows.with { $0.count })
        if let wish, wish.status == .done {
            // Two of one moment have no order by their ids.
            let began = operations.first { $0.id == wish.operation }?.createdAt
            let isOvertaken = operations.contains { other in other.id != wish.operation && began.map { other.createdAt >= $0 } ?? true }
            #expect(wish.quantity == billed || isOvertaken)
        }
        if wish?.status != .refused, let wanted = buyer.wanted.with({ $0 }) { #expect(billed == wanted, "\(wish?.status.rawValue ?? "")") }
    }
}

extension House {
    /// Bought by somebody else, at the provider and here; the name of the subscription at the provider.
    func bought(_ name: String, by tenant: TenantID) async throws -> String {
        let answer = try await checkout(tenant: tenant)
        for told in Lives.bought {
            let facts = told.of(name, session: answer.sessionID, reference: reference).facts.map { fact -> PaymentFact in
                guard case .subscription(var fact) = fact else { return fact }
                fact.quantity = 3
                return .subscription(fact)
            }
            for case .subscription(let fact) in facts { provider.desk.state.with { $0.subscriptions[fact.subscription] = fact } }
            try await deliverAndRun(Told(id: "\(told.id)_\(name)", facts: facts))
        }
        return "sub_1_\(name)"
    }
    func operationsWithoutKey(_ tenant: TenantID) async throws -> Set<BillingOperation.ID> {
        let ids = try await test.store.tenantRead(tenant) { db -> [BillingOperation.ID] in
            let sql = SQL("test.without_key", "SELECT id FROM billing_operation WHERE tenant_id = $1 AND claim IS NULL")
            return try db.rows(sql, db.tenant).map { try $0.id(0) }
        }
        return Set(ids)
    }
}
