import Vocabulary

/// One kind of record: whose it is, how long it stays and why, and what ends it. A room declares its kinds beside its tables; the reference,
/// the API and the tests are made of them.
package struct RetentionKind: Sendable {
    package enum Owner: String, Sendable, CaseIterable { case tenant, person, platform }
    /// What is left when the time is over.
    package enum End: String, Sendable, CaseIterable {
        case deleted
        /// Taken from the front of a chain, under a signed statement that says so.
        case cut
        /// The row stays without what told of anybody.
        case anonymised
        /// The next of its kind takes its place, or it goes with the work that it is for.
        case overwritten
        /// It has no end.
        case kept
    }

    package let name: String
    package let summary: String
    package let owner: Owner
    package let tables: [String]
    /// Each would be reason enough to keep it; the longest wins.
    package let duties: [RetentionDuty]
    package let end: End
    /// Nil: what ends its owner ends it.
    package let job: RetentionJob?
    /// How one record is found; nil: it has no name of its own.
    package let probe: RetentionProbe?
    /// Why a legal hold on the tenant does not bind it.
    package var spared: String?
    /// Whether a duty of one tenant can lengthen it.
    package var canBeLengthened = false

    package init(
        _ name: String, _ summary: String, _ owner: Owner, tables: [String], _ duties: [RetentionDuty], end: End,
        job: RetentionJob? = nil, probe: RetentionProbe? = nil, spared: String? = nil, canBeLengthened: Bool = false
    ) {
        self.name = name
        self.summary = summary
        self.owner = owner
        self.tables = tables
        self.duties = duties
        self.end = end
        self.job = job
        self.probe = probe
        self.spared = spared
        self.canBeLengthened = canBeLengthened
    }
    package var isBoundByHolds: Bool { owner == .tenant && spared == nil }
}

/// One reason to keep a record, from when and for how long.
package struct RetentionDuty: Sendable {
    package enum Ground: String, Sendable, CaseIterable { case purpose, contract, law, security, proof }
    package let ground: Ground
    package let why: String
    /// What begins its time, for people.
    package let from: String
    /// The same as an expression over the probe's table; it has not begun while that is NULL.
    package let clock: String?
    package let length: RetentionLength

    package init(_ ground: Ground, _ why: String, from: String, clock: String? = nil, _ length: RetentionLength) {
        self.ground = ground
        self.why = why
        self.from = from
        self.clock = clock
        self.length = length
    }
    /// As long as there is the owner, or the work.
    package static func lasting(_ lifetime: RetentionLength.Lifetime, _ why: String, _ ground: Ground = .contract) -> Self {
        Self(ground, why, from: "when it is written", .lifetime(lifetime))
    }
}

package struct RetentionLength: Sendable {
    package enum Lifetime: String, Sendable, CaseIterable {
        case tenant = "until the tenant is purged"
        case person = "until the person is erased"
        case work = "until what it is for is done"
        case platform = "without end"
    }
    /// Nil: a time.
    package let lifetime: Lifetime?
    /// The settings that say it; none: it is fixed.
    package let settings: [String]
    private let reading: @Sendable (Settings) -> Duration

    private init(_ settings: [String], _ lifetime: Lifetime? = nil, _ reading: @escaping @Sendable (Settings) -> Duration) {
        self.settings = settings
        self.lifetime = lifetime
        self.reading = reading
    }
    package func span(_ settings: Settings) -> Duration { reading(settings) }

    package static func lifetime(_ lifetime: Lifetime) -> Self { Self([], lifetime) { _ in .zero } }
    package static func fixed(_ span: Duration) -> Self { Self([]) { _ in span } }
    /// Until the very moment that the record names.
    package static let moment = Self.fixed(.zero)
    package static func days(_ setting: Setting<Int>) -> Self { Self([setting.path]) { .days(Int64($0[setting])) } }
    package static func longest(ofSeconds settings: [Setting<Int>]) -> Self {
        Self(settings.map(\.path)) { values in .seconds(Int64(settings.map { values[$0] }.max() ?? 0)) }
    }
}

/// What takes the record when its time is over.
package struct RetentionJob: Sendable, Hashable {
    /// A job of the store's, or what else does it.
    package let name: String
    /// Between two looks; nil: it comes when the record's time is over.
    package let every: Duration?
    /// Whether it is one of the store's jobs.
    package let isJob: Bool
    package init(_ name: String, every: Duration? = nil, isJob: Bool = true) {
        self.name = name
        self.every = every
        self.isJob = isJob
    }
}

/// Finds one record by what names it.
package struct RetentionProbe: Sendable {
    package enum Form: Sendable { case id, text, number, digest }
    package enum Place: Sendable {
        /// The tenant stands first in its key.
        case ofTenant
        /// Its name is enough, and it says whose it is.
        case namesTenant
        case ofPlatform
    }
    package let table: String
    package let place: Place
    package let keys: [(column: String, form: Form)]

    package init(_ table: String, _ place: Place = .ofTenant, keys: [(column: String, form: Form)]) {
        self.table = table
        self.place = place
        self.keys = keys
    }
    package init(_ table: String, _ place: Place = .ofTenant, by column: String, _ form: Form = .id) {
        self.init(table, place, keys: [(column, form)])
    }

    /// Its owner, then the clock of each duty.
    package func statement(_ kind: RetentionKind) -> SQL {
        let clocks = kind.duties.map { $0.clock ?? "0" }
        let owner = place == .ofPlatform ? "0" : "tenant_id"
        var conditions = keys.enumerated().map { "\($1.column) = $\($0 + 1)" }
        if place == .ofTenant { conditions.append("tenant_id = $\(keys.count + 1)") }
        return SQL(
            "retention.probe.\(kind.name)",
            "SELECT \(([owner] + clocks).joined(separator: ", ")) FROM \(table) WHERE \(conditions.joined(separator: " AND ")) LIMIT 1")
    }

    /// The parts of a name, with a colon between them; nil: nothing is called so.
    package func values(_ name: String) -> [SQLValue]? {
        let parts = keys.count == 1 ? [name] : name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == keys.count else { return nil }
        var values: [SQLValue] = []
        for (part, key) in zip(parts, keys) {
            switch key.form {
            case .id:
                guard let id = Identifier<RetentionKind>(part) else { return nil }
                values.append(id.sqlValue)
            case .text: values.append(.text(part))
            case .number:
                guard let number = Int64(part) else { return nil }
                values.append(.integer(number))
            case .digest:
                guard part.count == 64, let bytes = JournalJSON.bytes(hex: part) else { return nil }
                values.append(.blob(bytes))
            }
        }
        return values
    }
}
