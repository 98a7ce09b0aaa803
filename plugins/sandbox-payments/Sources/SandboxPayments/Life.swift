import Foundation
import PluginKit

/// A step that the account's state does not allow; the sentence is for the page.
struct Misstep: Error, Hashable {
    let sentence: String
    /// Nothing is wrong with it: the same step may be taken in a moment.
    let isPassing: Bool
    init(_ sentence: String, isPassing: Bool = false) {
        self.sentence = sentence
        self.isPassing = isPassing
    }
}

/// What can happen in an account. Values and functions; time is passed in. Each step adds the webhooks that tell of it.
extension Account {
    // MARK: - Checkout

    /// Adds a session, or keeps the one with this id as it is.
    mutating func open(_ session: Session, now: Timestamp) throws {
        if let old = sessions.first(where: { $0.id == session.id }) {
            guard old.asks(theSameAs: session) else { throw Misstep("This key was used for another checkout.") }
            return
        }
        if sessions.count >= Self.maxSessions {
            // A finished one makes room, unless its transfer is still on its way.
            let finished = sessions.firstIndex { old in
                (old.status != .open || old.expiresAt <= now) && !transfers.contains { $0.session == old.id }
            }
            guard let finished else { throw Misstep("This customer has too many open checkouts.") }
            sessions.remove(at: finished)
        }
        sessions.append(session)
    }

    mutating func pay(_ id: String, by method: Method, manner: Manner, delay: Duration, now: Timestamp) throws {
        guard let place = sessions.firstIndex(where: { $0.id == id }), sessions[place].status == .open else {
            throw Misstep("This checkout is no longer open.")
        }
        guard sessions[place].expiresAt > now else { throw Misstep("This checkout has run out.") }
        guard method != .cardDeclined else { throw Misstep("The card was declined. Choose another way to pay.") }
        subscriptions.removeAll { $0.status == .cancelled }
        guard subscriptions.count < Self.maxSubscriptions else { throw Misstep("This customer has too many subscriptions.") }
        try makeRoom(for: 3)
        self.manner = manner
        var session = sessions[place]
        let isPaid = method == .cardSucceeds
        let trialEnd = session.trialDays > 0 ? now + .days(Int64(session.trialDays)) : nil
        let periodEnd = trialEnd ?? now.adding(session.interval)
        var subscription = Subscription(
            id: "sub_" + number(), reference: session.reference, tier: session.tier, productName: session.productName,
            providerPrice: session.providerPrice,
            interval: session.interval, quantity: session.quantity, unitPrice: session.unitPrice,
            status: isPaid ? (trialEnd == nil ? .active : .trialing) : .incomplete, periodStart: now, periodEnd: periodEnd,
            trialEnd: trialEnd)
        // A trial's end is when the first bill comes: from then on the months count.
        subscription.rebate = session.coupon.map { Rebate($0, from: trialEnd ?? now) }
        let invoice = bill(&subscription, at: now, isPaid: isPaid, hasFailed: false)
        session.status = .complete
        session.isPaid = isPaid
        session.subscription = subscription.id
        sessions[place] = session
        subscriptions.append(subscription)
        if !isPaid { transfers.append(Transfer(session: id, arrivesAt: now + delay, succeeds: method == .transferArrives)) }
        tell([.subscription(subscription), .invoice(invoice), .checkout(session)], delay: delay, now: now)
    }

    /// Ends an open session whose time is over.
    mutating func expire(_ id: String, delay: Duration, now: Timestamp) {
        guard let place = sessions.firstIndex(where: { $0.id == id }), sessions[place].status == .open, sessions[place].expiresAt <= now
        else { return }
        sessions[place].status = .expired
        sessions[place].hasFailed = true
        tell([.checkout(sessions[place])], delay: delay, now: now)
    }

    /// Settles every transfer whose time has come.
    mutating func settle(delay: Duration, now: Timestamp) {
        for transfer in transfers where transfer.arrivesAt <= now {
            guard let place = sessions.firstIndex(where: { $0.id == transfer.session }),
                let subscription = subscriptions.firstIndex(where: { $0.id == sessions[place].subscription })
            else { continue }
            sessions[place].isPaid = transfer.succeeds
            sessions[place].hasFailed = !transfer.succeeds
            let isTrial = (subscriptions[subscription].trialEnd ?? now) > now
            subscriptions[subscription].status = transfer.succeeds ? (isTrial ? .trialing : .active) : .cancelled
            if !transfer.succeeds { subscriptions[subscription].endedAt = now }
            var told: [Told] = [.subscription(subscriptions[subscription]), .checkout(sessions[place])]
            if let invoice = invoices.firstIndex(where: { $0.subscription == subscriptions[subscription].id }) {
                invoices[invoice].isPaid = transfer.succeeds
                invoices[invoice].hasFailed = !transfer.succeeds
                told.insert(.invoice(invoices[invoice]), at: 1)
            }
            tell(told, delay: delay, now: now)
        }
        transfers.removeAll { $0.arrivesAt <= now }
    }

    // MARK: - Portal

    enum Step: Sendable, Hashable {
        case cancelAtPeriodEnd, keep, endNow, failNextPayment, letNextPaymentPass, renewNow, payOpenInvoice, quantity(Int), refund, dispute
        case failNextPaymentBecause(DeclineReason)
    }

    mutating func take(_ step: Step, on id: String, delay: Duration, now: Timestamp) throws {
        guard let place = subscriptions.firstIndex(where: { $0.id == id }), subscriptions[place].status != .cancelled else {
            throw Misstep("This subscription has ended.")
        }
        if transfers.contains(where: { transfer in sessions.contains { $0.id == transfer.session && $0.subscription == id } }) {
            throw Misstep("The first bank transfer is still on its way.")
        }
        try makeRoom(for: 2)
        var subscription = subscriptions[place]
        var told: [Told] = []
        switch step {
        case .cancelAtPeriodEnd: subscription.cancelsAt = subscription.periodEnd
        case .keep: subscription.cancelsAt = nil
        case .endNow:
            subscription.status = .cancelled
            subscription.endedAt = now
        case .failNextPayment: (subscription.nextPaymentFails, subscription.nextDecline) = (true, nil)
        case .failNextPaymentBecause(let reason): (subscription.nextPaymentFails, subscription.nextDecline) = (true, reason)
        case .letNextPaymentPass: (subscription.nextPaymentFails, subscription.nextDecline) = (false, nil)
        case .quantity(let count):
            guard (1...1_000).contains(count) else { throw Misstep("The quantity must lie between 1 and 1,000.") }
            subscription.quantity = count
        case .renewNow: told = renew(&subscription, now: now)
        case .payOpenInvoice:
            guard let open = invoices.lastIndex(where: { $0.subscription == id && !$0.isPaid }) else {
                throw Misstep("No invoice is open.")
            }
            invoices[open].isPaid = true
            invoices[open].nextAttemptAt = nil
            subscription.status = .active
            told = [.invoice(invoices[open])]
        case .refund, .dispute:
            guard
                let paid = invoices.lastIndex(where: { $0.subscription == id && $0.isPaid && $0.left > 0 })
            else {
                throw Misstep("No paid invoice is left.")
            }
            if step == .refund {
                giveBack(paid, invoices[paid].left, reason: "requested in the sandbox", delay: delay, now: now)
            } else {
                invoices[paid].isDisputed = true
                let dispute = Reversal(
                    id: "du_" + number(), invoice: invoices[paid].id, subscription: id, amount: invoices[paid].amount,
                    reason: "opened in the sandbox", at: now)
                disputes = Array(((disputes ?? []) + [dispute]).suffix(Self.maxReversals))
                tell([.dispute(dispute)], delay: delay, now: now)
            }
            return
        }
        subscriptions[place] = subscription
        switch step {
        case .failNextPayment, .failNextPaymentBecause, .letNextPaymentPass: return
        default: break
        }
        tell([.subscription(subscription)] + told, delay: delay, now: now)
    }

    /// The period is over: the next one begins and is billed, or the subscription ends where that was wished.
    private mutating func renew(_ subscription: inout Subscription, now: Timestamp) -> [Told] {
        if subscription.cancelsAt != nil {
            subscription.status = .cancelled
            subscription.endedAt = now
            return []
        }
        subscription.periodStart = subscription.periodEnd
        subscription.periodEnd = subscription.periodStart.adding(subscription.interval)
        let fails = subscription.nextPaymentFails
        subscription.status = fails ? .pastDue : .active
        subscription.trialEnd = nil
        let invoice = bill(
            &subscription, at: subscription.periodStart, isPaid: !fails, hasFailed: fails, nextAttemptAt: fails ? now + .days(3) : nil,
            decline: fails ? subscription.nextDecline : nil)
        return [.invoice(invoice)]
    }

    mutating func openPortal(_ portal: Portal, now: Timestamp) {
        portals.removeAll { $0.expiresAt <= now }
        if portals.count >= Self.maxPortals { portals.removeFirst() }
        portals.append(portal)
    }

    // MARK: - Webhooks

    /// An object as it was when something about it was told.
    enum Told {
        case checkout(Session)
        case subscription(Subscription)
        case invoice(Invoice)
        case refund(Reversal)
        case dispute(Reversal)
    }

    func makeRoom(for count: Int) throws {
        guard pending.count + count * 2 <= Self.maxPending else {
            throw Misstep("Too many webhooks wait for delivery; try again in a moment.", isPassing: true)
        }
    }

    mutating func tell(_ told: [Told], delay: Duration, now: Timestamp) {
        var made: [(id: String, body: String)] = []
        for object in told {
            lastEventAt = max(now, lastEventAt + .microseconds(1))
            let id = "evt_" + number()
            made.append((id, SandboxEvent.body(of: object, id: id, customer: customer, created: lastEventAt)))
        }
        func enqueue(_ event: (id: String, body: String), due: Timestamp) {
            counter += 1
            pending.append(PendingWebhook(number: counter, event: event.id, body: event.body, due: due))
        }
        switch manner {
        case .inOrder: for event in made { enqueue(event, due: now) }
        case .twice:
            for event in made { enqueue(event, due: now) }
            for event in made { enqueue(event, due: now + .seconds(1)) }
        case .reversed: for event in made.reversed() { enqueue(event, due: now) }
        case .late: for event in made { enqueue(event, due: now + delay) }
        }
    }

    /// The next webhook or transfer, whichever is due first; nil: nothing waits.
    var nextDue: Timestamp? { (pending.map(\.due) + transfers.map(\.arrivesAt)).min() }
    /// The webhook to deliver now.
    func due(_ now: Timestamp) -> PendingWebhook? {
        pending.filter { $0.due <= now }.min { ($0.due, $0.number) < ($1.due, $1.number) }
    }
    mutating func delivered(_ number: Int) { pending.removeAll { $0.number == number } }
    /// Tries again later, longer each time; after the last attempt it is given up. True: given up.
    mutating func undelivered(_ number: Int, now: Timestamp) -> Bool {
        guard let place = pending.firstIndex(where: { $0.number == number }) else { return false }
        pending[place].attempts += 1
        let waits: [Int64] = [1, 2, 5, 15, 60, 300, 900, 3_600, 3_600, 3_600]
        guard pending[place].attempts <= waits.count else {
            pending.remove(at: place)
            return true
        }
        pending[place].due = now + .seconds(waits[pending[place].attempts - 1])
        return false
    }

    // MARK: - Names and bills

    /// A name that no other object of this account has.
    mutating func number() -> String {
        counter += 1
        return "\(customer.dropFirst(4))_\(counter)"
    }

    /// One bill of a period; a coupon that counts at `moment` is taken off, and one for a single bill is used by it.
    mutating func bill(
        _ subscription: inout Subscription, at moment: Timestamp, isPaid: Bool, hasFailed: Bool, nextAttemptAt: Timestamp? = nil,
        decline: DeclineReason? = nil
    ) -> Invoice {
        let isFree = subscription.trialEnd != nil
        var amount = isFree ? 0 : subscription.unitPrice.amountMinor * Int64(subscription.quantity)
        var taken: (minor: Int64, name: String)?
        if let rebate = subscription.rebate, !isFree {
            if rebate.counts(moment) { taken = (rebate.off(amount), rebate.coupon.name ?? rebate.coupon.code) }
            if rebate.coupon.months == 0 || !rebate.counts(moment) { subscription.rebate = nil }
        }
        amount -= taken?.minor ?? 0
        var invoice = Invoice(
            id: "in_" + number(), subscription: subscription.id,
            amount: Money(amountMinor: amount, currency: subscription.unitPrice.currency),
            isPaid: isPaid, hasFailed: hasFailed, periodStart: subscription.periodStart, periodEnd: subscription.periodEnd,
            nextAttemptAt: nextAttemptAt, declineReason: decline)
        (invoice.rebateMinor, invoice.rebateName) = (taken?.minor, taken?.name)
        invoices.append(invoice)
        if invoices.count > Self.maxInvoices { invoices.removeFirst() }
        return invoice
    }
}

extension Timestamp {
    /// The same day of the next month or year in UTC; the last day where there is none.
    func adding(_ interval: BillingInterval) -> Timestamp {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let date = Date(timeIntervalSince1970: Double(seconds))
        let component: Calendar.Component = interval == .year ? .year : .month
        guard let later = calendar.date(byAdding: component, value: 1, to: date) else { return self + .days(interval == .year ? 365 : 30) }
        return Timestamp(seconds: Int64(later.timeIntervalSince1970.rounded()))
    }
}
