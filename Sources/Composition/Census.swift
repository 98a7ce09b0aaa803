import HookEngine
import Store
import Synchronization
import Telemetry
import Vocabulary

/// What is counted in the store rather than in this process: every process over one database tells the same.
///
/// Read when somebody looks, at most once in `lasts`; a look while another reads gets what was read before.
actor Census {
    private static let reason = KernelReason("metrics.census")
    private let store: any StoreDriver
    private let figures: [StoreFigure]
    private let clock: any Clock
    private let lasts: Duration
    private let log: @Sendable (String) -> Void
    private let kept = Kept()
    private var readAt: Duration?
    private var isReading = false

    /// What the metrics show, between two reads.
    private final class Kept: Sendable {
        private let values = Mutex<[String: [([String], Double)]]>([:])
        subscript(name: String) -> [([String], Double)] {
            get { values.withLock { $0[name] ?? [] } }
            set { values.withLock { $0[name] = newValue } }
        }
        func forget() { values.withLock { $0 = [:] } }
    }

    init(
        store: any StoreDriver, figures: [StoreFigure], clock: any Clock, lasts: Duration = .seconds(5),
        log: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.figures = figures
        self.clock = clock
        self.lasts = lasts
        self.log = log
    }

    nonisolated func add(to metrics: Metrics) {
        for figure in figures {
            metrics.readings(figure.name, figure.help, labels: figure.labels) { [kept] in kept[figure.name] }
        }
        for family in Self.jobs {
            metrics.readings(family.name, family.help, labels: ["kind"]) { [kept] in kept[family.name] }
        }
        // Absent until the first read, as everything that is read here.
        metrics.readings("coditect_census_up", "1 while what the store counts can be read.", labels: []) { [kept] in
            kept["coditect_census_up"]
        }
        func pool(_ name: String, _ help: String, type: String = "gauge", _ read: @escaping @Sendable (StorePool) -> Int) {
            metrics.readings("db_pool_\(name)", help, type: type, label: "pool") { [store] in
                store.statistics.pools.map { ($0.name, Double(read($0))) }
            }
        }
        pool("connections", "Connections to the store, by what they are for.") { $0.workers }
        pool("busy", "Connections that work now.") { $0.busy }
        pool("waiting", "Transactions that wait for a connection.") { $0.waiting }
        pool("refused_total", "Transactions that were turned away because too many waited.", type: "counter") { $0.refused }
        metrics.readings(
            "db_replica_reads_total", "Reads that a standby could have answered, by what became of them.", type: "counter",
            labels: ["replica", "outcome"]
        ) { [store] in
            store.statistics.replicas.flatMap { replica in
                [
                    ([replica.name, "answered"], Double(replica.answered)), ([replica.name, "behind"], Double(replica.behind)),
                    ([replica.name, "failed"], Double(replica.failed)),
                ]
            }
        }
        metrics.reading("db_commits_total", "Commits of this process.", type: "counter") { [store] in Double(store.statistics.commits) }
    }

    /// Before the metrics are shown.
    func refresh() async {
        let moment = clock.monotonic()
        if isReading { return }
        if let readAt, moment - readAt < lasts { return }
        isReading = true
        defer { isReading = false }
        readAt = moment
        let now = clock.now()
        do {
            let values = try await store.kernelRead(Self.reason) { [figures] db in
                let backlog = try db.ledger.backlog()
                return try figures.map { ($0.name, try $0.read(db, now)) }
                    + Self.jobs.map { family in (family.name, backlog.map { ([$0.kind], family.read($0, now)) }) }
            }
            for (name, value) in values { kept[name] = value }
            kept["coditect_census_up"] = [([], 1)]
        } catch {
            // Numbers that may be long past would keep an alert quiet.
            kept.forget()
            kept["coditect_census_up"] = [([], 0)]
            log("the metrics could not be read from the store: \(error)")
        }
    }

    /// Families that one look at the jobs fills.
    private static let jobs: [(name: String, help: String, read: @Sendable (JobBacklog, Timestamp) -> Double)] = [
        ("jobs_due", "Jobs that wait for their time or for a free hand.", { kind, _ in Double(kind.due) }),
        ("jobs_running", "Jobs under way.", { kind, _ in Double(kind.leased) }),
        ("jobs_dead", "Jobs that were given up.", { kind, _ in Double(kind.dead) }),
        (
            "jobs_late_seconds", "For how long the oldest job of the kind has been due.",
            { kind, now in kind.oldestDue.map { Double(max(0, now.microseconds - $0.microseconds)) / 1_000_000 } ?? 0 }
        ),
    ]
}

/// What the last look at every journal found, whichever process took it: none before the first.
enum JournalFigures {
    static let all: [StoreFigure] = [
        figure("audit_chain_broken", "Journals that are not as they were written, when all were last checked.") { $0.broken },
        figure("audit_chain_journals", "Journals that were checked then.") { $0.journals },
        figure("audit_chain_entries", "Entries that were checked then.") { $0.entries },
        figure("audit_chain_checked_timestamp_seconds", "When all journals were last checked.") { Int($0.at.seconds) },
    ]
    private static func figure(_ name: String, _ help: String, _ read: @escaping @Sendable (JournalRound) -> Int) -> StoreFigure {
        StoreFigure(name, help) { db, _ in try db.ledger.rounds(limit: 1).map { ([], Double(read($0))) } }
    }
}

/// A decision that cannot be recorded is not used: whoever asked comes back when the log takes lines again, as on a disk that was full.
extension DecisionLogFault: PassingFault {
    package var isPassing: Bool { true }
}

/// Counts decisions on their way to the log.
struct CountedDecisions: DecisionSink {
    private let sink: any DecisionSink
    private let decisions: MetricFamily<Counter>
    private let durations: MetricFamily<Histogram>

    private let tracer: Tracer?

    init(_ sink: any DecisionSink, metrics: Metrics, tracer: Tracer?) {
        self.sink = sink
        self.tracer = tracer
        decisions = metrics.counter("policy_decisions_total", "Decisions by hook and outcome.", labels: ["hook", "outcome"])
        durations = metrics.histogram("policy_decision_duration_seconds", "Time from a question to its answer.", labels: ["hook"])
    }

    func record(_ record: DecisionRecord) async throws {
        let outcome =
            switch record.outcome {
            case .allow: "allow"
            case .deny: "deny"
            case .plan: "plan"
            case .failed: "failed"
            }
        decisions.with(record.hook, outcome).increment()
        durations.with(record.hook).observe(Double(record.microseconds) / 1_000_000)
        tracer?.past(
            "hook \(record.hook)", .internal, took: .microseconds(record.microseconds),
            [
                ("coditect.hook", .text(record.hook)), ("coditect.outcome", .text(outcome)),
                ("coditect.decision", .text(record.id.description)), ("coditect.policy_hash", .text(record.policyHash)),
                ("coditect.fuel", .number(Int64(clamping: record.fuel))),
            ], failure: outcome == "failed" ? "the hook's fail mode held" : nil)
        try await sink.record(record)
    }
}
