import Foundation
import PlatformTesting
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// When a cancelled subscription lets its tenant leave: the rules by themselves, and in any order of what happens.
@Suite("whether a cancelled subscription lets its tenant leave")
struct LeavingProspectTests {
    typealias Turn = LeavingProspect.Turn
    static let now = Timestamp(seconds: 1_800_000_000)
    static let end = now + .days(10)
    static let subscription = SubscriptionID(UUID())

    static func ending(_ at: Timestamp = end, unpaid: Bool = false) -> ContractEnding {
        ContractEnding(subscription: subscription, version: 4, at: at, isUnpaid: unpaid)
    }

    typealias Case = (outlook: ContractOutlook, wentOn: Int64?, answered: Int64?, turn: Turn)
    static let cases: [Case] = [
        (.nothing, nil, nil, .nothing), (.goesOn, nil, nil, .nothing), (.isBound, nil, nil, .nothing),
        (.waits, nil, nil, .lookAgain(.days(1))), (.ends(ending()), nil, nil, .plan(ending())),
        (.ends(ending(now - .days(90))), nil, nil, .plan(ending(now - .days(90)))),
        (.ends(ending(unpaid: true)), nil, nil, .nothing), (.ends(ending()), 3, nil, .plan(ending())),
        (.ends(ending()), 3, 4, .nothing), (.ends(ending()), nil, 4, .nothing),
        // Answered, taken back, and cancelled once more: the news of the middle may come last.
        (.ends(ending()), 3, 2, .plan(ending())),
    ]

    @Test(
        "where nothing is planned, only an end that nobody has answered plans something",
        arguments: LeavingProspectTests.cases)
    func afresh(outlook: ContractOutlook, wentOn: Int64?, answered: Int64?, turn: Turn) {
        let answer = EndingAnswer(wentOn: wentOn, answered: answered)
        let prospect = LeavingProspect(latest: nil, isReturning: false, outlook: outlook, answer: answer)
        #expect(prospect.turn(now: Self.now) == turn)
        let returning = LeavingProspect(latest: nil, isReturning: true, outlook: outlook, answer: answer)
        #expect(returning.turn(now: Self.now) == .lookAgain(.minutes(1)))
    }

    // MARK: - Any order

    /// What a provider knows of two subscriptions, and the news of it that are under way.
    final class Books: LeavingContract {
        struct Sale: Sendable {
            var version: Int64 = 0
            var endsAt: Timestamp?
        }
        struct State: Sendable {
            var sales: [SubscriptionID: Sale] = [:]
            var news: [StandingChanged] = []
            /// Flips the outlook at the next but one reading, as a payment does that comes while a policy thinks.
            var buysAtReading: Int?
        }
        let state = Guarded(State())
        func standing(_ tenant: TenantID, now: Timestamp) async throws -> ContractStanding {
            ContractStanding(tier: "team", paidUntil: nil, ageDays: 100, isLapsed: false)
        }
        func take(_ offer: LeavingTenant.Offer, _ tenant: TenantID, _ act: Act) async throws -> Bool { true }
        func outlook(in db: any TenantScope, now: Timestamp) throws -> ContractOutlook {
            state.with { state in
                if let count = state.buysAtReading {
                    state.buysAtReading = count > 0 ? count - 1 : nil
                    if count == 0 { state.sales[SubscriptionID(UUID())] = Sale(version: 1) }
                }
                return Self.outlook(state)
            }
        }
        static func outlook(_ state: State) -> ContractOutlook {
            if state.sales.isEmpty { return .nothing }
            if state.sales.values.contains(where: { $0.endsAt == nil }) { return .goesOn }
            let ends = state.sales.compactMap { id, sale in
                sale.endsAt.map { ContractEnding(subscription: id, version: sale.version, at: $0, isUnpaid: false) }
            }
            let last = ends.max { ($0.at, $0.subscription.description) < ($1.at, $1.subscription.description) }
            return last.map { .ends($0) } ?? .nothing
        }
        func change(_ id: SubscriptionID, endsAt: Timestamp?, _ tenant: TenantID, _ now: Timestamp) {
            state.with { state in
                var sale = state.sales[id] ?? Sale()
                sale.version += 1
                sale.endsAt = endsAt
                state.sales[id] = sale
                state.news.append(
                    StandingChanged(
                        tenant: tenant, subscription: id, version: sale.version,
                        standing: endsAt.map { $0 <= now } == true ? .cancelled : .active,
                        tier: "team", quantity: 1, interval: .month, periodEnd: endsAt ?? now + .days(30), graceUntil: nil,
                        cancelsAt: endsAt))
            }
        }
        /// One piece of news, any; kept for another time by chance.
        func take(_ dice: inout Dice) -> StandingChanged? {
            let place = dice.below(1_000)
            let stays = dice.below(4) == 0
            return state.with { state in
                guard !state.news.isEmpty else { return nil }
                let index = place % state.news.count
                return stays ? state.news[index] : state.news.remove(at: index)
            }
        }
    }
    struct Dice {
        var state: UInt64
        mutating func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
    }

    private func room(_ rooms: Rooms, _ books: Books) -> Offboarding {
        let real = rooms.offboarding
        return Offboarding(real.floor, tenancy: real.tenancy, contract: books, work: real.work)
    }

    @Test("in any order of sales, cancellations, answers and late, repeated news it leaves exactly when it should", arguments: 1...12)
    func anyOrder(seed: Int) async throws {
        let firm = try await PeopleTests.Firm()
        let platform = firm.platform
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let books = Books()
        let room = room(platform.platform.rooms, books)
        var dice = Dice(state: UInt64(seed) &* 7_919)
        let sales = [SubscriptionID(UUID()), SubscriptionID(UUID())]
        func act() -> Act { Act(actor: .system("test"), requestID: "any", now: platform.clock.now()) }
        func hear() async throws {
            guard let event = books.take(&dice) else { return }
            let now = act()
            try await room.store.tenant(tenant) { db in try room.keepLapse(event, db, now) }
        }
        func isOut() async throws -> Bool {
            let state = try await room.progress(of: tenant)?.offboarding.state
            return state == .leaving || state == .retained
        }
        func work() async throws {
            let wasOut = try await isOut()
            try await room.review(tenant, act())
            guard let open = try await room.progress(of: tenant)?.offboarding, !open.state.isOver else { return }
            try await room.advance(open.id, tenant, act(), isHurried: true)
            let hasBegun = try await isOut()
            guard !wasOut, hasBegun else { return }
            // It began: nothing may go on, and what is paid for is over.
            let outlook = books.state.with { Books.outlook($0) }
            guard case .ends(let ending) = outlook, ending.at <= platform.clock.now() else {
                Issue.record("seed \(seed): began with \(outlook)")
                return
            }
        }
        books.change(sales[0], endsAt: nil, tenant, platform.clock.now())
        var answeredAt: [SubscriptionID: Int64] = [:]
        for _ in 0..<40 {
            platform.clock.advance(by: .milliseconds(5))
            let sale = sales[dice.below(2)]
            switch dice.below(8) {
            case 0: books.change(sale, endsAt: platform.clock.now() + .days(Int64(dice.below(20))), tenant, platform.clock.now())
            case 1: books.change(sale, endsAt: nil, tenant, platform.clock.now())
            case 2: platform.clock.advance(by: .days(Int64(dice.below(4))))
            case 3:
                guard (try? await room.withdraw(tenant: tenant, act())) != nil else { continue }
                if case .ends(let ending) = books.state.with({ Books.outlook($0) }) { answeredAt[ending.subscription] = ending.version }
            case 4, 5: try await hear()
            default: try await work()
            }
            if try await isOut() { break }
        }
        // Everything arrives in the end, and every job runs.
        while books.state.with({ !$0.news.isEmpty }) { try await hear() }
        for _ in 0..<3 { try await work() }
        let last = try await room.progress(of: tenant)?.offboarding
        let isGone = try await isOut()
        switch books.state.with({ Books.outlook($0) }) {
        case .goesOn where !isGone: #expect(last?.state != .scheduled, "seed \(seed): planned, and something goes on")
        case .ends(let ending) where !isGone && answeredAt[ending.subscription] == nil:
            #expect(
                last?.state == .scheduled && last?.leavesAt == max(ending.at, last?.askedAt ?? ending.at),
                "seed \(seed): \(String(describing: last))")
        default: break
        }
        await platform.close()
    }

    @Test("who buys while the policy thinks stays, wherever that falls", arguments: 0...3)
    func purchaseInBetween(reading: Int) async throws {
        let firm = try await PeopleTests.Firm()
        let platform = firm.platform
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let books = Books()
        let room = room(platform.platform.rooms, books)
        func act() -> Act { Act(actor: .system("test"), requestID: "between", now: platform.clock.now()) }
        books.change(Self.subscription, endsAt: platform.clock.now() + .days(1), tenant, platform.clock.now())
        try await room.review(tenant, act())
        let planned = try #require(try await room.progress(of: tenant)?.offboarding)
        #expect(planned.state == .scheduled && planned.cause == .cancelled)
        platform.clock.advance(by: .days(1))
        books.state.with { $0.buysAtReading = reading }
        try? await room.advance(planned.id, tenant, act(), isHurried: false)
        let after = try #require(try await room.progress(of: tenant)?.offboarding)
        if books.state.with({ $0.sales.count }) == 2 {
            #expect(after.state == .withdrawn || after.state == .scheduled, "reading \(reading): \(after.state)")
            try await room.advance(planned.id, tenant, act(), isHurried: false)
            let settled = try #require(try await room.progress(of: tenant)?.offboarding)
            #expect(settled.state == .withdrawn && settled.calledOffAt != nil)
            let owner = try await firm.signIn("ada@example.com")
            #expect(await owner.call("GET", "/api/v1/licenses").status == 200)
        } else {
            #expect(after.state == .leaving)
        }
        await platform.close()
    }
}
