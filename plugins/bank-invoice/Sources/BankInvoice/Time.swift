import PluginKit

/// What time alone does in an account.
extension Account {
    /// Does what is due. Done again at the same moment it does nothing more.
    mutating func tick(pace: Pace, taxation: Taxation, now: Timestamp) {
        guard hasRoom else { return }
        for place in sessions.indices where sessions[place].status == .open && sessions[place].expiresAt <= now && hasRoom {
            sessions[place].status = .expired
            sessions[place].hasFailed = true
            tell([.checkout(sessions[place])], now: now)
        }
        for id in subscriptions.map(\.id) where hasRoom {
            guard let place = subscriptions.firstIndex(where: { $0.id == id }), subscriptions[place].status != .cancelled else { continue }
            if let end = subscriptions[place].cancelsAt, end <= now {
                self.end(id, at: end, now: now)
            } else {
                renew(place, pace: pace, taxation: taxation, now: now)
            }
        }
        for number in bills.map(\.number) where hasRoom { remind(number, pace: pace, now: now) }
    }

    /// Invoices the next period, once.
    private mutating func renew(_ place: Int, pace: Pace, taxation: Taxation, now: Timestamp) {
        guard let due = renewal(subscriptions[place], pace), due <= now, let end = subscriptions[place].periodEnd, let buyer else { return }
        // Where the settings no longer serve this buyer, what was agreed goes on.
        if let vat = try? taxation.treatment(tier: subscriptions[place].tier, buyer: buyer) { subscriptions[place].vat = vat }
        let it = subscriptions[place]
        let day = max(Day(now).adding(days: pace.paymentDays), Day(end))
        try? draft(it, issued: Day(now), due: day, period: (end, end.adding(it.interval, anchor: it.anchor)))
    }

    /// When the next period is to be invoiced; nil where that is done, or not to be done.
    private func renewal(_ it: Subscription, _ pace: Pace) -> Timestamp? {
        guard it.status == .active || it.status == .trialing || it.status == .pastDue, it.cancelsAt == nil, let end = it.periodEnd,
            !drafts.contains(where: { $0.subscription == it.id && $0.kind == .invoice }),
            !bills.contains(where: { $0.subscription == it.id && !$0.isCancelled && ($0.periodStart == end || !$0.isPaid) })
        else { return nil }
        return pace.renewal(end)
    }

    private mutating func remind(_ number: DocumentNumber, pace: Pace, now: Timestamp) {
        guard let place = bills.firstIndex(where: { $0.number == number }), !bills[place].isPaid, !bills[place].isCancelled else { return }
        guard let since = bills[place].overdueSince else {
            guard pace.overdue(bills[place]) <= now else { return }
            bills[place].overdueSince = now
            tell(fallBehind(bills[place]) + [.invoice(bills[place])], now: now)
            return
        }
        guard let moment = givenUp(bills[place], since: since, pace), moment <= now else { return }
        end(bills[place].subscription, at: now, now: now)
        if bills[place].claim == 1 { cancel(number, now: now) }
    }

    /// When an overdue invoice ends its subscription and is taken back; nil where nothing of that is left to do. A claim that came back by
    /// a reversal stays open until somebody pays or credits it: what it paid for was used.
    private func givenUp(_ bill: Bill, since: Timestamp, _ pace: Pace) -> Timestamp? {
        let isAlive = subscription(of: bill).map { $0.status != .cancelled } ?? false
        let canBeTakenBack = bill.claim == 1 && bill.credits.isEmpty && !drafts.contains { $0.corrects?.number == bill.number }
        return isAlive || canBeTakenBack ? pace.givenUp(since: since) : nil
    }

    /// The subscription is over; what nobody paid for it is taken back.
    mutating func end(_ id: String, at moment: Timestamp, now: Timestamp) {
        guard let place = subscriptions.firstIndex(where: { $0.id == id }), subscriptions[place].status != .cancelled else { return }
        subscriptions[place].status = .cancelled
        subscriptions[place].endedAt = moment
        var told: [Told] = [.subscription(subscriptions[place])]
        if let session = sessions.firstIndex(where: { $0.id == subscriptions[place].session }), !sessions[session].isPaid {
            sessions[session].hasFailed = true
            told.append(.checkout(sessions[session]))
        }
        tell(told, now: now)
        for bill in bills where bill.subscription == id && !bill.isPaid && bill.claim == 1 { cancel(bill.number, now: now) }
    }

    /// When anything is next to be done; nil when time changes nothing. A full queue of webhooks comes first.
    func nextDue(_ pace: Pace) -> Timestamp? {
        let deliveries = pending.map(\.due)
        guard hasRoom else { return deliveries.min() }
        var moments = deliveries
        if let draft = drafts.first { moments.append(draft.issued.start) }
        moments += sessions.filter { $0.status == .open }.map(\.expiresAt)
        for it in subscriptions where it.status != .cancelled {
            if let end = it.cancelsAt { moments.append(end) } else if let renewal = renewal(it, pace) { moments.append(renewal) }
        }
        for bill in bills where !bill.isPaid && !bill.isCancelled {
            if let since = bill.overdueSince {
                if let moment = givenUp(bill, since: since, pace) { moments.append(moment) }
            } else {
                moments.append(pace.overdue(bill))
            }
        }
        return moments.min()
    }
}
