import Catalog
import HookEngine
import Vocabulary

@testable import Billing

/// Day `count` of a life, plus seconds.
func day(_ count: Double, _ seconds: Int64 = 0) -> Timestamp { Timestamp(seconds: 1_800_000_000 + Int64(count * 86_400) + seconds) }

/// One event of a provider, as its plugin reads it.
struct Told: Sendable, Hashable, Codable {
    let id: String
    let facts: [PaymentFact]
    var at: Timestamp { facts.first.flatMap(FactReading.init)?.asOf ?? day(0) }

    init(_ id: String, _ facts: PaymentFact...) {
        self.id = id
        self.facts = facts
    }
}

/// The events of one customer's life in the order in which they happened, and what must hold once all are known, whatever the order.
struct Life: Sendable, CustomStringConvertible {
    struct Expectation: Sendable {
        let now: Timestamp
        let state: Standing.State
        var quantity = 1
        var periodEnd: Timestamp?
        var graceUntil: Timestamp?
        var cancelsAt: Timestamp?
        var tier = "team"
        var change: Standing.Change?
    }
    let name: String
    let events: [Told]
    let expectations: [Expectation]
    /// Mails that the events bring, whatever their order; beside them only those of `onTheWay` may or may not come, each once.
    let mails: [String]
    /// Of a trouble that is known for a while only, where later news overtakes earlier.
    static let onTheWay: Set<String> = ["payment_failed", "payment_recovered", "grace_reminder"]
    var description: String { name }
}

/// Facts in few words.
enum Say {
    static let session = "cs_1"
    static let subscription = "sub_1"
    static let customer = "cus_1"
    static let reference = "ref_1"
    static let usd = Currency("USD")!

    static func checkout(paid: Bool = true, failed: Bool = false, at: Timestamp = day(0), subscription: String? = Say.subscription)
        -> PaymentFact
    {
        .checkout(
            CheckoutFact(
                session: session, reference: reference, customer: customer, subscription: subscription, isPaid: paid, hasFailed: failed,
                asOf: at))
    }
    static func plan(
        _ status: SubscriptionStatus, quantity: Int = 1, from: Timestamp = day(0), to: Timestamp = day(30), trialEnd: Timestamp? = nil,
        cancelsAt: Timestamp? = nil, endedAt: Timestamp? = nil, at: Timestamp = day(0), price: String? = nil, tier: String? = "team"
    ) -> PaymentFact {
        .subscription(
            SubscriptionFact(
                subscription: subscription, customer: customer, reference: reference, status: status, providerPrice: price, tier: tier,
                quantity: quantity, periodStart: from, periodEnd: to, trialEnd: trialEnd, cancelsAt: cancelsAt, endedAt: endedAt, asOf: at))
    }
    static func invoice(
        _ id: String, paid: Bool = true, failed: Bool = false, amount: Int64 = 2900, from: Timestamp = day(0), to: Timestamp = day(30),
        at: Timestamp = day(0), subscription: String? = Say.subscription
    ) -> PaymentFact {
        .invoice(
            InvoiceFact(
                invoice: id, subscription: subscription, customer: customer, isPaid: paid, hasFailed: failed,
                amount: Money(amountMinor: amount, currency: usd), periodStart: from, periodEnd: to, asOf: at))
    }
    static func failure(_ id: String, at: Timestamp, from: Timestamp = day(30), to: Timestamp = day(60)) -> PaymentFact {
        invoice(id, paid: false, failed: true, from: from, to: to, at: at)
    }
    static func refund(_ id: String, at: Timestamp) -> PaymentFact {
        .refund(
            RefundFact(
                refund: id, payment: "pay_1", customer: customer, subscription: subscription,
                amount: Money(amountMinor: 900, currency: usd),
                reason: nil, asOf: at))
    }
    static func dispute(_ id: String, at: Timestamp) -> PaymentFact {
        .dispute(
            DisputeFact(
                dispute: id, payment: "pay_1", customer: customer, subscription: subscription,
                amount: Money(amountMinor: 2900, currency: usd),
                status: "needs_response", reason: "fraudulent", asOf: at))
    }
}

enum Lives {
    static let bought = [
        Told("e1", Say.checkout()), Told("e2", Say.plan(.active)), Told("e3", Say.invoice("in_1")),
    ]

    static let purchase = Life(
        name: "purchase, the payment announced under two types",
        events: [
            Told("e1", Say.checkout()), Told("e2", Say.plan(.incomplete)), Told("e3", Say.plan(.active)), Told("e4", Say.invoice("in_1")),
            Told("e5", Say.invoice("in_1", at: day(0, 1))),
        ],
        expectations: [
            .init(now: day(1), state: .active, periodEnd: day(30)),
            .init(now: day(30, 1), state: .grace, periodEnd: day(30), graceUntil: day(37)),
            .init(now: day(38), state: .suspended, periodEnd: day(30)),
        ], mails: ["purchase_confirmed"])

    static let trial = Life(
        name: "trial that becomes paid",
        events: [
            Told("e1", Say.checkout()), Told("e2", Say.plan(.trialing, to: day(7), trialEnd: day(7))),
            Told("e3", Say.invoice("in_0", amount: 0, to: day(7))),
            Told("e4", Say.plan(.active, from: day(7), to: day(37), trialEnd: day(7), at: day(7))),
            Told("e5", Say.invoice("in_1", from: day(7), to: day(37), at: day(7, 3600))),
        ],
        expectations: [.init(now: day(8), state: .active, periodEnd: day(37))], mails: ["purchase_confirmed"])

    static let upgrade = Life(
        name: "upgrade in the middle of the period",
        events: bought + [
            Told("e4", Say.plan(.active, quantity: 5, at: day(10))),
            Told("e5", Say.invoice("in_2", amount: 7700, from: day(10), to: day(30), at: day(10))),
        ],
        expectations: [.init(now: day(10, 60), state: .active, quantity: 5, periodEnd: day(30))], mails: ["purchase_confirmed"])

    static let downgrade = Life(
        name: "upgrade, then downgrade within the period",
        events: [
            Told("e1", Say.checkout()), Told("e2", Say.plan(.active, quantity: 3)), Told("e3", Say.invoice("in_1")),
            Told("e4", Say.plan(.active, quantity: 5, at: day(5))), Told("e5", Say.plan(.active, quantity: 2, at: day(10))),
        ],
        expectations: [
            .init(
                now: day(11), state: .active, quantity: 5, periodEnd: day(30), change: .init(tier: "team", quantity: 2, at: day(30))),
            .init(now: day(30, 60), state: .grace, quantity: 2, periodEnd: day(30), graceUntil: day(37)),
        ], mails: ["purchase_confirmed"])

    static let failAndRecover = Life(
        name: "a renewal fails and is paid in grace",
        events: bought + [
            Told("e4", Say.failure("in_2", at: day(30))), Told("e5", Say.plan(.pastDue, from: day(30), to: day(60), at: day(30))),
            Told("e6", Say.invoice("in_2", from: day(30), to: day(60), at: day(33))),
            Told("e7", Say.plan(.active, from: day(30), to: day(60), at: day(33))),
        ],
        expectations: [.init(now: day(33, 60), state: .active, periodEnd: day(60))], mails: ["purchase_confirmed"])

    static let fail = Life(
        name: "a renewal fails twice and is not paid",
        events: bought + [
            Told("e4", Say.failure("in_2", at: day(30))), Told("e5", Say.plan(.pastDue, from: day(30), to: day(60), at: day(30))),
            Told("e6", Say.failure("in_2", at: day(33))),
        ],
        expectations: [
            .init(now: day(33, 60), state: .grace, periodEnd: day(30), graceUntil: day(37)),
            .init(now: day(37), state: .suspended, periodEnd: day(30)),
        ], mails: ["purchase_confirmed"])

    static let suspendAndRecover = Life(
        name: "a renewal fails, the grace runs out, then it is paid",
        events: bought + [
            Told("e4", Say.failure("in_2", at: day(30))), Told("e5", Say.failure("in_2", at: day(35))),
            Told("e6", Say.invoice("in_2", from: day(30), to: day(60), at: day(40))),
            Told("e7", Say.plan(.active, from: day(30), to: day(60), at: day(40))),
        ],
        expectations: [.init(now: day(40, 60), state: .active, periodEnd: day(60))], mails: ["purchase_confirmed"])

    static let cancel = Life(
        name: "cancelled at once by the seller, with an old update on its way",
        events: bought + [
            Told("e4", Say.plan(.active, quantity: 4, at: day(5))),
            Told("e5", Say.plan(.cancelled, quantity: 4, endedAt: day(10), at: day(10))),
        ],
        expectations: [
            .init(now: day(10, 60), state: .active, quantity: 4, periodEnd: day(30), cancelsAt: day(30)),
            .init(now: day(30), state: .cancelled, quantity: 4, periodEnd: day(30), cancelsAt: day(30)),
        ], mails: ["purchase_confirmed", "subscription_cancelled"])

    static let cancelByDate = Life(
        name: "cancelled in the portal, which sets only a date",
        events: bought + [
            Told("e4", Say.plan(.active, cancelsAt: day(30), at: day(5))),
            Told("e5", Say.plan(.cancelled, cancelsAt: day(30), endedAt: day(30), at: day(30))),
        ],
        expectations: [.init(now: day(30, 60), state: .cancelled, periodEnd: day(30), cancelsAt: day(30))],
        mails: ["purchase_confirmed", "subscription_cancelled"])

    static let resume = Life(
        name: "cancelled by date and taken back",
        events: bought + [
            Told("e4", Say.plan(.active, cancelsAt: day(30), at: day(5))), Told("e5", Say.plan(.active, at: day(6))),
        ],
        expectations: [.init(now: day(6, 60), state: .active, periodEnd: day(30))], mails: ["purchase_confirmed"])

    static let delayed = Life(
        name: "a delayed method that settles",
        events: [
            Told("e1", Say.checkout(paid: false)), Told("e2", Say.plan(.active)), Told("e3", Say.invoice("in_1", paid: false)),
            Told("e4", Say.checkout(at: day(3))), Told("e5", Say.invoice("in_1", at: day(3))),
        ],
        expectations: [.init(now: day(3, 60), state: .active, periodEnd: day(30))], mails: ["purchase_confirmed"])

    static let delayedFailure = Life(
        name: "a delayed method that fails",
        events: [
            Told("e1", Say.checkout(paid: false)), Told("e2", Say.plan(.active)),
            Told("e3", Say.checkout(paid: false, failed: true, at: day(3))),
            Told("e4", Say.plan(.cancelled, endedAt: day(3), at: day(3))),
        ],
        expectations: [.init(now: day(3, 60), state: .cancelled, periodEnd: day(3), cancelsAt: day(3))], mails: ["subscription_cancelled"])

    static let unrelated = Life(
        name: "an invoice of no subscription fails",
        events: bought + [
            Told("e4", Say.invoice("in_9", paid: false, failed: true, to: day(300), at: day(2), subscription: nil)),
            Told("e5", Say.invoice("in_8", to: day(900), at: day(2), subscription: nil)),
        ],
        expectations: [.init(now: day(3), state: .active, periodEnd: day(30))], mails: ["purchase_confirmed"])

    static let dunned = Life(
        name: "a renewal fails until the provider gives up",
        events: bought + [
            Told("e4", Say.failure("in_2", at: day(30))), Told("e5", Say.plan(.pastDue, from: day(30), to: day(60), at: day(30))),
            Told("e6", Say.plan(.cancelled, from: day(30), to: day(60), endedAt: day(51), at: day(51))),
        ],
        expectations: [.init(now: day(51, 60), state: .cancelled, periodEnd: day(30), cancelsAt: day(51))],
        mails: ["purchase_confirmed", "subscription_cancelled"])

    static let oneSecond = Life(
        name: "everything within one second",
        events: [
            Told("e1", Say.checkout()), Told("e2", Say.plan(.incomplete)), Told("e3", Say.plan(.active)),
            Told("e4", Say.plan(.active, quantity: 2)),
            Told("e5", Say.invoice("in_1")), Told("e6", Say.plan(.cancelled, quantity: 2, endedAt: day(0))),
        ],
        expectations: [.init(now: day(1), state: .active, quantity: 2, periodEnd: day(30), cancelsAt: day(30))],
        mails: ["purchase_confirmed", "subscription_cancelled"])

    static let reversed = Life(
        name: "a refund and a dispute",
        events: bought + [Told("e4", Say.refund("re_1", at: day(3))), Told("e5", Say.dispute("dp_1", at: day(4)))],
        expectations: [.init(now: day(5), state: .active, periodEnd: day(30))],
        mails: ["purchase_confirmed", "staff:refund_created", "staff:dispute_opened"])

    static let all = [
        purchase, trial, upgrade, downgrade, failAndRecover, fail, suspendAndRecover, cancel, cancelByDate, resume, delayed, delayedFailure,
        unrelated, dunned, oneSecond, reversed,
    ]
}

enum Shop {
    static let table: JSONValue = [
        "api": 1,
        "tiers": [
            ["id": "free", "name": "Free", "prices": ["month": ["amount_minor": 0]], "seats_per_unit": 1, "devices": 1],
            [
                "id": "pilot_starter", "name": "Starter", "prices": ["month": ["amount_minor": 1900], "year": ["amount_minor": 19000]],
                "seats_per_unit": 1, "devices": 1, "max_quantity": 1, "trial_days": 0,
            ],
            [
                "id": "pro", "name": "Pro", "prices": ["month": ["amount_minor": 9900], "year": ["amount_minor": 99000]],
                "seats_per_unit": 50,
                "devices": 100,
            ],
            [
                "id": "team", "name": "Team", "prices": ["month": ["amount_minor": 2900]], "seats_per_unit": 1, "devices_per_seat": 2,
                "trial_days": 7,
            ],
            ["id": "old", "name": "Old", "prices": ["month": ["amount_minor": 500]], "seats_per_unit": 1, "devices": 1, "hidden": true],
            [
                "id": "enterprise", "name": "Enterprise", "contract": true, "contact_url": "/contact", "seats_per_unit": 500,
                "devices": "unlimited",
            ],
        ],
    ]
    static func catalog() -> TierCatalog { (try? TierCatalog.read(table)) ?? .empty }
    static let prices = ProviderPrices([
        ProviderPrice(entry: "fake:price_pro=pro/month")!, ProviderPrice(entry: "fake:price_pro_year=pro/year")!,
    ])
    static func terms() -> StandingTerms { StandingTerms(provider: "fake", catalog: catalog(), prices: prices, graceDays: 7) }
}

/// The pure middle of the room: what the service does between two statements, without store, hooks or clock.
struct PureRoom {
    var mirror = Mirror()
    static let tenant = TenantID("01890000-0000-7000-8000-000000000001")!

    static func news(_ told: Told) -> PaymentNews { PaymentNews(provider: "fake", event: told.id, facts: told.facts) }

    /// The plan shipped with the house, as it is for this type of event.
    static func directives(_ news: PaymentNews) -> PaymentDirectives {
        guard let type = news.type else { return .none }
        let plan = OnPayment.shippedPlan(OnPayment.Input(type: type, provider: "fake", tenant: tenant))
        return PaymentDirectives.checked(plan, of: type, defaultGraceDays: 7)
    }

    static func delta(_ told: Told) -> Mirror {
        let news = news(told)
        return news.mirror(
            directives: directives(news), ownReferences: [Say.reference], intended: [Say.session: Offer(tier: "team", interval: .month)])
    }

    func standing(_ now: Timestamp, _ subscription: String = Say.subscription) -> Standing {
        Standing.derive(mirror.facts(of: subscription), terms: Shop.terms(), now: now)
    }
}
