import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("What those who pay are told of a comparison")
struct CorrectionTests {
    static func corrections(_ house: House, _ tenant: TenantID? = nil) async throws -> [Correction] {
        try await house.billing.corrections(of: tenant ?? house.tenant, after: nil, limit: 100).items
    }
    /// Compares, and lets pass what owners are not disturbed for.
    static func compare(_ house: House) async throws -> ReconciliationReport {
        let found = try await ReconciliationTests.report(house).report
        house.move(to: house.clock.now() + CorrectionBooks.pause)
        try await house.run()
        return found
    }
    static func mails(_ house: House) -> [MailRequested] { house.heardMails.filter { $0.template == BillingMails.billingCorrected } }

    @Test("the record here lagged behind the provider: before, after and one mail; what webhooks brought is no correction")
    func mirror() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        #expect(try await Self.corrections(house).isEmpty)
        house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 6 }
        #expect(try await Self.compare(house).found == 1)
        let correction = try #require(try await Self.corrections(house).first)
        #expect(correction.place == .mirror && correction.kind == .subscription && correction.what == "quantity")
        #expect(correction.done == .corrected && correction.changesAccess && !correction.changesMoney && correction.amount == nil)
        #expect(correction.before?.quantity == 3 && correction.after?.quantity == 6 && correction.after?.status == .active)
        #expect(correction.foundAt == day(2) && correction.settledAt == day(2))
        #expect(try await house.subscription()?.id == correction.subscription)
        let mail = try #require(Self.mails(house).first)
        #expect(mail.recipient == .owners(house.tenant) && mail.values["count"] == "1" && mail.values["quantity"] == "6")
        #expect(mail.values["summary"] == "the quantity was not as the provider has it")
        // Nothing is left to say, however often it is looked at.
        for number in 1..<4 {
            house.move(to: day(2 + Double(number)))
            #expect(try await Self.compare(house).found == 0)
        }
        #expect(try await Self.corrections(house).count == 1 && Self.mails(house).count == 1)
        #expect(try await Self.corrections(house, house.stranger).isEmpty)
        let text = "\(correction.json)"
        #expect(!text.contains("sub_1") && !text.contains("cus_1") && !text.contains("coditect"), "\(text)")
    }

    @Test("several things that one comparison found are several corrections and one mail, with their money")
    func several() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        house.provider.desk.state.with { state in
            state.subscriptions["sub_1_x"]?.quantity = 6
            state.refunds = [
                RefundFact(
                    refund: "re_9", payment: "pay_1_x", customer: "cus_1_x", subscription: nil,
                    amount: Money(amountMinor: 450, currency: Say.usd), reason: nil, asOf: day(2))
            ]
            state.disputes = [
                DisputeFact(
                    dispute: "dp_9", payment: "pay_1_x", customer: "cus_1_x", subscription: "sub_1_x", amount: nil,
                    status: "needs_response", reason: nil, asOf: day(2))
            ]
        }
        #expect(try await Self.compare(house).found == 3)
        let found = try await Self.corrections(house)
        #expect(Set(found.map(\.kind)) == [.subscription, .refund, .dispute] && found.allSatisfy { $0.done == .corrected })
        let refund = try #require(found.first { $0.kind == .refund })
        #expect(refund.changesMoney && !refund.changesAccess && refund.amount?.amountMinor == 450 && refund.before == nil)
        #expect(refund.words == "a refund of 4.50 USD was not recorded")
        #expect(Self.mails(house).map { $0.values["count"] } == ["3"])
        // One by one through the pages.
        var pages: [Correction] = []
        var cursor: PageCursor?
        repeat {
            let page = try await house.billing.corrections(of: house.tenant, after: cursor, limit: 1)
            pages += page.items
            cursor = page.next
        } while cursor != nil
        #expect(pages == found)
    }

    @Test("events that no webhook brought are corrections of whoever they are found to be, though nobody knew when they were found")
    func events() async throws {
        let house = try await House.make(at: day(0))
        let answer = try await house.checkout()
        house.provider.desk.state.with { $0.capabilities = [.listEvents] }
        for told in Lives.bought {
            let told = told.of("x", session: answer.sessionID, reference: house.reference)
            let body = try JSONCoding.encode(FakeProvider.Body(id: told.id, type: "thing.changed", at: told.at, facts: told.facts))
            let event = VerifiedEvent(id: told.id, type: "thing.changed", createdAt: told.at, body: body)
            house.provider.desk.state.with { $0.events.append(event) }
        }
        house.move(to: day(1))
        #expect(try await Self.compare(house).found == 3)
        let found = try await Self.corrections(house)
        #expect(found.count == 3 && found.allSatisfy { $0.kind == .missedEvent && $0.place == .mirror })
        let granting = found.filter(\.changesAccess)
        #expect(granting.contains { $0.before == nil && $0.after?.status == .active }, "\(found)")
        #expect(found.contains { $0.changesMoney && $0.amount?.amountMinor == 2_900 })
        #expect(Self.mails(house).count == 1)
    }

    @Test("what was asked for here a moment ago, and whose webhook is on its way, is put right and is nothing to tell owners of")
    func asked() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        _ = try await house.billing.change(ChangeOrder(quantity: 5), house.caller, house.act("k"))
        try await house.run()
        func charge(_ name: String) {
            house.provider.desk.state.with {
                $0.invoices[name] = ProviderInvoice(
                    invoice: name, number: nil, customer: "cus_1_x", subscription: "sub_1_x", status: .paid,
                    total: Money(amountMinor: 2900, currency: Say.usd), due: Money(amountMinor: 0, currency: Say.usd),
                    issuedAt: house.clock.now(),
                    periodStart: day(10), periodEnd: day(30), lines: [])
            }
        }
        charge("in_8_x")
        #expect(try await Self.compare(house).findings.map(\.kind) == [.payment])
        #expect(try await Self.corrections(house).isEmpty && Self.mails(house).isEmpty)
        // Of the same kind, with nobody who asked.
        house.move(to: day(12))
        charge("in_9_x")
        #expect(try await Self.compare(house).findings.map(\.kind) == [.payment])
        #expect(try await Self.corrections(house).map(\.kind) == [.payment] && Self.mails(house).count == 1)
    }

    @Test("an event whose webhook may still be under way is taken in, and is nothing to tell owners of")
    func fresh() async throws {
        let house = try await House.make(at: day(0))
        let answer = try await house.checkout()
        house.provider.desk.state.with { $0.capabilities = [.listEvents] }
        let told = Lives.bought[0].of("x", session: answer.sessionID, reference: house.reference)
        let body = try JSONCoding.encode(FakeProvider.Body(id: told.id, type: "thing.changed", at: told.at, facts: told.facts))
        house.provider.desk.state.with {
            $0.events.append(VerifiedEvent(id: told.id, type: "thing.changed", createdAt: told.at, body: body))
        }
        house.move(to: day(0, 240))
        #expect(try await Self.compare(house).found == 1)
        #expect(try await Self.corrections(house).isEmpty && Self.mails(house).isEmpty)
    }

    @Test("a licence that shows something else is a correction of the access, with what it showed")
    func access() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        let id = try #require(try await house.subscription()?.id)
        house.access.shown.with {
            $0[id] = ShownLicense(version: 99, standing: .active, tier: "pro", quantity: 50, periodEnd: day(900), isRevoked: false)
        }
        #expect(try await Self.compare(house).findings.map(\.kind) == [.access])
        let correction = try #require(try await Self.corrections(house).first)
        #expect(correction.place == .access && correction.subscription == id && correction.changesAccess)
        #expect(correction.before?.tier == "pro" && correction.before?.quantity == 50 && correction.after?.quantity == 3)
        #expect(house.access.shown.with { $0[id]?.quantity } == 3 && Self.mails(house).count == 1)
        // A number alone that lags grants nothing else.
        let known = try #require(house.access.shown.with { $0[id] })
        house.access.shown.with {
            $0[id] = ShownLicense(
                version: known.version - 1, standing: known.standing, tier: known.tier, quantity: known.quantity,
                periodEnd: known.periodEnd, isRevoked: false)
        }
        house.move(to: day(3))
        #expect(try await Self.compare(house).findings.map(\.what) == ["version"])
        #expect(try await Self.corrections(house).map(\.changesAccess) == [false, true] && Self.mails(house).count == 1)
    }

    @Test("what a date that is over should have changed, and nobody did, is done by the comparison")
    func overdue() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        house.provider.desk.state.with { $0.capabilities = [] }
        let lost = house.billing.jobs().filter { $0.kind != StandingReview.kind }
        func run() async throws { _ = try await house.test.runDue(handlers: lost, subscribers: house.listeners) }
        // The review of the renewal that never came is a little late, and then lost.
        house.move(to: day(30, 600))
        try await house.billing.requestReconciliation(house.act())
        try await run()
        #expect(try await house.billing.reconciliations(after: nil, limit: 1).items.first?.report.found == 0)
        #expect(house.heardStandings.last?.standing == .active)
        house.move(to: day(40))
        try await house.billing.requestReconciliation(house.act())
        try await run()
        let report = try #require(try await house.billing.reconciliations(after: nil, limit: 1).items.first?.report)
        #expect(report.findings.map(\.what) == ["overdue"] && report.findings.allSatisfy(\.isMended))
        #expect(house.heardStandings.last?.standing == .suspended)
        let correction = try #require(try await Self.corrections(house).first)
        #expect(correction.place == .access && correction.before?.status == .active && correction.after?.status == .suspended)
        house.move(to: day(41))
        #expect(try await Self.compare(house).found == 0)
        #expect(try await Self.corrections(house).count == 1 && Self.mails(house).count == 1)
    }

    @Test("a subscription that the provider does not know is handed to staff, and its owners read that, once and without a mail")
    func unknownThere() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        house.provider.desk.state.with {
            $0.subscriptions = [:]
            $0.capabilities = [.subscriptionRead]
        }
        for number in 2..<5 {
            house.move(to: day(Double(number)))
            #expect(try await Self.compare(house).findings.map(\.what) == ["not_there"])
        }
        let found = try await Self.corrections(house)
        #expect(found.map(\.place) == [.provider] && found.map(\.done) == [.staffLooks])
        #expect(found.first?.subscription != nil && Self.mails(house).isEmpty)
    }

    @Test("what was corrected so long ago that nobody asks any more goes with the day's round")
    func forgotten() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        let id = try #require(try await house.subscription()?.id)
        for moment in [day(3), day(4), day(405)] {
            house.move(to: moment)
            try await house.run()
            house.move(to: moment + .hours(1))
            let lagging = ShownLicense(version: -1, standing: .active, tier: "pro", quantity: 1, periodEnd: nil, isRevoked: false)
            house.access.shown.with { $0[id] = lagging }
            _ = try await ReconciliationTests.report(house)
        }
        #expect(try await Self.corrections(house).contains { $0.settledAt < day(5) })
        try await house.billing.scheduleDaily(house.act())
        let daily = house.billing.jobs().filter { $0.kind == PaymentInbox.purgeKind }
        _ = try await house.test.runDue(handlers: daily, subscribers: house.listeners)
        let left = try await Self.corrections(house).map(\.settledAt)
        #expect(!left.isEmpty && left.allSatisfy { $0 >= day(405) }, "only the newest is younger than 400 days")
    }

    @Test("news that finds nothing left to change, because its webhook was faster, is no correction")
    func overtaken() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 6 }
        // Found, and not applied before the webhook is.
        try await house.billing.requestReconciliation(house.act())
        let comparing = house.billing.jobs().filter { $0.kind == ReconciliationDesk.kind }
        _ = try await house.test.runDue(handlers: comparing, subscribers: house.listeners)
        var fact = try #require(house.provider.desk.state.with { $0.subscriptions["sub_1_x"] })
        fact.asOf = day(2, 1)
        try await house.deliver(Told("webhook", .subscription(fact)))
        let id = try await house.event("webhook").id
        let act = house.act()
        try await house.test.store.kernel(KernelReason("test.hurry")) { db in
            try db.enqueue(try PaymentPosting.job(id, round: 7, runAt: day(0)), act)
        }
        house.move(to: day(2, 700))
        var inTurn = JobRules()
        inTurn.concurrency = 1
        _ = try await house.test.runDue(handlers: house.billing.jobs(), subscribers: house.listeners, rules: inTurn)
        #expect(try await house.subscription()?.standing.quantity == 6)
        #expect(try await Self.corrections(house).isEmpty && Self.mails(house).isEmpty)
    }

    @Test("a crash at any step leaves each correction once, and one mail")
    func crashes() async throws {
        let (probe, counted) = try await OperationCrashTests.house()
        probe.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 6 }
        counted.crash(at: nil, .before)
        try await probe.billing.requestReconciliation(probe.act())
        try await probe.run()
        probe.move(to: day(11))
        try await probe.run()
        let steps = counted.calls
        #expect(steps >= 6 && Self.mails(probe).count == 1)
        for step in 1...steps {
            for moment in FaultyStore.Moment.allCases {
                let (house, store) = try await OperationCrashTests.house()
                house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 6 }
                store.crash(at: step, moment)
                for _ in 0..<5 {
                    do {
                        try await house.billing.requestReconciliation(house.act())
                        try await house.run()
                    } catch is FaultyStore.Crash {}
                    house.move(to: house.clock.now() + .minutes(20))
                }
                store.crash(at: nil, .before)
                house.move(to: house.clock.now() + .hours(7))
                try await house.run()
                #expect(try await Self.corrections(house).map(\.what) == ["quantity"], "step \(step) \(moment)")
                #expect(Self.mails(house).count == 1, "step \(step) \(moment)")
            }
        }
    }
}
