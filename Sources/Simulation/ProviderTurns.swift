import Vocabulary

/// What time and wishes do to agreements. Each step writes down what it tells.
extension ProviderBooks {
    /// An object as it was when something about it was told.
    enum Told: Sendable {
        case session(CheckoutFact)
        case subscription(Agreement)
        case bill(Bill)
        case repayment(Repayment)
        case dispute(Repayment)
    }

    mutating func tell(_ told: [Told], of tenant: String, now: Timestamp) {
        outbox.tell(told.map(Self.news), of: tenant, manner: manner, now: now)
    }
    private static func news(_ told: Told) -> (Timestamp) -> (type: String, fact: PaymentFact) {
        switch told {
        case .session(var fact):
            return { at in
                fact.asOf = at
                return ("checkout.paid", .checkout(fact))
            }
        case .subscription(let it): return { ("subscription.changed", .subscription(Self.fact(it, asOf: $0))) }
        case .bill(let it): return { ("invoice.changed", .invoice(Self.fact(it, asOf: $0))) }
        case .repayment(let it): return { ("refund.created", .refund(Self.fact(it, asOf: $0))) }
        case .dispute(let it): return { ("dispute.opened", .dispute(Self.dispute(it, asOf: $0))) }
        }
    }

    static func fact(_ it: Agreement, asOf: Timestamp) -> SubscriptionFact {
        SubscriptionFact(
            subscription: it.id, customer: it.customer, reference: it.reference, status: it.status, providerPrice: it.providerPrice,
            tier: it.tellsTier ? it.tier : nil, quantity: it.quantity, periodStart: it.periodStart, periodEnd: it.periodEnd,
            trialEnd: it.trialEnd,
            cancelsAt: it.cancelsAt, endedAt: it.endedAt, interval: it.tellsTier ? it.interval : nil, asOf: asOf)
    }
    static func fact(_ it: Bill, asOf: Timestamp) -> InvoiceFact {
        var fact = InvoiceFact(
            invoice: it.id, subscription: it.subscription, customer: it.customer, isPaid: it.isPaid,
            hasFailed: it.failedAt != nil && it.isOpen, amount: it.amount, periodStart: it.periodStart, periodEnd: it.periodEnd,
            nextAttemptAt: it.nextTryAt, asOf: asOf, payment: it.id)
        if fact.hasFailed { fact.declineReason = it.reason }
        return fact
    }
    static func fact(_ it: Repayment, asOf: Timestamp) -> RefundFact {
        RefundFact(
            refund: it.id, payment: it.bill, customer: it.customer, subscription: it.subscription, amount: it.amount, reason: it.reason,
            asOf: asOf)
    }
    static func dispute(_ it: Repayment, asOf: Timestamp) -> DisputeFact {
        DisputeFact(
            dispute: it.id, payment: it.bill, customer: it.customer, subscription: it.subscription, amount: it.amount,
            status: "needs_response", reason: it.reason, asOf: asOf)
    }

    // MARK: - Time

    /// Everything that was due up to `now`, in the order of its time.
    mutating func turn(_ now: Timestamp) {
        while let due = nextTurn(), due <= now {
            for agreement in agreements where agreement.isLive {
                if let moment = turn(of: agreement), moment <= due { renew(agreement, now: now) }
                for bill in openBills(of: agreement.id) where bill.nextTryAt.map({ $0 <= due }) == true { tryAgain(bill, now: now) }
            }
        }
    }

    private mutating func renew(_ before: Agreement, now: Timestamp) {
        var agreement = before
        if agreement.status == .paused, agreement.cancelsAt == nil { return goOn(agreement, now: now) }
        if let end = agreement.cancelsAt, end <= agreement.periodEnd {
            return finish(agreement, at: end, now: now)
        }
        agreement.periodStart = agreement.periodEnd
        agreement.periodEnd = Calendars.adding(agreement.interval, to: agreement.periodStart)
        agreement.trialEnd = nil
        let bill = issue(agreement, now: now)
        agreement.status = bill.isPaid ? .active : .pastDue
        set(agreement, now: now)
        tell([.subscription(agreement), .bill(bill)], of: agreement.tenant, now: now)
    }

    private mutating func finish(_ before: Agreement, at end: Timestamp, now: Timestamp) {
        var agreement = before
        (agreement.status, agreement.endedAt) = (.cancelled, end)
        set(agreement, now: now)
        var told: [Told] = [.subscription(agreement)]
        for var bill in openBills(of: agreement.id) {
            (bill.isVoid, bill.nextTryAt) = (true, nil)
            set(bill, now: now)
            told.append(.bill(bill))
        }
        tell(told, of: agreement.tenant, now: now)
    }

    private mutating func tryAgain(_ before: Bill, now: Timestamp) {
        var bill = before
        collect(&bill, now: now)
        set(bill, now: now)
        guard var agreement = try? agreement(bill.subscription) else { return }
        if bill.isPaid { agreement.status = .active }
        set(agreement, now: now)
        tell([.bill(bill), .subscription(agreement)], of: bill.tenant, now: now)
        if !bill.isPaid, bill.nextTryAt == nil, manner.endsUnpaid { finish(agreement, at: now, now: now) }
    }

    // MARK: - What the customer does at the provider

    /// The card pays from now on, and what is open is paid: for its own period, or for one from now where that is over.
    mutating func payOpen(_ tenant: String, now: Timestamp) -> Bool {
        cards[tenant] = nil
        guard var agreement = live(of: tenant), agreement.status == .pastDue else { return false }
        var told: [Told] = []
        for before in openBills(of: agreement.id) {
            var bill = before
            if bill.periodEnd <= now {
                (bill.isVoid, bill.nextTryAt) = (true, nil)
                set(bill, now: now)
                told.append(.bill(bill))
                agreement.periodStart = now
                agreement.periodEnd = Calendars.adding(agreement.interval, to: now)
                bill = issue(agreement, now: now)
            } else {
                collect(&bill, now: now)
                set(bill, now: now)
            }
            told.append(.bill(bill))
        }
        agreement.status = .active
        set(agreement, now: now)
        tell([.subscription(agreement)] + told, of: tenant, now: now)
        return !told.isEmpty
    }

    mutating func giveBack(_ tenant: String, now: Timestamp) -> Bool {
        guard let bill = bills.last(where: { $0.tenant == tenant && $0.isPaid && $0.amount.amountMinor > $0.refunded }) else {
            return false
        }
        _ = repay(bill, bill.amount.amountMinor - bill.refunded, reason: "requested_by_customer", now: now)
        return true
    }
    mutating func repay(_ before: Bill, _ amount: Int64, reason: String, now: Timestamp) -> Repayment {
        var bill = before
        bill.refunded += amount
        set(bill, now: now)
        let made = Repayment(
            id: number("re"), bill: bill.id, subscription: bill.subscription, customer: bill.customer, tenant: bill.tenant,
            amount: Money(amountMinor: amount, currency: bill.amount.currency), reason: reason, at: now)
        repayments.append(made)
        note(bill.tenant, made.amount, "refunded", moved: -amount, now)
        tell([.repayment(made)], of: bill.tenant, now: now)
        return made
    }
    mutating func dispute(_ tenant: String, now: Timestamp) -> Bool {
        guard let bill = bills.last(where: { $0.tenant == tenant && $0.isPaid && $0.amount.amountMinor > 0 }) else { return false }
        let made = Repayment(
            id: number("du"), bill: bill.id, subscription: bill.subscription, customer: bill.customer, tenant: bill.tenant,
            amount: bill.amount, reason: "fraudulent", at: now)
        disputes.append(made)
        note(tenant, bill.amount, "disputed", moved: 0, now)
        tell([.dispute(made)], of: tenant, now: now)
        return true
    }

    // MARK: - What the platform asks

    /// What a change costs at a moment: the rest of the period back, the same rest or a whole new period anew. Nothing within a trial.
    static func cost(_ change: SubscriptionChange, of old: Agreement, at moment: Timestamp) throws -> [InvoiceLine] {
        guard old.isLive else { throw PaymentProviderError.refused(code: "ended", message: "This subscription has ended.") }
        guard change.proration != .none else { return [] }
        let length = max(1, (old.periodEnd - old.periodStart).wholeSeconds)
        let rest = min(max(0, (old.periodEnd - moment).wholeSeconds), length)
        func part(_ price: Money, _ quantity: Int) -> Int64 {
            guard (old.trialEnd ?? moment) <= moment else { return 0 }
            return length.dividingFullWidth((price.amountMinor * Int64(quantity)).multipliedFullWidth(by: rest)).quotient
        }
        let isSamePeriod = change.interval == old.interval
        let currency = old.unitPrice.currency
        let anew = isSamePeriod ? part(change.unitPrice, change.quantity) : change.unitPrice.amountMinor * Int64(change.quantity)
        return [
            InvoiceLine(
                summary: "Unused time of \(old.quantity) × \(old.tier)", quantity: old.quantity,
                amount: Money(amountMinor: -part(old.unitPrice, old.quantity), currency: currency), periodStart: moment,
                periodEnd: old.periodEnd, isProration: true),
            InvoiceLine(
                summary: "\(change.quantity) × \(change.tier)", quantity: change.quantity,
                amount: Money(amountMinor: anew, currency: currency), periodStart: moment,
                periodEnd: isSamePeriod ? old.periodEnd : Calendars.adding(change.interval, to: moment), isProration: isSamePeriod),
        ]
    }

    mutating func change(_ change: SubscriptionChange, now: Timestamp) throws {
        let old = try agreement(change.subscription)
        let lines = try Self.cost(change, of: old, at: min(change.prorationAt ?? now, now))
        var new = old
        (new.tier, new.providerPrice, new.unitPrice, new.quantity) = (
            change.tier, change.providerPrice, change.unitPrice, change.quantity
        )
        if change.interval != old.interval {
            (new.interval, new.periodStart, new.periodEnd) = (change.interval, now, Calendars.adding(change.interval, to: now))
        }
        set(new, now: now)
        var told: [Told] = [.subscription(new)]
        let owed = lines.reduce(0) { $0 + $1.amount.amountMinor }
        if change.proration == .invoiceNow, owed > 0 {
            var bill = Bill(
                id: number("in"), subscription: new.id, customer: new.customer, tenant: new.tenant,
                amount: Money(amountMinor: owed, currency: new.unitPrice.currency), periodStart: now, periodEnd: new.periodEnd,
                issuedAt: now, summary: "Change to \(new.quantity) × \(new.tier)", isProration: true, changedAt: now)
            guard cards[new.tenant] == nil else {
                set(old, now: now)
                throw PaymentProviderError.refused(code: "card_declined", message: "The card was declined.")
            }
            collect(&bill, now: now)
            add(bill)
            told.append(.bill(bill))
        }
        tell(told, of: new.tenant, now: now)
    }

    mutating func cancel(_ cancellation: SubscriptionCancellation, now: Timestamp) throws {
        var agreement = try agreement(cancellation.subscription)
        guard agreement.isLive else { return }
        switch cancellation.when {
        case .now: finish(agreement, at: now, now: now)
        case .periodEnd:
            agreement.cancelsAt = agreement.status == .pastDue ? max(now, agreement.periodEnd) : agreement.periodEnd
            set(agreement, now: now)
            tell([.subscription(agreement)], of: agreement.tenant, now: now)
        @unknown default: throw PaymentProviderError.notSupported(cancellation.capability)
        }
    }

    mutating func resume(_ id: String, now: Timestamp) throws {
        var agreement = try agreement(id)
        guard agreement.isLive else { throw PaymentProviderError.refused(code: "ended", message: "This subscription has ended.") }
        agreement.cancelsAt = nil
        if agreement.status == .paused { return goOn(agreement, now: now) }
        set(agreement, now: now)
        tell([.subscription(agreement)], of: agreement.tenant, now: now)
    }

    /// Nothing is collected until it is resumed.
    mutating func pause(_ pause: SubscriptionPause, now: Timestamp) throws {
        var agreement = try agreement(pause.subscription)
        guard agreement.status == .active || agreement.status == .paused else {
            throw PaymentProviderError.refused(code: "state", message: "Only what is paid can be paused.")
        }
        (agreement.status, agreement.resumesAt) = (.paused, pause.resumesAt)
        set(agreement, now: now)
        tell([.subscription(agreement)], of: agreement.tenant, now: now)
    }
    /// The end of a pause: in the period that was paid, or in a new one where that is over.
    private mutating func goOn(_ before: Agreement, now: Timestamp) {
        var agreement = before
        (agreement.status, agreement.resumesAt) = (.active, nil)
        var told: [Told] = []
        if agreement.periodEnd <= now {
            (agreement.periodStart, agreement.periodEnd) = (now, Calendars.adding(agreement.interval, to: now))
            let bill = issue(agreement, now: now)
            if !bill.isPaid { agreement.status = .pastDue }
            told.append(.bill(bill))
        }
        set(agreement, now: now)
        tell([.subscription(agreement)] + told, of: agreement.tenant, now: now)
    }
}
