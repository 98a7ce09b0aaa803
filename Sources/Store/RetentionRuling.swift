import Vocabulary

/// What is known of one record when it is asked how long it stays.
package struct RetentionFacts: Sendable {
    package enum TenantEnd: Sendable, Hashable {
        case stays
        /// It leaves, and goes then.
        case at(Timestamp)
        case purged
    }
    /// Of each duty in its order; nil: it has not begun.
    package var clocks: [Timestamp?]
    package var tenantEnd: TenantEnd
    /// What the tenant's records are kept for beyond the usual.
    package var keeps: [TenantKeep]
    /// When the job comes next, as it stands in the store.
    package var nextRun: Timestamp?
    package init(clocks: [Timestamp?], tenantEnd: TenantEnd = .stays, keeps: [TenantKeep] = [], nextRun: Timestamp? = nil) {
        self.clocks = clocks
        self.tenantEnd = tenantEnd
        self.keeps = keeps
        self.nextRun = nextRun
    }
}

/// Until when a record stays, and why.
package struct RetentionVerdict: Sendable, Hashable {
    package enum Until: Sendable, Hashable {
        case at(Timestamp)
        /// No moment is known yet, and what will end it.
        case open(String)
    }
    package struct Reason: Sendable, Hashable {
        package let ground: String
        package let why: String
        package let from: String
        package let begins: Timestamp?
        package let until: Until
    }
    /// The legal hold first, then the tenant's own duties, then those of the kind.
    package let reasons: [Reason]
    /// Its place among them.
    package let longest: Int
    /// When the job takes it, as far as can be told now.
    package let takenAt: Timestamp?
    package var until: Until { reasons[longest].until }
    package var isHeld: Bool { reasons[longest].ground == RetentionVerdict.hold }
    package static let hold = "legal_hold"
    package static let own = "tenant_duty"
}

extension RetentionKind {
    /// The longest duty wins, and a hold over all.
    package func judge(_ facts: RetentionFacts, _ settings: Settings) -> RetentionVerdict {
        var reasons: [RetentionVerdict.Reason] = []
        for keep in facts.keeps where keep.isHold && isBoundByHolds {
            reasons.append(
                RetentionVerdict.Reason(
                    ground: RetentionVerdict.hold, why: keep.why, from: "when the hold was placed", begins: keep.since,
                    until: .open("until the legal hold is lifted")))
        }
        for keep in facts.keeps where keep.kind == name && canBeLengthened {
            guard let days = keep.days, let place = duties.firstIndex(where: { $0.clock != nil }) else { continue }
            let begins = facts.clocks[place]
            reasons.append(
                RetentionVerdict.Reason(
                    ground: RetentionVerdict.own, why: keep.why, from: duties[place].from, begins: begins,
                    until: begins.map { .at($0 + .days(Int64(days))) } ?? .open("once its time has begun")))
        }
        for (duty, clock) in zip(duties, facts.clocks) { reasons.append(reason(duty, clock, facts, settings)) }
        let longest = reasons.indices.max { Self.isShorter(reasons[$0], reasons[$1]) } ?? 0
        return RetentionVerdict(reasons: reasons, longest: longest, takenAt: taken(reasons[longest].until, facts.nextRun))
    }

    private func reason(
        _ duty: RetentionDuty, _ clock: Timestamp?, _ facts: RetentionFacts, _ settings: Settings
    ) -> RetentionVerdict.Reason {
        let until: RetentionVerdict.Until
        switch (duty.length.lifetime, facts.tenantEnd) {
        case (.tenant?, .at(let moment)): until = .at(moment)
        case (.tenant?, .purged): until = .at(Timestamp(microseconds: 0))
        case (let lifetime?, _): until = .open(lifetime.rawValue)
        case (nil, _):
            until = clock.map { .at($0 + duty.length.span(settings)) } ?? .open("its time has not begun: \(duty.from)")
        }
        return RetentionVerdict.Reason(
            ground: duty.ground.rawValue, why: duty.why, from: duty.from, begins: duty.length.lifetime == nil ? clock : nil, until: until)
    }

    /// Of two without an end the first is named: a hold stands before everything.
    private static func isShorter(_ one: RetentionVerdict.Reason, _ other: RetentionVerdict.Reason) -> Bool {
        switch (one.until, other.until) {
        case (.at(let one), .at(let other)): one < other
        case (.at, .open): true
        case (.open, _): other.ground == RetentionVerdict.hold && one.ground != RetentionVerdict.hold
        }
    }

    private func taken(_ until: RetentionVerdict.Until, _ nextRun: Timestamp?) -> Timestamp? {
        guard case .at(let moment) = until, let job else { return nil }
        guard let every = job.every, let nextRun else { return moment }
        guard nextRun < moment else { return nextRun }
        let period = every.wholeSeconds * 1_000_000
        let rounds = (moment.microseconds - nextRun.microseconds + period - 1) / period
        return Timestamp(microseconds: nextRun.microseconds + rounds * period)
    }
}
