import PluginKit

/// What can happen in an account by somebody's doing. Values and functions; time is passed in. Each step adds the webhooks that tell of it.
extension Account {
    // MARK: - Buying

    /// Adds a session, or keeps the one with this id as it is.
    mutating func open(_ session: Session, now: Timestamp) throws {
        if let old = sessions.first(where: { $0.id == session.id }) {
            guard old.begins(as: session) else { throw Misstep("This key was used for another checkout.") }
            return
        }
        if sessions.count >= Self.maxSessions {
            // A finished one makes room, unless its first payment is still awaited.
            let finished = sessions.firstIndex { old in
                old.status == .expired || old.expiresAt <= now && old.status == .open || old.isPaid || old.hasFailed
            }
            guard let finished else { throw Misstep("This customer has too many open checkouts.") }
            sessions.remove(at: finished)
        }
        sessions.append(session)
    }

    /// The buyer orders: a subscription begins to wait for its first payment, or its trial begins.
    mutating func order(_ id: String, buyer: Party, orderReference: String?, vat: VATTreatment, pace: Pace, now: Timestamp) throws {
        guard let place = sessions.firstIndex(where: { $0.id == id }), sessions[place].status == .open else {
            throw Misstep("This checkout is no longer open.")
        }
        guard sessions[place].expiresAt > now else { throw Misstep("This checkout has run out.") }
        subscriptions.removeAll { old in old.status == .cancelled && !bills.contains { $0.subscription == old.id && !$0.isSettled } }
        guard subscriptions.count < Self.maxSubscriptions else { throw Misstep("This customer has too many subscriptions.") }
        try makeRoom()
        var session = sessions[place]
        let isTrial = session.trialDays > 0
        let trialEnd = isTrial ? now + .days(Int64(session.trialDays)) : nil
        let subscription = Subscription(
            id: "sub_" + name(), session: session.id, reference: session.reference, tier: session.tier, productName: session.productName,
            providerPrice: session.providerPrice, interval: session.interval, quantity: session.quantity, unitPrice: session.unitPrice,
            status: isTrial ? .trialing : .incomplete, anchor: Day(trialEnd ?? now).day, periodStart: isTrial ? now : nil,
            periodEnd: trialEnd, trialEnd: trialEnd, vat: vat)
        self.buyer = buyer
        self.orderReference = orderReference
        session.status = .ordered
        session.isPaid = isTrial
        session.subscription = subscription.id
        sessions[place] = session
        subscriptions.append(subscription)
        if !isTrial { try draft(subscription, issued: Day(now), due: Day(now).adding(days: pace.paymentDays), period: nil) }
        tell([.subscription(subscription), .checkout(session)], now: now)
    }

    /// Decides on an invoice; it gets its number next.
    mutating func draft(_ it: Subscription, issued: Day, due: Day, period: (start: Timestamp, end: Timestamp)?) throws {
        let length = it.interval == .year ? "1 year" : "1 month"
        let when = period.map { "\(Day($0.start)) to \(Day($0.end).adding(days: -1))" } ?? "\(length) from the receipt of payment"
        guard
            let line = Invoice.line("\(it.productName), \(when)", quantity: it.quantity, unitPrice: it.unitPrice.amountMinor, vat: it.vat),
            let buyer
        else { throw Misstep("Quantity or price are outside what an invoice can hold.") }
        // Who left and stays after all is invoiced anew: the first invoice of the period was cancelled.
        let tries = bills.filter { $0.subscription == it.id && $0.periodStart == period?.start }.count
        drafts.append(
            Draft(
                claim: "\(it.id):\(period.map { Day($0.start).description } ?? "first"):\(tries)", kind: .invoice, issued: issued, due: due,
                lines: [line],
                buyer: buyer, orderReference: orderReference, subscription: it.id, periodStart: period?.start, periodEnd: period?.end))
    }

    // MARK: - Documents

    /// A draft has got its number. Done twice it is done once.
    mutating func complete(_ claim: String, as invoice: Invoice, pace: Pace, now: Timestamp) {
        guard let place = drafts.firstIndex(where: { $0.claim == claim }) else { return }
        let draft = drafts.remove(at: place)
        guard invoice.kind == .creditNote else {
            let bill = Bill(
                number: invoice.number, issued: invoice.issued, due: invoice.due ?? invoice.issued, subscription: draft.subscription,
                total: invoice.gross, currency: invoice.currency, periodStart: draft.periodStart, periodEnd: draft.periodEnd)
            bills.append(bill)
            if bills.count > Self.maxBills, let old = bills.firstIndex(where: \.isSettled) { bills.remove(at: old) }
            tell([.invoice(bill)], now: now)
            // The subscription ended between decision and number.
            if !subscriptions.contains(where: { $0.id == draft.subscription && $0.status != .cancelled }) { cancel(bill.number, now: now) }
            return
        }
        guard let bill = bills.firstIndex(where: { $0.number == draft.corrects?.number }) else { return }
        bills[bill].credited += invoice.payable
        bills[bill].creditedNet = (bills[bill].creditedNet ?? 0) + invoice.net
        bills[bill].credits.append(invoice.number)
        if bills[bill].isCancelled, !bills[bill].isPaid { withdraw(bills[bill], now: now) }
        settle(
            bill, why: draft.isCancellation ? "Paid, but the invoice was cancelled" : "Credited by \(invoice.number)", pace: pace, now: now)
        if let order = bills[bill].refundOrders?.firstIndex(where: { $0.claim == draft.claim }) {
            let refund = bills[bill].refundID
            bills[bill].refundOrders?[order].refund = refund
        }
    }

    /// What an unpaid invoice was for does not come: an order that waited for it ends, a subscription ends with what is paid.
    private mutating func withdraw(_ bill: Bill, now: Timestamp) {
        guard let place = subscriptions.firstIndex(where: { $0.id == bill.subscription }), subscriptions[place].status != .cancelled else {
            return
        }
        guard let end = subscriptions[place].periodEnd else { return self.end(bill.subscription, at: now, now: now) }
        guard bill.periodStart == end, subscriptions[place].cancelsAt == nil else { return }
        subscriptions[place].cancelsAt = end
        tell([.subscription(subscriptions[place])], now: now)
    }

    /// Takes back an invoice that nobody paid, by a credit note over all of it.
    mutating func cancel(_ number: DocumentNumber, now: Timestamp) {
        guard let bill = bills.first(where: { $0.number == number }), bill.credits.isEmpty, !bill.isPaid,
            !drafts.contains(where: { $0.corrects?.number == number })
        else { return }
        // The lines are filled in from the invoice itself when the credit note gets its number.
        drafts.append(credit(bill, lines: [], isCancellation: true, now: now))
    }

    /// Credits all of an invoice, or a net amount of one with a single treatment. `invoice` is the document as it was issued.
    mutating func credit(_ invoice: Invoice, net: Int64?, now: Timestamp) throws {
        guard let bill = bills.first(where: { $0.number == invoice.number }) else {
            throw Misstep("This account has no such open invoice.")
        }
        guard !drafts.contains(where: { $0.corrects?.number == invoice.number }) else { throw Misstep("A credit note is being written.") }
        guard bill.credits.count < Self.maxCredits else { throw Misstep("This invoice has too many credit notes.") }
        try makeRoom()
        var lines = invoice.lines
        if let net {
            guard invoice.groups.count == 1, let group = invoice.groups.first else {
                throw Misstep("Lines of several rates are credited as a whole.")
            }
            guard net > 0, net + Invoice.tax(on: net, rate: group.vat.rate) <= bill.total - bill.credited else {
                throw Misstep("More cannot be credited than was invoiced.")
            }
            lines = [BilledLine(name: "Credit for \(invoice.lines[0].name)", quantity: 1, unitPrice: net, vat: group.vat)]
        } else {
            guard bill.credited == 0 else { throw Misstep("A part was credited already: give the net amount.") }
        }
        drafts.append(credit(bill, lines: lines, isCancellation: false, now: now))
    }

    func credit(_ bill: Bill, lines: [BilledLine], isCancellation: Bool, now: Timestamp) -> Draft {
        Draft(
            claim: "\(bill.number):credit:\(bill.credits.count + 1)", kind: .creditNote, issued: Day(now), lines: lines,
            buyer: buyer ?? Party(name: "", street: "", postalCode: "", city: "", country: ""),
            corrects: .init(number: bill.number, issued: bill.issued),
            note: isCancellation ? "Cancels the invoice, which was not paid." : nil, subscription: bill.subscription,
            isCancellation: isCancellation)
    }

    // MARK: - Money

    /// Puts a movement on an invoice; a movement that stands there already changes nothing. True: it was new.
    @discardableResult
    mutating func post(_ booking: Booking, on number: DocumentNumber, pace: Pace, now: Timestamp) throws -> Bool {
        guard bills.contains(where: { $0.number == number }) else { throw Misstep("This invoice is settled long ago.") }
        guard !bills.contains(where: { $0.postings.contains { $0.booking == booking.id } }) else { return false }
        // Old invoices on which nothing can change make room.
        while bills.reduce(0, { $0 + $1.postings.count }) >= Self.maxPostings {
            guard let old = bills.firstIndex(where: { $0.isSettled && $0.number != number }) else {
                throw Misstep("This account has too many movements.")
            }
            bills.remove(at: old)
        }
        guard let place = bills.firstIndex(where: { $0.number == number }) else { return false }
        try makeRoom()
        bills[place].postings.append(Posting(booking: booking.id, day: booking.day, minor: booking.minor, currency: booking.currency))
        guard booking.currency == bills[place].currency else {
            if booking.minor > 0 {
                let refund = refund(
                    place, Money(amountMinor: booking.minor, currency: booking.currency), "Paid in another currency than invoiced")
                tell([refund], now: now)
            }
            return true
        }
        let why = bills[place].isCancelled ? "Paid, but the invoice was cancelled" : "Paid more than was invoiced"
        settle(place, why: why, pace: pace, now: now)
        return true
    }

    /// Draws from an invoice's balance what follows, and tells each thing once: the account remembers what was told.
    private mutating func settle(_ place: Int, why: String, pace: Pace, now: Timestamp) {
        var told: [Told] = []
        let isCovered = bills[place].balance + pace.tolerance >= bills[place].payable
        if !bills[place].isPaid, isCovered, bills[place].payable > 0 {
            bills[place].isPaid = true
            bills[place].overdueSince = nil
            told += grant(place, now: now)
        } else if bills[place].isPaid, !isCovered {
            bills[place].isPaid = false
            bills[place].claim += 1
            bills[place].overdueSince = now
            told.append(.reversal("dp_\(bills[place].claimID.replacing(":", with: "_"))", bills[place], bills[place].open))
            if let subscription = subscription(of: bills[place]), subscription.status != .cancelled {
                told += fallBehind(bills[place])
                told.append(.invoice(bills[place]))
            }
        }
        let owed = max(0, bills[place].balance - bills[place].payable)
        if owed > bills[place].owed {
            told.append(refund(place, Money(amountMinor: owed - bills[place].owed, currency: bills[place].currency), why))
        }
        bills[place].owed = owed
        tell(told, now: now)
    }

    /// The invoice is paid: what it pays for begins or goes on.
    private mutating func grant(_ place: Int, now: Timestamp) -> [Told] {
        guard let index = subscriptions.firstIndex(where: { $0.id == bills[place].subscription }) else { return [.invoice(bills[place])] }
        var subscription = subscriptions[index]
        let isFirst = subscription.periodEnd == nil
        if isFirst {
            subscription.anchor = Day(now).day
            subscription.periodStart = now
            subscription.periodEnd = now.adding(subscription.interval, anchor: subscription.anchor)
            (bills[place].periodStart, bills[place].periodEnd) = (subscription.periodStart, subscription.periodEnd)
        } else if let start = bills[place].periodStart, let end = bills[place].periodEnd, end > subscription.periodEnd ?? end - .seconds(1)
        {
            if start <= now { subscription.periodStart = start }
            subscription.periodEnd = end
        }
        let isBehind = bills.contains { $0.subscription == subscription.id && $0.overdueSince != nil }
        if subscription.status != .cancelled { subscription.status = isBehind ? .pastDue : .active }
        subscriptions[index] = subscription
        var told: [Told] = [.subscription(subscription), .invoice(bills[place])]
        if isFirst, subscription.status != .cancelled, let session = sessions.firstIndex(where: { $0.id == subscription.session }) {
            sessions[session].isPaid = true
            told.append(.checkout(sessions[session]))
        }
        return told
    }

    func subscription(of bill: Bill) -> Subscription? { subscriptions.first { $0.id == bill.subscription } }

    /// A subscription that was sound is behind with its payment.
    mutating func fallBehind(_ bill: Bill) -> [Told] {
        guard let index = subscriptions.firstIndex(where: { $0.id == bill.subscription }),
            subscriptions[index].status == .active || subscriptions[index].status == .trialing
        else { return [] }
        subscriptions[index].status = .pastDue
        return [.subscription(subscriptions[index])]
    }

    private mutating func refund(_ place: Int, _ amount: Money, _ why: String) -> Told {
        bills[place].refunds += 1
        return .refund(bills[place].refundID, bills[place], amount, why)
    }

    // MARK: - Portal

    mutating func openPortal(_ portal: Portal, now: Timestamp) {
        portals.removeAll { $0.expiresAt <= now }
        if portals.count >= Self.maxPortals { portals.removeFirst() }
        portals.append(portal)
    }

    /// Ends a subscription with its period, or takes that back while there is time.
    mutating func leave(_ id: String, _ isLeaving: Bool, now: Timestamp) throws {
        guard let place = subscriptions.firstIndex(where: { $0.id == id }), subscriptions[place].status != .cancelled else {
            throw Misstep("This subscription has ended.")
        }
        guard let end = subscriptions[place].periodEnd else { throw Misstep("This subscription waits for its first payment.") }
        try makeRoom()
        subscriptions[place].cancelsAt = isLeaving ? end : nil
        tell([.subscription(subscriptions[place])], now: now)
        guard isLeaving else { return }
        for bill in bills where bill.subscription == id && !bill.isPaid && bill.periodStart == end { cancel(bill.number, now: now) }
    }

    // MARK: - Names

    func makeRoom() throws {
        guard hasRoom else { throw Misstep("Too many webhooks wait for delivery; try again in a moment.", isPassing: true) }
    }
    var hasRoom: Bool { pending.count + 10 <= Self.maxPending }

    /// A name that no other object of this account has.
    mutating func name() -> String {
        counter += 1
        return "\(customer.dropFirst(4))_\(counter)"
    }
}
