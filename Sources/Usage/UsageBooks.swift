import Catalog
import Store
import Vocabulary

/// A tenant's periods within one transaction.
struct UsageBooks {
    struct Line: Hashable {
        let period: UsagePeriod
        let used: Int64
        let warnedAt: Int64?
        let exhaustedAt: Int64?
        init(_ row: Row) throws {
            period = UsagePeriod(start: try row.time(0), end: try row.time(1))
            used = try row.integer(2)
            warnedAt = try row.optional(3, row.integer)
            exhaustedAt = try row.optional(4, row.integer)
        }
    }

    let db: any TenantScope

    /// What quotas reset by: the end of the period of the newest subscription that entitles, else the calendar.
    func anchor() throws -> (at: Timestamp, subscription: SubscriptionID?) {
        for row in try db.rows(UsageTable.plans) where ["active", "grace"].contains(try row.text(1)) {
            return (try row.time(2), try row.id(0))
        }
        return (Timestamp(seconds: 0), nil)
    }

    /// What is written of the period that holds `moment`; nil where nothing was used in it.
    func line(_ meter: String, at moment: Timestamp) throws -> Line? {
        guard let line = try db.row(UsageTable.periodBefore, meter, moment).map(Line.init), moment < line.period.end else { return nil }
        return line
    }

    /// The period that holds `moment`, written or not. Two never overlap: what another has is not in this one.
    func period(_ meter: String, _ length: Quota.Period, at moment: Timestamp) throws -> UsagePeriod {
        if let line = try line(meter, at: moment) { return line.period }
        let before = try db.row(UsageTable.periodBefore, meter, moment).map { try Line($0).period.end }
        let after = try db.row(UsageTable.periodAfter, meter, moment).map { try $0.time(0) }
        return UsagePeriod.holding(moment, length, anchor: try anchor().at).clipped(after: before, before: after)
    }

    /// The period's row, held for the rest of the transaction.
    func hold(_ meter: String, _ period: UsagePeriod) throws -> Line {
        if try db.row(UsageTable.hold, meter, period.start) == nil {
            try db.run(UsageTable.insertPeriod, db.tenant, meter, period.start, period.end)
        }
        guard let line = try line(meter, at: period.start) else { throw StoreFault.corrupt("usage_period") }
        return line
    }

    /// A newer word of a subscription. A tenant that begins with another one, or loses its last, starts its periods anew.
    func learn(_ event: StandingChanged, _ act: Act) throws {
        let known = try db.row(UsageTable.plan, event.subscription).map { try $0.integer(0) }
        if let known, known >= event.version { return }
        let before = try anchor().subscription
        if known == nil {
            try db.run(
                UsageTable.insertPlan, db.tenant, event.subscription, event.version, event.standing.rawValue, event.periodEnd)
        } else {
            try db.run(UsageTable.writePlan, event.subscription, event.version, event.standing.rawValue, event.periodEnd)
        }
        let after = try anchor().subscription
        // A suspension is no new beginning: who pays after all goes on where it stopped.
        guard let after, after != before, known == nil || before != nil else { return }
        let open = try db.rows(UsageTable.open, act.now)
        try db.run(UsageTable.cut, act.now)
        for row in open {
            try db.journal(
                JournalEntry(
                    "usage_period.ended", subject: "tenant:\(db.tenant)",
                    details: ["meter": .string(try row.text(0)), "subscription": .string(after.description)]), act)
        }
    }
}
