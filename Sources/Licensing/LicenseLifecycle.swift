import Vocabulary

/// What a licence is worth at one moment. Derived when read, never stored: time alone moves it on.
package enum LicenseStatus: String, Sendable, Hashable, CaseIterable, Codable {
    case active
    /// A payment failed; everything works until the grace ends.
    case grace
    case suspended
    case expired
    case revoked

    /// Whether the product may be used.
    package var isUsable: Bool { self == .active || self == .grace }
}

/// What a licence's status follows from.
package struct LicenseTerms: Sendable, Hashable {
    package var standing: StandingChanged.Standing
    /// End of what is paid for; nil: without end.
    package var periodEnd: Timestamp?
    package var graceUntil: Timestamp?
    /// Ends then, whatever is paid for.
    package var cancelsAt: Timestamp?
    package var revokedAt: Timestamp?
    /// Since when staff keeps it from being used, whatever billing says.
    package var heldAt: Timestamp?

    package init(
        standing: StandingChanged.Standing, periodEnd: Timestamp?, graceUntil: Timestamp? = nil, cancelsAt: Timestamp? = nil,
        revokedAt: Timestamp? = nil, heldAt: Timestamp? = nil
    ) {
        self.heldAt = heldAt
        self.standing = standing
        self.periodEnd = periodEnd
        self.graceUntil = graceUntil
        self.cancelsAt = cancelsAt
        self.revokedAt = revokedAt
    }

    /// The end that every answer, file and check shows: the end of the period, and in grace the end of the grace.
    package var effectiveEnd: Timestamp? {
        switch standing {
        case .grace: [periodEnd, graceUntil].compactMap(\.self).max()
        case .active, .suspended, .cancelled: [periodEnd, cancelsAt].compactMap(\.self).min()
        }
    }

    /// How long a subscription that renews is believed at its period's end, until billing has said whether it was paid: within
    /// seconds it says so, or calls it grace. Nobody loses a seat in between.
    package static let renewalLeeway: Duration = .hours(1)

    /// The effective end as it holds at `now`: an hour later while news of a renewal is awaited.
    package func effectiveEnd(at now: Timestamp) -> Timestamp? {
        guard let end = effectiveEnd, isRenewing, now >= end else { return effectiveEnd }
        return end + Self.renewalLeeway
    }
    private var isRenewing: Bool { standing == .active && cancelsAt == nil && revokedAt == nil }

    package func status(at now: Timestamp) -> LicenseStatus {
        let status = unheldStatus(at: now)
        return heldAt != nil && status.isUsable ? .suspended : status
    }
    private func unheldStatus(at now: Timestamp) -> LicenseStatus {
        if revokedAt != nil { return .revoked }
        let isOver = effectiveEnd.map { now >= $0 } ?? false
        switch standing {
        case .suspended: return .suspended
        // Grace that ran out is suspension, whether or not anybody has said so yet.
        case .grace: return isOver ? .suspended : .grace
        case .active where isOver && isRenewing: return effectiveEnd(at: now).map { now >= $0 } == true ? .expired : .grace
        case .active, .cancelled: return isOver ? .expired : .active
        }
    }
}

extension LicenseStatus: LifecycleState {}

/// The lifecycle as declared: each transition names where it may start and where it ends.
package struct LicenseTransition: Sendable, Hashable {
    package let verb: String
    /// Empty: the licence comes to be.
    package let from: Set<LicenseStatus>
    package let to: Set<LicenseStatus>
    /// What the journal says: `license.suspended`.
    package let action: String
    /// The mail that goes out, if any.
    package let mail: String?

    package let by: [Mover]
    package let why: String

    static let issue = Self(
        "issue", from: [], to: Set(LicenseStatus.allCases), action: "license.issued", mail: "license_issued", by: [.kernel],
        why: "a first payment or a trial stands, or an address was proved")
    static let enterGrace = Self(
        "enter grace", from: [.active, .expired], to: [.grace], action: "license.grace_started", by: [.provider, .time],
        why: "a payment failed, or news of a renewal is missing")
    // The mails of a missed payment and of its end are billing's.
    static let suspend = Self(
        "suspend", from: [.active, .grace, .expired], to: [.suspended], action: "license.suspended", by: [.time, .policy, .staff],
        why: "the grace is over, a plan suspends, or staff does, with a reason")
    static let reinstate = Self(
        "reinstate", from: [.suspended], to: [.active, .grace], action: "license.reinstated", by: [.provider, .policy, .staff],
        why: "paid after all, a plan restores access, or staff lets go of it")
    static let renew = Self(
        "renew", from: [.active, .grace, .expired], to: [.active], action: "license.renewed", by: [.provider],
        why: "the next period is paid")
    static let expire = Self(
        "expire", from: [.active, .grace, .suspended], to: [.expired], action: "license.expired", by: [.time, .provider],
        why: "its end came, and it does not renew")
    static let revoke = Self(
        "revoke", from: [.active, .grace, .suspended, .expired], to: [.revoked], action: "license.revoked", mail: "license_revoked",
        by: [.staff], why: "a person ends it, with a reason, for ever")
    package static let all = [issue, enterGrace, suspend, reinstate, renew, expire, revoke]

    /// The same, as every life is declared. A renewal of what is active changes no state.
    package static let lifecycle = Lifecycle<LicenseStatus>(
        "Licence", "What a licence is worth, derived when it is read.", initial: LicenseStatus.allCases.filter { $0 != .revoked },
        all.filter { !$0.from.isEmpty }.flatMap { one in
            LicenseStatus.allCases.filter(one.to.contains).map { to in
                Transition(
                    one.verb, String(one.action.dropFirst("license.".count)),
                    from: LicenseStatus.allCases.filter { $0 != to && one.from.contains($0) }, to: to, by: one.by, why: one.why)
            }
        })

    /// As others hear of it; nil for what has an event of its own.
    package var step: LicenseChanged.Step? {
        switch self {
        case .enterGrace: .graceStarted
        case .suspend: .suspended
        case .reinstate: .reinstated
        case .renew: .renewed
        case .expire: .expired
        default: nil
        }
    }

    private init(
        _ verb: String, from: Set<LicenseStatus>, to: Set<LicenseStatus>, action: String, mail: String? = nil, by: [Mover], why: String
    ) {
        self.by = by
        self.why = why
        self.verb = verb
        self.from = from
        self.to = to
        self.action = action
        self.mail = mail
    }

    /// What was done to the licence; nil where its standing stayed and its end did not move on. What time alone did meanwhile
    /// does not count: a grace that ran out is suspended once, when that is said.
    package static func between(_ before: LicenseTerms?, _ after: LicenseTerms, now: Timestamp) -> LicenseTransition? {
        guard let before else { return issue }
        let (old, new) = (before.declared(at: now), after.declared(at: now))
        switch (old, new) {
        case (.revoked, _): return nil
        case (.active, .active): return after.isLater(than: before) ? renew : nil
        default: return old == new ? nil : all.first { !$0.from.isEmpty && $0.from.contains(old) && $0.to.contains(new) }
        }
    }
}

extension LicenseTerms {
    /// The status as last declared; only a cancellation takes effect by itself.
    fileprivate func declared(at now: Timestamp) -> LicenseStatus {
        let status = declaredUnheld(at: now)
        return heldAt != nil && status.isUsable ? .suspended : status
    }
    private func declaredUnheld(at now: Timestamp) -> LicenseStatus {
        if revokedAt != nil { return .revoked }
        switch standing {
        case .active: return .active
        case .grace: return .grace
        case .suspended: return .suspended
        case .cancelled: return status(at: now)
        }
    }
    fileprivate func isLater(than other: LicenseTerms) -> Bool {
        guard let end = other.effectiveEnd else { return false }
        return effectiveEnd.map { $0 > end } ?? true
    }
}

/// What is known of one subscription's standing: the newest snapshot, and whether any was ever worth a licence.
/// Merging is commutative and idempotent, so that no order and no repeat of the snapshots ends elsewhere.
package struct StandingRecord: Sendable, Hashable {
    package var latest: StandingChanged.Snapshot
    package var wasEntitled: Bool

    package init(_ snapshot: StandingChanged.Snapshot) {
        latest = snapshot
        wasEntitled = snapshot.standing.entitles
    }
    package init(latest: StandingChanged.Snapshot, wasEntitled: Bool) {
        self.latest = latest
        self.wasEntitled = wasEntitled
    }
    package func merged(_ snapshot: StandingChanged.Snapshot) -> StandingRecord {
        StandingRecord(
            latest: snapshot.version > latest.version ? snapshot : latest, wasEntitled: wasEntitled || snapshot.standing.entitles)
    }
}

extension StandingChanged {
    /// What of the event matters to a licence.
    package struct Snapshot: Sendable, Hashable, Codable {
        package var version: Int64
        package var standing: Standing
        package var tier: String
        package var quantity: Int
        package var periodEnd: Timestamp
        package var graceUntil: Timestamp?
        package var cancelsAt: Timestamp?

        package var terms: LicenseTerms {
            LicenseTerms(standing: standing, periodEnd: periodEnd, graceUntil: graceUntil, cancelsAt: cancelsAt)
        }
    }
    package var snapshot: Snapshot {
        Snapshot(
            version: version, standing: standing, tier: tier, quantity: quantity, periodEnd: periodEnd,
            graceUntil: graceUntil ?? (standing == .grace ? periodEnd : nil), cancelsAt: cancelsAt)
    }
}

extension StandingChanged.Standing {
    /// Worth a licence: it was paid for, or tried, at least once.
    fileprivate var entitles: Bool { self == .active || self == .grace }
}
