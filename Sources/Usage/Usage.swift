import Catalog
import HookEngine
import Store
import Vocabulary

package enum UsageRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "usage", bundle: .module) }
}

/// What tenants use of their quotas: every use counted once, whatever is repeated, late or lost on the way.
package struct Usage: Sendable {
    let store: any Store
    let hooks: any Hooks
    let terms: any UsageTerms
    let settings: Settings

    package init(store: any Store, hooks: any Hooks, terms: any UsageTerms, settings: Settings) {
        self.store = store
        self.hooks = hooks
        self.terms = terms
        self.settings = settings
    }

    private static let learning = KernelReason("usage.learn_standing")
    var window: Duration { .hours(Int64(settings[UsageSettings.closingHours])) }

    package func subscribers() -> [EventSubscriber] {
        [
            EventSubscriber(StandingChanged.self, subscriber: "usage") { event, delivery, act in
                try await store.kernel(Self.learning) { db in
                    try db.within(event.tenant) { try UsageBooks(db: $0).learn(event, act) }
                    try db.settle(delivery)
                }
            }
        ]
    }

    // MARK: - Reporting

    /// One question to `on_usage`, and what came of it.
    private struct Ruling {
        /// Nil: without limit.
        var cap: Int64?
        var denial: String?
        var decision: DecisionID
    }
    private struct Group: Hashable {
        let meter: String
        let period: UsagePeriod
    }

    /// Takes a batch, each record by itself: what is refused keeps nothing else back. Answers in the order of the batch.
    package func report(_ records: [UsageRecord], tenant: TenantID, _ act: Act) async throws -> [UsageOutcome] {
        guard (1...UsageRecord.mostInBatch).contains(records.count) else {
            throw CommonProblems.invalid("records", "must be 1 … \(UsageRecord.mostInBatch)")
        }
        let tier = try await terms.tier(of: tenant, now: act.now)
        let quotas = tier?.quotas ?? [:]
        let rulings = try await rulings(records, quotas, tier?.id.name ?? "", tenant, act)
        return try await store.tenant(tenant, .flushed) { db in
            let books = UsageBooks(db: db)
            var outcomes: [UsageOutcome] = []
            for record in records {
                outcomes.append(try take(record, quotas, rulings, books, act))
            }
            try tellOwners(Set(rulings.keys), quotas, books, act)
            return outcomes
        }
    }

    /// Asks once for each meter and period of the batch, outside the transaction; what it answers is applied to what is read again inside.
    private func rulings(
        _ records: [UsageRecord], _ quotas: [String: Quota], _ tier: String, _ tenant: TenantID, _ act: Act
    ) async throws -> [Group: Ruling] {
        let asked = try await store.tenantRead(tenant) { db -> [Group: (units: Int64, used: Int64)] in
            let books = UsageBooks(db: db)
            var asked: [Group: (units: Int64, used: Int64)] = [:]
            var seen: Set<String> = []
            for record in records where seen.insert(record.key).inserted {
                guard let quota = quotas[record.meter], try db.row(UsageTable.record, record.key) == nil else { continue }
                guard record.occurredAt <= act.now + UsageRecord.clockSlack else { continue }
                let group = Group(meter: record.meter, period: try books.period(record.meter, quota.period, at: record.occurredAt))
                guard group.period.state(at: act.now, window: window) != .closed else { continue }
                let used = try books.line(record.meter, at: record.occurredAt)?.used ?? 0
                asked[group] = ((asked[group]?.units ?? 0) + record.quantity, used)
            }
            return asked
        }
        var rulings: [Group: Ruling] = [:]
        for (group, question) in asked.sorted(by: { ($0.key.meter, $0.key.period.start) < ($1.key.meter, $1.key.period.start) }) {
            guard let quota = quotas[group.meter] else { continue }
            let input = OnUsage.Input(
                tenant: tenant, tier: tier, meter: group.meter, quantity: question.units, used: question.used, limit: quota.limit,
                softLimit: soft(quota))
            let subject = HookSubject(tenant: tenant, tier: tier.isEmpty ? nil : tier, requestID: act.requestID, now: act.now)
            let verdict = try await hooks.decide(OnUsage.self, input, subject)
            var ruling = Ruling(
                cap: quota.limit.map { $0.addingReportingOverflow(max(0, verdict.terms.overageUnits ?? 0)) }.map {
                    $0.overflow ? Int64.max : $0.partialValue
                }, decision: verdict.decision)
            if case .deny(let reason, _) = verdict.outcome { ruling.denial = reason }
            rulings[group] = ruling
        }
        return rulings
    }

    private func take(
        _ record: UsageRecord, _ quotas: [String: Quota], _ rulings: [Group: Ruling], _ books: UsageBooks, _ act: Act
    ) throws -> UsageOutcome {
        if let known = try books.db.row(UsageTable.record, record.key) {
            let isSame =
                try known.text(0) == record.meter && known.integer(1) == record.quantity
                && (!record.isDated || known.time(2) == record.occurredAt)
            return isSame ? UsageOutcome(record.key, .duplicate) : UsageOutcome(record.key, .refused, .keyReused)
        }
        guard let quota = quotas[record.meter] else { return UsageOutcome(record.key, .refused, .meterUnknown) }
        guard record.occurredAt <= act.now + UsageRecord.clockSlack else { return UsageOutcome(record.key, .refused, .inTheFuture) }
        let period = try books.period(record.meter, quota.period, at: record.occurredAt)
        guard period.state(at: act.now, window: window) != .closed else { return UsageOutcome(record.key, .refused, .periodClosed) }
        // A period that was cut since the question was asked: by the limit alone.
        let ruling = rulings[Group(meter: record.meter, period: period)]
        if let denial = ruling?.denial { return UsageOutcome(record.key, .refused, .policyDenied, reason: denial) }
        let line = try books.hold(record.meter, period)
        let (sum, overflow) = line.used.addingReportingOverflow(record.quantity)
        if overflow || (ruling.map(\.cap) ?? quota.limit).map({ sum > $0 }) ?? false {
            return UsageOutcome(record.key, .refused, .quotaExceeded)
        }
        try books.db.run(
            UsageTable.insertRecord, books.db.tenant, record.key, record.meter, period.start, record.quantity, record.occurredAt, act.now)
        try books.db.run(UsageTable.count, record.meter, period.start, record.quantity)
        return UsageOutcome(record.key, .accepted)
    }

    // MARK: - Telling

    func soft(_ quota: Quota) -> Int64? {
        if let soft = quota.softLimit { return soft }
        return quota.limit.map { limit in
            let parts = limit.quotientAndRemainder(dividingBy: 100)
            let percent = Int64(settings[UsageSettings.warningPercent])
            return parts.quotient * percent + parts.remainder * percent / 100
        }
    }

    /// Owners hear once for each period and limit that a quota is nearly used up, and once that it is.
    private func tellOwners(_ groups: Set<Group>, _ quotas: [String: Quota], _ books: UsageBooks, _ act: Act) throws {
        for group in groups.sorted(by: { ($0.meter, $0.period.start) < ($1.meter, $1.period.start) }) {
            guard let quota = quotas[group.meter], let limit = quota.limit, limit > 0, act.now < group.period.end,
                let line = try books.line(group.meter, at: group.period.start)
            else { continue }
            let isOut = line.used >= limit && line.exhaustedAt != limit
            let isNear = !isOut && line.used < limit && line.used >= soft(quota) ?? limit && line.warnedAt != limit
            guard isOut || isNear else { continue }
            try books.db.run(
                UsageTable.tell, group.meter, line.period.start, isNear ? limit : line.warnedAt, isOut ? limit : line.exhaustedAt)
            let template = isOut ? "usage_exhausted" : "usage_warning"
            let values = [
                "meter": group.meter.replacing("_", with: " "), "used": String(line.used), "limit": String(limit),
                "resets_at": line.period.end.iso8601,
            ]
            let key = "usage:\(template):\(books.db.tenant):\(group.meter):\(line.period.start.microseconds):\(limit)"
            try books.db.emit(
                MailRequested(recipient: .owners(books.db.tenant), template: template, values: values, key: key), act)
            try books.db.journal(
                JournalEntry(
                    isOut ? "usage.exhausted" : "usage.warned", subject: "tenant:\(books.db.tenant)",
                    details: ["meter": .string(group.meter), "used": .int(line.used), "limit": .int(limit)]), act)
        }
    }

    // MARK: - Reading

    /// Every quota of the tenant's tier in the period of now, by name.
    package func readings(of tenant: TenantID, now: Timestamp) async throws -> [MeterReading] {
        let quotas = try await terms.tier(of: tenant, now: now)?.quotas ?? [:]
        return try await store.tenantRead(tenant) { db in
            let books = UsageBooks(db: db)
            return try quotas.sorted { $0.key < $1.key }.map { meter, quota in
                MeterReading(
                    meter: meter, period: try books.period(meter, quota.period, at: now), used: try books.line(meter, at: now)?.used ?? 0,
                    limit: quota.limit, softLimit: soft(quota), state: .open)
            }
        }
    }

    /// The newest periods of a meter in which anything was used. Limits are those of today.
    package func history(of meter: String, _ tenant: TenantID, now: Timestamp, limit: Int = 100) async throws -> [MeterReading] {
        let quota = try await terms.tier(of: tenant, now: now)?.quotas[meter]
        return try await store.tenantRead(tenant) { db in
            try db.rows(UsageTable.periods, meter, limit).map(UsageBooks.Line.init).map { line in
                MeterReading(
                    meter: meter, period: line.period, used: line.used, limit: quota?.limit, softLimit: quota.flatMap(soft),
                    state: line.period.state(at: now, window: window))
            }
        }
    }
}
