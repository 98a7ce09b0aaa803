import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

/// Crashes, lost answers and retries in random order. What is judged is what the provider did: each wish once, or never where it was refused.
@Suite("Operations that die on the way")
struct OperationCrashTests {
    static func house() async throws -> (House, FaultyStore) {
        let faulty = Guarded<FaultyStore?>(nil)
        let house = try await House.make { inner in
            let store = FaultyStore(inner)
            faulty.with { $0 = store }
            return store
        }
        let store = try #require(faulty.with { $0 })
        store.crash(at: nil, .before)
        try await house.bought(3, at: day(10))
        return (house, store)
    }

    /// Time passes until nothing is left to find out.
    static func settle(_ house: House, _ store: FaultyStore) async throws {
        for _ in 0..<12 {
            house.move(to: house.clock.now() + .minutes(5))
            do { try await house.run() } catch is FaultyStore.Crash {}
        }
        store.crash(at: nil, .before)
        for _ in 0..<12 {
            house.move(to: house.clock.now() + .minutes(30))
            try await house.run()
        }
    }

    enum Act: CaseIterable { case cancel, refund }

    @Test("a crash before and after each single step of a cancellation and of a refund leaves one effect or none", arguments: Act.allCases)
    func everyStep(_ what: Act) async throws {
        let (probe, counted) = try await Self.house()
        counted.crash(at: nil, .before)
        let invoice = try await probe.onlyInvoice()
        try await Self.ask(what, invoice, probe)
        try await probe.run()
        let steps = counted.calls
        #expect(steps >= 4)
        for step in 1...steps {
            for moment in FaultyStore.Moment.allCases {
                let (house, store) = try await Self.house()
                let invoice = try await house.onlyInvoice()
                store.crash(at: step, moment)
                var isTold = false
                do {
                    try await Self.ask(what, invoice, house)
                    isTold = true
                } catch is FaultyStore.Crash {}
                try await Self.settle(house, store)
                let effects = house.effects(what == .cancel ? "cancel" : "refund")
                let operations = try await house.billing.operations(of: house.tenant, after: nil, limit: 10).items
                #expect(operations.count <= 1 && operations.allSatisfy { $0.status == .done }, "step \(step) \(moment)")
                #expect(effects == operations.count && (!isTold || effects == 1), "step \(step) \(moment)")
                // Whoever asked comes back with the same key, and gets what there is.
                try await Self.ask(what, invoice, house)
                #expect(house.effects(what == .cancel ? "cancel" : "refund") == 1, "step \(step) \(moment)")
                try await house.run()
                switch what {
                case .cancel: #expect(try await house.subscription()?.standing.cancelsAt == day(30), "step \(step) \(moment)")
                case .refund: #expect(house.mails().filter { $0 == "staff:refund_created" }.count == 1, "step \(step) \(moment)")
                }
            }
        }
    }
    static func ask(_ what: Act, _ invoice: Identifier<InvoiceMark>, _ house: House) async throws {
        switch what {
        case .cancel: _ = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k"))
        case .refund:
            _ = try await house.billing.refund(
                RefundOrder(invoice: invoice, amountMinor: 700, reason: .duplicate, note: "x"), of: house.tenant, house.act("k"))
        }
    }

    @Test("what was done is done, though another look of the same moment was refused by the provider's last word")
    func looksThatRace() async throws {
        let (house, _) = try await Self.house()
        house.provider.desk.lose(.answer)
        let unknown = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k")).operation
        #expect(unknown.status == .unknown)
        let (desk, act) = (OperationDesk(parts: house.billing.parts), house.act("look"))
        #expect(try await desk.refused(unknown, code: "rate_limited", isFinal: false, house.tenant, act).status == .unknown, "no last word")
        let refused = try await desk.refused(unknown, code: "not_today", isFinal: true, house.tenant, act)
        #expect(refused.status == .refused)
        let fact = try #require(house.provider.desk.state.with { $0.subscriptions["sub_1_x"] })
        let done = try await desk.done(unknown, .subscription(fact), house.tenant, act)
        #expect(done.status == .done && done.code == nil)
        #expect(try await house.subscription()?.standing.cancelsAt == day(30), "the mirror knows it at once")
        #expect(try await desk.done(unknown, .subscription(fact), house.tenant, act) == done)
        #expect(try await desk.refused(unknown, code: "refused", isFinal: true, house.tenant, act).status == .done)
    }

    @Test("done with its answer lost, then refused or limited under the same key: what the provider's books say", arguments: Act.allCases)
    func refusedInDoubt(_ what: Act) async throws {
        for answers in [[FakeDesk.Loss.answer, .refusal], [.answer, .limited, .refusal], [.answer, .limited, .none]] {
            let (house, store) = try await Self.house()
            house.provider.desk.state.with { $0.losses = answers }
            let invoice = try await house.onlyInvoice()
            try await Self.ask(what, invoice, house)
            try await Self.quietly { try await Self.ask(what, invoice, house) }
            try await Self.settle(house, store)
            let operation = try #require(try await house.billing.operations(of: house.tenant, after: nil, limit: 9).items.first)
            #expect(operation.status == .done && operation.code == nil, "\(answers)")
            #expect(house.provider.desk.state.with { $0.effects.values.reduce(0, +) } == 1, "\(answers)")
        }
    }

    @Test("never heard of, then refused under the same key: refused it is", arguments: Act.allCases)
    func refusedForGood(_ what: Act) async throws {
        let (house, store) = try await Self.house()
        house.provider.desk.lose(.question, .refusal)
        let invoice = try await house.onlyInvoice()
        try await Self.ask(what, invoice, house)
        try await Self.quietly { try await Self.ask(what, invoice, house) }
        try await Self.settle(house, store)
        let operation = try #require(try await house.billing.operations(of: house.tenant, after: nil, limit: 9).items.first)
        #expect(operation.status == .refused && operation.code == "not_today")
        #expect(house.provider.desk.state.with { $0.effects.isEmpty })
    }

    @Test("random schedules of wishes, crashes, lost answers, refusals, retries and late jobs", arguments: 1...60)
    func random(seed: Int) async throws {
        var dice = Dice(seed: UInt64(seed))
        let (house, store) = try await Self.house()
        let invoice = try await house.onlyInvoice()
        var wishes: [@Sendable () async throws -> Void] = []
        for number in 0..<14 {
            switch Int.random(in: 0..<10, using: &dice) {
            case 0..<4:
                let (key, kind) = ("k\(number)", Int.random(in: 0..<6, using: &dice))
                let (quantity, minor) = (Int.random(in: 1...9, using: &dice), Int64.random(in: 100...1_500, using: &dice))
                wishes.append {
                    let act = house.act(key)
                    switch kind {
                    case 0: _ = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, act)
                    case 1: _ = try await house.billing.resume(nil, tenant: house.tenant, act)
                    case 2:
                        let order = RefundOrder(invoice: invoice, amountMinor: minor, reason: .duplicate, note: "x")
                        _ = try await house.billing.refund(order, of: house.tenant, act)
                    case 3: _ = try await house.billing.pause(nil, until: nil, tenant: house.tenant, act)
                    default: _ = try await house.billing.change(ChangeOrder(quantity: quantity), house.caller, act)
                    }
                }
                try await Self.quietly { try await wishes[wishes.count - 1]() }
            case 4..<6 where !wishes.isEmpty:
                let wish = wishes[Int.random(in: 0..<wishes.count, using: &dice)]
                try await Self.quietly { try await wish() }
            case 6:
                let losses = (0..<3).map { _ in FakeDesk.Loss.allCases.randomElement(using: &dice) ?? .none }
                house.provider.desk.state.with { $0.losses = losses }
            case 7: store.crash(at: Int.random(in: 1...8, using: &dice), Bool.random(using: &dice) ? .before : .after)
            default:
                house.move(to: house.clock.now() + .seconds(Int64.random(in: 1...400, using: &dice)))
                try await Self.quietly { _ = try await house.run() }
            }
        }
        house.provider.desk.state.with { $0.losses = [] }
        try await Self.settle(house, store)
        let operations = try await house.billing.operations(of: house.tenant, after: nil, limit: 100).items
        let deeds = house.provider.desk.state.with { Array($0.deeds.keys) }
        for operation in operations {
            #expect(!operation.isOpen, "\(operation.kind) \(operation.id)")
            let done = deeds.filter { $0.hasPrefix("operation-\(operation.id)-") }.count
            // A wish for a state may find it there; money moves exactly as often as it is said to have.
            let isFine = operation.status == .done ? done == 1 || (done == 0 && operation.kind != .refund) : done == 0
            #expect(isFine, "\(operation.kind) is \(operation.status), done \(done) times")
        }
        let known = operations.map { "operation-\($0.id)-" }
        #expect(deeds.allSatisfy { deed in !deed.hasPrefix("operation-") || known.contains { deed.hasPrefix($0) } })
        #expect(house.provider.desk.state.with { $0.refunds.compactMap(\.amount?.amountMinor).reduce(0, +) } <= 2_900)
        let theirs = try #require(house.provider.desk.state.with { $0.subscriptions["sub_1_x"] })
        let ours = try await house.test.store.tenantRead(house.tenant) { db in
            try db.row(BillingTable.subscriptionByObject, db.tenant, "fake", "sub_1_x").map(SubscriptionRow.init)?.facts.latest
        }
        #expect(ours?.status == theirs.status && ours?.quantity == theirs.quantity && ours?.cancelsAt == theirs.cancelsAt)
    }

    /// A caller that is told of a crash or a problem goes on.
    static func quietly(_ work: () async throws -> Void) async throws {
        do { try await work() } catch is FaultyStore.Crash {} catch is Problem {}
    }
}
