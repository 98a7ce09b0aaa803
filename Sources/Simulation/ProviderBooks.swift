import Foundation
import Vocabulary

/// How the provider of a simulation behaves, whoever is its customer.
package struct ProviderManner: Sendable, Hashable {
    package enum Webhooks: String, Sendable, CaseIterable {
        case inOrder = "in_order"
        case twice, reversed, late, shuffled
    }
    package struct Outage: Sendable, Hashable {
        package var from: Timestamp
        package var to: Timestamp
        /// What it would have told meanwhile it never tells; otherwise it tells it afterwards.
        package var losesWebhooks: Bool
    }
    package var webhooks = Webhooks.inOrder
    /// How late is late.
    package var delay = Duration.hours(6)
    /// Days after the first failure on which it tries again to collect.
    package var retryDays: [Int] = [3, 5, 7]
    /// After the last try the subscription ends; otherwise it stays open and unpaid.
    package var endsUnpaid = false
    package var outages: [Outage] = []
    package init() {}

    func outage(at moment: Timestamp) -> Outage? { outages.first { $0.from <= moment && moment < $0.to } }
}

/// What the provider knows. Values and functions; time is passed in.
struct ProviderBooks: Sendable {
    struct Session: Sendable, Hashable {
        var id: String
        var request: CheckoutRequest
        var subscription: String?
    }
    struct Agreement: Sendable, Hashable {
        var id: String
        var customer: String
        var tenant: String
        var reference: String?
        var tier: String
        var providerPrice: String?
        var interval: BillingInterval
        var quantity: Int
        var unitPrice: Money
        var status: SubscriptionStatus
        var periodStart: Timestamp
        var periodEnd: Timestamp
        var trialEnd: Timestamp?
        var cancelsAt: Timestamp?
        var endedAt: Timestamp?
        var changedAt: Timestamp
        /// While it is paused; nil: until somebody resumes it.
        var resumesAt: Timestamp?
        /// False: the provider tells its price and leaves tier and interval to be read from it.
        var tellsTier = true
        var isLive: Bool { status != .cancelled }
    }
    struct Bill: Sendable, Hashable {
        var id: String
        var subscription: String
        var customer: String
        var tenant: String
        var amount: Money
        var isPaid = false
        var failedAt: Timestamp?
        var reason: DeclineReason?
        var tries = 0
        var nextTryAt: Timestamp?
        var periodStart: Timestamp
        var periodEnd: Timestamp
        var issuedAt: Timestamp
        var paidAt: Timestamp?
        var summary: String
        var isProration = false
        var refunded: Int64 = 0
        var isVoid = false
        var changedAt: Timestamp
        var isOpen: Bool { !isPaid && !isVoid }
    }
    struct Repayment: Sendable, Hashable {
        var id: String
        var bill: String
        var subscription: String
        var customer: String
        var tenant: String
        var amount: Money
        var reason: String
        var at: Timestamp
    }
    /// Something that happened to money, for the timeline.
    struct MoneyNews: Sendable, Hashable {
        var at: Timestamp
        var tenant: String
        var amount: Money
        var what: String
        /// Counts: positive into the books, negative out of them.
        var moved: Int64
    }

    var manner = ProviderManner()
    var sessions: [String: Session] = [:]
    var agreements: [Agreement] = []
    var bills: [Bill] = []
    var repayments: [Repayment] = []
    var disputes: [Repayment] = []
    /// Why a customer's card does not pay; none: it pays.
    var cards: [String: DeclineReason] = [:]
    var customers: [String: String] = [:]
    /// What was made under which key.
    var deeds: [String: String] = [:]
    var news: [MoneyNews] = []
    var outbox = ProviderOutbox()
    /// Tells its names from those of a provider that was there before.
    var mark = ""
    /// Until something changes.
    private var knownTurn: (moment: Timestamp?, known: Void)?
    private var places: [String: Int] = [:]
    private var billsOf: [String: [Int]] = [:]
    private var billPlaces: [String: Int] = [:]
    private(set) var counter = 0

    mutating func number(_ prefix: String) -> String {
        counter += 1
        return "\(prefix)_\(mark)\(counter)"
    }

    // MARK: - Finding

    func agreement(_ id: String) throws -> Agreement {
        guard let place = places[id] else {
            throw PaymentProviderError.refused(code: "no_such_subscription", message: "There is no such subscription.")
        }
        return agreements[place]
    }
    func bill(_ id: String) throws -> Bill {
        guard let place = billPlaces[id] else { throw PaymentProviderError.refused(code: "no_such_invoice", message: "No such invoice.") }
        return bills[place]
    }
    func live(of tenant: String) -> Agreement? { agreements.last { $0.tenant == tenant && $0.isLive } }
    func openBills(of subscription: String) -> [Bill] { (billsOf[subscription] ?? []).map { bills[$0] }.filter(\.isOpen) }
    func bills(of subscription: String) -> [Bill] { (billsOf[subscription] ?? []).map { bills[$0] } }

    mutating func add(_ agreement: Agreement) {
        knownTurn = nil
        places[agreement.id] = agreements.count
        agreements.append(agreement)
    }
    mutating func add(_ bill: Bill) {
        knownTurn = nil
        billPlaces[bill.id] = bills.count
        billsOf[bill.subscription, default: []].append(bills.count)
        bills.append(bill)
    }
    mutating func set(_ agreement: Agreement, now: Timestamp) {
        guard let place = places[agreement.id] else { return }
        knownTurn = nil
        agreements[place] = agreement
        agreements[place].changedAt = now
    }
    mutating func set(_ bill: Bill, now: Timestamp) {
        guard let place = billPlaces[bill.id] else { return }
        knownTurn = nil
        bills[place] = bill
        bills[place].changedAt = now
    }

    // MARK: - Buying

    mutating func open(_ request: CheckoutRequest) -> Session {
        if let known = deeds[request.idempotencyKey], let session = sessions[known] { return session }
        let session = Session(id: number("cs"), request: request, subscription: nil)
        deeds[request.idempotencyKey] = session.id
        sessions[session.id] = session
        return session
    }

    /// Somebody pays on the provider's page. False: the card was declined.
    mutating func pay(_ session: String, now: Timestamp) -> Bool {
        guard var open = sessions[session], open.subscription == nil else { return false }
        let request = open.request
        let customer = request.customer ?? customers[request.tenant] ?? number("cus")
        guard cards[request.tenant] == nil else { return false }
        customers[request.tenant] = customer
        let trialEnd = request.trialDays > 0 ? now + .days(Int64(request.trialDays)) : nil
        let agreement = Agreement(
            id: number("sub"), customer: customer, tenant: request.tenant, reference: request.reference, tier: request.tier,
            providerPrice: request.providerPrice, interval: request.interval, quantity: request.quantity, unitPrice: request.unitPrice,
            status: trialEnd == nil ? .active : .trialing, periodStart: now,
            periodEnd: trialEnd ?? Calendars.adding(request.interval, to: now), trialEnd: trialEnd, changedAt: now)
        open.subscription = agreement.id
        sessions[session] = open
        add(agreement)
        let bill = issue(agreement, isFree: trialEnd != nil, now: now)
        tell(
            [
                .subscription(agreement), .bill(bill),
                .session(
                    CheckoutFact(
                        session: open.id, reference: request.reference, customer: customer, subscription: agreement.id, isPaid: true,
                        asOf: now)),
            ], of: agreement.tenant, now: now)
        return true
    }

    /// Writes the bill of the agreement's period and collects it, where the card pays.
    mutating func issue(_ agreement: Agreement, isFree: Bool = false, now: Timestamp) -> Bill {
        let amount = isFree ? 0 : agreement.unitPrice.amountMinor * Int64(agreement.quantity)
        var bill = Bill(
            id: number("in"), subscription: agreement.id, customer: agreement.customer, tenant: agreement.tenant,
            amount: Money(amountMinor: amount, currency: agreement.unitPrice.currency), periodStart: agreement.periodStart,
            periodEnd: agreement.periodEnd, issuedAt: now, summary: "\(agreement.quantity) × \(agreement.tier)", changedAt: now)
        if amount == 0 {
            (bill.isPaid, bill.paidAt) = (true, now)
        } else {
            collect(&bill, now: now)
        }
        add(bill)
        return bill
    }

    mutating func collect(_ bill: inout Bill, now: Timestamp) {
        bill.tries += 1
        guard let reason = cards[bill.tenant] else {
            (bill.isPaid, bill.paidAt, bill.nextTryAt, bill.reason) = (true, now, nil, nil)
            note(bill.tenant, bill.amount, "paid", moved: bill.amount.amountMinor, now)
            return
        }
        let first = bill.failedAt ?? now
        (bill.failedAt, bill.reason) = (first, reason)
        bill.nextTryAt = bill.tries <= manner.retryDays.count ? first + .days(Int64(manner.retryDays[bill.tries - 1])) : nil
        note(bill.tenant, bill.amount, "declined: \(reason.rawValue)", moved: 0, now)
    }

    mutating func note(_ tenant: String, _ amount: Money, _ what: String, moved: Int64, _ now: Timestamp) {
        news.append(MoneyNews(at: now, tenant: tenant, amount: amount, what: what, moved: moved))
    }

    /// What is due next by time alone, deliveries aside.
    mutating func nextTurn() -> Timestamp? {
        if let known = knownTurn { return known.moment }
        var soonest: Timestamp?
        for agreement in agreements where agreement.isLive {
            for moment in [turn(of: agreement), nextTry(of: agreement)].compactMap({ $0 }) { soonest = min(soonest ?? moment, moment) }
        }
        knownTurn = (soonest, ())
        return soonest
    }
    func turn(of agreement: Agreement) -> Timestamp? {
        let end = min(agreement.cancelsAt ?? agreement.periodEnd, agreement.periodEnd)
        // While a bill is open no new period begins, nor where nothing was ever paid or all is paused; a wish to end holds all the same.
        if agreement.status == .paused, agreement.cancelsAt == nil { return agreement.resumesAt }
        let renews = agreement.status == .active || agreement.status == .trialing
        return renews || agreement.cancelsAt != nil ? end : nil
    }
    private func nextTry(of agreement: Agreement) -> Timestamp? {
        agreement.status == .pastDue ? openBills(of: agreement.id).compactMap(\.nextTryAt).min() : nil
    }
}

/// The months and years of bills.
enum Calendars {
    /// The same day of the next month or year in UTC; the last day where there is none.
    static func adding(_ interval: BillingInterval, to moment: Timestamp) -> Timestamp {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let date = Date(timeIntervalSince1970: Double(moment.seconds))
        guard let later = calendar.date(byAdding: interval == .year ? .year : .month, value: 1, to: date) else {
            return moment + .days(interval == .year ? 365 : 30)
        }
        return Timestamp(seconds: Int64(later.timeIntervalSince1970.rounded()))
    }
}
