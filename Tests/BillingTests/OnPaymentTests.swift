import HookEngine
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("on_payment")
struct OnPaymentTests {
    static func action(_ name: String, _ fields: (String, HookValue)...) -> PlannedAction { PlannedAction(name, .object(fields)) }

    func house(_ script: ScriptedHooks.Answer? = nil) async throws -> House {
        let house = try await House.make()
        try await house.checkout()
        if let script { house.hooks.script("on_payment", script) }
        return house
    }

    @Test("it is asked once for each event that matters, with what is known then")
    func questions() async throws {
        let house = try await house()
        for told in Lives.failAndRecover.events.prefix(5) {
            try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference))
            try await house.deliver(told.of("a", session: "cs_1", reference: house.reference))
        }
        let types = house.hooks.questions.map { $0.input["event"]?["type"]?.string }
        #expect(types == ["checkout_completed", "subscription_updated", "payment_succeeded", "payment_failed", "subscription_updated"])
        let failed = try #require(house.hooks.questions.first { $0.input["event"]?["type"] == .string("payment_failed") })
        let id = try #require(try await house.subscription()?.id)
        #expect(
            failed.input.json == [
                "event": ["type": "payment_failed", "provider": "fake"], "tenant": ["id": .string(house.tenant.description)],
                "subscription": [
                    "id": .string(id.description), "tier": "team", "interval": "month", "status": "grace", "quantity": 1,
                    "period_end_seconds": .int(day(30).seconds), "is_trial": false, "failed_payments": 1,
                ], "payment": ["amount_minor": 2900, "currency": "USD"], "customer": ["age_days": 0],
            ])
        #expect(failed.subject.tenant == house.tenant && failed.subject.tier == "team")
    }

    @Test("every question fits the definition that policies are checked against", arguments: Lives.all)
    func definition(life: Life) async throws {
        let house = try await house()
        for told in life.events { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        for question in house.hooks.questions {
            let faults = HookShape.faults(question.input, OnPayment.definition.input, at: "")
            #expect(faults.isEmpty)
        }
        for type in PaymentEventType.allCases {
            for action in OnPayment.shippedPlan(OnPayment.Input(type: type, provider: "p", tenant: house.tenant)) {
                let known = try #require(OnPayment.definition.actions.first { $0.name == action.name })
                #expect(HookShape.faults(action.fields, known.fields, at: action.name).isEmpty)
            }
        }
    }

    @Test("a plan without issue_license withholds the licence, tells staff once, and staff can release it")
    func withheld() async throws {
        let house = try await house(.plan([OnPaymentTests.action("renew_license"), OnPaymentTests.action("restore_access")]))
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        let view = try #require(try await house.subscription())
        #expect(view.standing.state == .pending && view.standing.reason == .withheld && house.heardStandings.isEmpty)
        #expect(house.mails() == ["staff:license_withheld"])
        await #expect(throws: CommonProblems.notFound) {
            try await house.billing.release(view.id, of: house.stranger, house.act())
        }
        try await house.billing.release(view.id, of: house.tenant, house.act())
        try await house.run()
        #expect(house.heardStandings.map(\.standing) == [.active])
        #expect(try await house.rows("SELECT action FROM journal_entry_all WHERE action = 'subscription.released'").count == 1)
    }

    @Test("actions that do not fit their event are refused, recorded, and the others hold")
    func unfit() async throws {
        let house = try await house(
            .plan([
                OnPaymentTests.action("issue_license"), OnPaymentTests.action("start_grace", ("days", .int(3))),
                OnPaymentTests.action("make_coffee"), OnPaymentTests.action("end_subscription", ("when", .string("whenever"))),
                OnPaymentTests.action("send_mail", ("template", .string("../etc/passwd"))),
                OnPaymentTests.action("send_mail", ("template", .string("hello_there"))),
            ]))
        for told in Lives.bought.prefix(2) { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        #expect(try await house.state() == .active)
        #expect(house.mails() == ["hello_there", "hello_there"], "one about the checkout, one about the change")
        let details = try await house.rows(
            "SELECT details FROM journal_entry_all WHERE action = 'payment_event.applied' ORDER BY seq LIMIT 1")
        guard case .text(let text)? = details.first?.first else { throw StringError("no details") }
        for refused in [
            "start_grace: not at checkout_completed", "make_coffee: no such action", "end_subscription: when must be",
            "send_mail: template",
        ] {
            #expect(text.contains(refused))
        }
    }

    struct Check: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let type: PaymentEventType
        let actions: [PlannedAction]
        let expected: @Sendable (PaymentDirectives) -> Bool
        init(
            _ name: String, _ type: PaymentEventType, _ actions: [PlannedAction],
            _ expected: @escaping @Sendable (PaymentDirectives) -> Bool
        ) {
            testDescription = name
            self.type = type
            self.actions = actions
            self.expected = expected
        }
    }
    static let checks = [
        Check(
            "the shorter grace of two", .paymentFailed,
            [action("start_grace", ("days", .int(9))), action("start_grace", ("days", .int(4)))]
        ) {
            $0.graceDays == 4
        },
        Check("no days: the setting", .paymentFailed, [action("start_grace")]) { $0.graceDays == 5 },
        Check("no grace: none", .paymentFailed, []) { $0.graceDays == 0 },
        Check("impossible days are refused, which leaves none", .paymentFailed, [action("start_grace", ("days", .int(91)))]) {
            $0.graceDays == 0 && $0.refused.count == 1
        },
        Check("negative days are refused", .paymentFailed, [action("start_grace", ("days", .int(.min)))]) { $0.refused.count == 1 },
        Check(
            "the nearer end of two", .disputeOpened,
            [action("end_subscription", ("when", .string("now"))), action("end_subscription", ("when", .string("period_end")))]
        ) { $0.ending == .now },
        Check("suspending wins over restoring", .disputeOpened, [action("restore_access"), action("suspend_license")]) {
            $0.suspendsLicense && !$0.restoresAccess && $0.refused.count == 1
        },
        Check("renewal only at a payment", .subscriptionUpdated, [action("renew_license")]) { !$0.renewsLicense && $0.refused.count == 1 },
        Check("a long reason is cut", .refundCreated, [action("notify_staff", ("reason", .string(String(repeating: "x", count: 999))))]) {
            $0.notices.first?.count == 200
        },
    ]

    @Test("a plan is reduced to what it rules", arguments: checks)
    func directives(check: Check) {
        #expect(check.expected(PaymentDirectives.checked(check.actions, of: check.type, defaultGraceDays: 5)))
    }

    @Test("an invoice of no subscription asks nobody and mails nobody, and is listed all the same")
    func unrelated() async throws {
        let house = try await house()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        let (questions, mails, told) = (house.hooks.questions.count, house.mails(), house.heardStandings.count)
        for (number, fact) in [
            Say.invoice("in_8", paid: false, failed: true, at: day(1), subscription: nil),
            Say.invoice("in_9", at: day(1), subscription: nil),
        ].enumerated() {
            try await house.deliverAndRun(Told("u\(number)", fact).of("a", session: "cs_1", reference: house.reference))
        }
        #expect(house.hooks.questions.count == questions && house.mails() == mails && house.heardStandings.count == told)
        let listed = try await house.billing.invoices(of: house.tenant, after: nil, limit: 10).items
        #expect(listed.map(\.status).sorted { $0.rawValue < $1.rawValue } == [.failed, .paid, .paid])
    }

    @Test("one payment announced under two types is one payment: one mail, one change of standing")
    func announcedTwice() async throws {
        let house = try await house()
        for told in Lives.bought.prefix(2) { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        house.hooks.script(
            "on_payment",
            .plan([
                OnPaymentTests.action("renew_license"), OnPaymentTests.action("restore_access"),
                OnPaymentTests.action("send_mail", ("template", .string("thank_you"))),
            ]))
        let before = house.heardStandings.count
        for id in ["paid", "succeeded"] {
            let told = Told(id, Say.invoice("in_1", from: day(0), to: day(31), at: day(0, id == "paid" ? 0 : 1)))
            try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference))
        }
        #expect(house.hooks.questions.suffix(2).map { $0.input["event"]?["type"]?.string } == ["payment_succeeded", "payment_succeeded"])
        #expect(house.mails().filter { $0 == "thank_you" }.count == 1)
        #expect(house.heardStandings.count == before + 1 && house.heardStandings.last?.periodEnd == day(31))
    }

    @Test("a dispute may suspend by policy, and the next payment lifts it")
    func dispute() async throws {
        let house = try await house()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        house.hooks.script("on_payment", .plan([OnPaymentTests.action("suspend_license")]))
        let dispute = Told("d", Say.dispute("dp_1", at: day(1)))
        try await house.deliverAndRun(dispute.of("a", session: "cs_1", reference: house.reference))
        #expect(house.heardStandings.last?.standing == .suspended)
        house.hooks.script("on_payment", nil)
        let paid = Told("p", Say.invoice("in_2", from: day(30), to: day(60), at: day(30)))
        try await house.deliverAndRun(paid.of("a", session: "cs_1", reference: house.reference))
        #expect(house.heardStandings.last?.standing == .active)
    }

    @Test("a policy that ends a cancelled subscription at once does")
    func endNow() async throws {
        let house = try await house()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        house.hooks.script("on_payment", .plan([OnPaymentTests.action("end_subscription", ("when", .string("now")))]))
        let gone = Told("c", Say.plan(.cancelled, endedAt: day(0, 1), at: day(0)))
        try await house.deliverAndRun(gone.of("a", session: "cs_1", reference: house.reference))
        #expect(house.heardStandings.last?.standing == .cancelled)
    }

    @Test("the answer is kept before anything follows from it: a crash in between asks nobody again")
    func keptPlan() async throws {
        var faulty: FaultyStore?
        let house = try await House.make { inner in
            let store = FaultyStore(inner)
            faulty = store
            return store
        }
        let store = try #require(faulty)
        try await house.checkout()
        try await house.deliver(Lives.bought[0].of("a", session: "cs_1", reference: house.reference))
        // read the event, find its tenant, make the input, keep the plan; then the process dies
        store.crash(at: 4, .after)
        try await house.run()
        #expect(store.hasCrashed)
        house.hooks.script("on_payment", .plan([]))
        house.clock.advance(by: .minutes(5))
        try await house.run()
        #expect(house.hooks.questions.count == 1)
        #expect(house.mails() == ["purchase_confirmed"], "what was answered first is what happens")
        #expect(try await house.event("e1_a").decision != nil)
    }

    @Test("of two workers with one event the second finds everything done and does nothing", arguments: 1...5)
    func twoWorkers(call: Int) async throws {
        var faulty: FaultyStore?
        let house = try await House.make { inner in
            let store = FaultyStore(inner)
            faulty = store
            return store
        }
        let store = try #require(faulty)
        try await house.checkout()
        try await house.deliver(Lives.bought[0].of("a", session: "cs_1", reference: house.reference))
        let event = try await house.event("e1_a").id
        store.interrupt(at: call) {
            let act = house.test.act()
            try await house.test.store.kernel(KernelReason("test.second")) {
                try $0.enqueue(PaymentPosting.job(event, round: 99, runAt: act.now), act)
            }
            try await house.run()
        }
        try await house.run()
        #expect(try await house.rows("SELECT seq FROM journal_entry_all WHERE action = 'payment_event.applied'").count == 1)
        #expect(house.mails() == ["purchase_confirmed"])
        #expect(try await house.rows("SELECT id FROM store_job WHERE kind = 'billing.apply_event' AND state <> 'done'").isEmpty)
    }

    @Test("all events at once, on many workers, end like one after the other")
    func parallel() async throws {
        for life in [Lives.failAndRecover, Lives.purchase, Lives.cancel] {
            let house = try await House.make(at: try #require(life.expectations.first).now)
            try await house.checkout()
            for told in life.events { try await house.deliver(told.of("a", session: "cs_1", reference: house.reference)) }
            try await house.run()
            #expect(try await house.state() == life.expectations[0].state)
            #expect(try await house.events().allSatisfy { $0.status == .applied })
            #expect(house.mails().filter { !Life.onTheWay.contains($0) }.sorted() == life.mails.sorted())
        }
    }

    @Test("a dispute is asked about when it opens and when it ends, with its outcome; who suspends at the one can lift at the other")
    func disputes() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        func dispute(_ status: String, _ at: Timestamp) -> PaymentFact {
            .dispute(
                DisputeFact(
                    dispute: "dp_1", payment: "pay_1_x", customer: "cus_1_x", subscription: "sub_1_x", amount: nil, status: status,
                    reason: nil, asOf: at))
        }
        house.hooks.script("on_payment", .plan([PlannedAction("suspend_license")]))
        try await house.deliverAndRun(Told("d1", dispute("needs_response", day(2))))
        #expect(try await house.state() == .suspended)
        house.hooks.script("on_payment", .plan([PlannedAction("restore_access")]))
        house.move(to: day(3))
        try await house.deliverAndRun(Told("d2", dispute("won", day(3))))
        #expect(try await house.state() == .active)
        let asked = house.hooks.questions.filter { $0.hook == "on_payment" }.suffix(2)
        #expect(asked.compactMap { $0.input["event"]?["type"]?.string } == ["dispute_opened", "dispute_closed"])
        #expect(asked.last?.input["event"]?["dispute_outcome"]?.string == "won")
        #expect(asked.allSatisfy { HookCheck.issues($0.input, OnPayment.definition.input).isEmpty })
        // An old update of the dispute suspends nobody again.
        house.hooks.script("on_payment", .plan([PlannedAction("suspend_license")]))
        try await house.deliverAndRun(Told("d0", dispute("under_review", day(2, 60))))
        #expect(try await house.state() == .active)
    }
}

/// Whether a value has the shape that fields describe.
enum HookShape {
    static func faults(_ value: HookValue, _ fields: [HookField], at place: String) -> [String] {
        guard case .object(let members) = value else { return ["\(place) is no table"] }
        var faults = members.filter { member in !fields.contains { $0.name == member.0 } }.map { "\(place).\($0.0) is not declared" }
        for field in fields {
            guard let member = value[field.name] else {
                if !field.isOptional { faults.append("\(place).\(field.name) is missing") }
                continue
            }
            faults += HookShape.faults(member, field, at: "\(place).\(field.name)")
        }
        return faults
    }
    private static func faults(_ value: HookValue, _ field: HookField, at place: String) -> [String] {
        switch field.kind {
        case .string: return value.string == nil ? ["\(place) is no text"] : []
        case .integer:
            guard let number = value.int else { return ["\(place) is no whole number"] }
            return field.range?.contains(number) ?? true ? [] : ["\(place) is out of range"]
        case .boolean: return value.bool == nil ? ["\(place) is no flag"] : []
        case .choice(let names): return value.string.map(names.contains) ?? false ? [] : ["\(place) is none of \(names)"]
        case .object(let fields): return faults(value, fields, at: place)
        default: return []
        }
    }
}
