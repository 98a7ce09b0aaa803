import Catalog
import Foundation
import PluginKit
import Testing
import Vocabulary

@testable import Backoffice
@testable import Billing

/// The figures of the business, as a table, and against a computation that shares nothing with theirs.
struct TallyTests {
    static let day0 = Timestamp(seconds: 1_800_000_000)
    static func day(_ number: Int64) -> Timestamp { day0 + .days(number) }
    static let window = AnalyticsWindow(from: day(0), to: day(30))
    static let now = day(30)
    static let usd = Currency("USD")!
    static let prices: [String: Money] = [
        "team/month": Money(amountMinor: 2_900, currency: usd), "team/year": Money(amountMinor: 29_000, currency: usd),
        "pro/month": Money(amountMinor: 9_900, currency: Currency("EUR")!), "yen/year": Money(amountMinor: 7, currency: Currency("JPY")!),
    ]
    static func price(_ tier: String, _ interval: BillingInterval) -> Money? { prices["\(tier)/\(interval.rawValue)"] }

    static func subscription(
        _ state: Standing.State, _ reason: Standing.Reason = .paid, tier: String = "team", _ interval: BillingInterval = .month,
        quantity: Int = 1, from: Int64 = -10, trialEnds: Int64? = nil, paidUntil: Int64? = 40, over: Int64? = nil
    ) -> TenantFacts.Subscription {
        var standing = Standing(state: state, reason: reason, tier: tier, interval: interval, quantity: quantity)
        standing.trialEndsAt = trialEnds.map(day)
        standing.periodEnd = paidUntil.map(day)
        standing.cancelsAt = over.map(day)
        standing.isGranted = state != .pending
        return TenantFacts.Subscription(standing: standing, createdAt: day(from))
    }
    static func tally(_ tenants: [[TenantFacts.Subscription]], createdAt: Int64 = -10) -> AnalyticsTally {
        var tally = AnalyticsTally()
        for subscriptions in tenants {
            tally.count(
                TenantFacts(createdAt: day(createdAt), subscriptions: subscriptions, seatsSold: 2), window, now: now, price: price)
        }
        return tally
    }

    @Test("a year's price counts a twelfth a month, and no twelfth is lost before they are added")
    func twelfths() {
        let tally = Self.tally(Array(repeating: [Self.subscription(.active, tier: "yen", .year)], count: 5))
        let shown = AnalyticsTally.monthly(tally.monthlyTwelfths["JPY"] ?? 0)
        #expect(shown.minor == 2 && shown.twelfths == 11, "five times 7 a year are 35 twelfths")
        #expect(tally.payingSubscriptions == 5 && tally.seatsSold == 10)
    }

    @Test(
        "what pays and what does not",
        arguments: [
            (subscription(.active), true), (subscription(.grace, .paymentFailed), true),
            (subscription(.active, .trial, trialEnds: 35), false),
            (subscription(.active, trialEnds: -3), true), (subscription(.suspended, .unpaid), false),
            (subscription(.pending, .unpaid), false), (subscription(.cancelled, .ended, over: 20), false),
            (subscription(.cancelled, .ended, over: 31), true), (subscription(.active, .paid, from: 31), false),
        ])
    func paying(subscription: TenantFacts.Subscription, pays: Bool) {
        #expect(Self.tally([[subscription]]).payingSubscriptions == (pays ? 1 : 0))
    }

    @Test("who moves to another subscription is not lost; who is over, suspended or gone by the end is")
    func churn() {
        let gone = Self.subscription(.cancelled, .ended, over: 12)
        let tally = Self.tally([
            [gone], [gone, Self.subscription(.active, from: 11)], [Self.subscription(.suspended, .unpaid)], [Self.subscription(.active)],
            [Self.subscription(.cancelled, .ended, over: -1)], [Self.subscription(.cancelled, .ended, over: 30)], [],
        ])
        #expect(tally.payingAtStart == 4 && tally.lost == 2, "\(tally)")
        #expect(AnalyticsTally.share(tally.lost, of: tally.payingAtStart) == 5_000)
        #expect(AnalyticsTally.share(0, of: 0) == nil)
    }

    @Test("a trial counts in the window in which it ends, and as converted if something was paid beyond it")
    func trials() {
        let tally = Self.tally([
            [Self.subscription(.active, from: -7, trialEnds: 7)],
            [Self.subscription(.suspended, .unpaid, from: -7, trialEnds: 7, paidUntil: 7)],
            [Self.subscription(.active, .trial, from: 20, trialEnds: 34, paidUntil: 34)], [Self.subscription(.active, trialEnds: -1)],
            [Self.subscription(.cancelled, .ended, trialEnds: 3, paidUntil: 3, over: 3)], [Self.subscription(.active, trialEnds: 0)],
        ])
        #expect(tally.trialsEnded == 4 && tally.trialsConverted == 2, "\(tally)")
    }

    @Test("over random books the figures are those of another computation, in whatever order the tenants come")
    func independent() {
        var generator = Seeded(state: 20_261_121)
        var rows: [(tier: String, interval: BillingInterval, quantity: Int, state: Standing.State)] = []
        var tenants: [[TenantFacts.Subscription]] = []
        for _ in 0..<400 {
            let row = (
                tier: ["team", "pro", "yen", "enterprise"].randomElement(using: &generator)!,
                interval: BillingInterval.allCases.randomElement(using: &generator)!,
                quantity: Int.random(in: 1...10_000, using: &generator),
                state: Standing.State.allCases.randomElement(using: &generator)!
            )
            rows.append(row)
            tenants.append([
                Self.subscription(row.state, tier: row.tier, row.interval, quantity: row.quantity, over: row.state == .cancelled ? 5 : nil)
            ])
        }
        let tally = Self.tally(tenants)
        #expect(Self.tally(tenants.shuffled(using: &generator)) == tally)
        // Each row by itself in decimals, rounded by nobody; twelve months make a year.
        var yearly: [String: Decimal] = [:]
        var counted = (paying: 0, unpriced: 0)
        for row in rows where row.state == .active || row.state == .grace {
            counted.paying += 1
            switch (row.tier, row.interval) {
            case ("team", .month): yearly["USD", default: 0] += Decimal(row.quantity) * 12 * 2_900
            case ("team", .year): yearly["USD", default: 0] += Decimal(row.quantity) * 29_000
            case ("pro", .month): yearly["EUR", default: 0] += Decimal(row.quantity) * 12 * 9_900
            case ("yen", .year): yearly["JPY", default: 0] += Decimal(row.quantity) * 7
            default: counted.unpriced += 1
            }
        }
        for (currency, sum) in yearly {
            let shown = AnalyticsTally.monthly(tally.monthlyTwelfths[currency] ?? -1)
            #expect(Decimal(shown.minor) * 12 + Decimal(shown.twelfths) == sum, "\(currency)")
        }
        #expect(yearly.count == tally.monthlyTwelfths.count && yearly.count == 3)
        #expect(tally.payingSubscriptions == counted.paying && tally.withoutListPrice == counted.unpriced)
        let alive = rows.count { $0.state == .active || $0.state == .grace }
        let left = rows.count { $0.state == .cancelled }
        #expect(tally.payingAtStart == alive + left && tally.lost == left)
    }

    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    // MARK: The export

    @Test(
        "no cell is a formula to a spreadsheet, and what was in it is still readable",
        arguments: [
            ("=1+1", "'=1+1"), ("+1(2)", "'+1(2)"), ("@SUM(A1)", "'@SUM(A1)"), ("-2+3", "'-2+3"), ("-2", "-2"), ("\tx", "'\tx"),
            ("team", "team"), ("a,b", "\"a,b\""), ("say \"no\"", "\"say \"\"no\"\"\""), ("", ""), ("|cmd", "'|cmd"),
            ("=a,\"b\"", "\"'=a,\"\"b\"\"\""), ("1\r\n=2", "\"1\r\n=2\""),
        ])
    func cells(text: String, cell: String) { #expect(CSVText.cell(text) == cell) }
}
