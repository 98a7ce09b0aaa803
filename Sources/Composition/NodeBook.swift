import Foundation
import PluginHost
import PolicyHost
import Store
import Vocabulary

/// One process that serves, as it last told of itself.
package struct ServingNode: Sendable, Hashable {
    package enum State: String, Sendable, CaseIterable {
        case serving, draining
        /// Not seen for `NodeBook.away`: gone without a word, frozen, or cut off from the store.
        case away
    }
    /// What nodes over one database should have in common, as text that is equal where they have.
    package enum Aspect: String, Sendable, CaseIterable { case version, policies, plugins, ledger }

    let id: UUID
    let host: String
    let process: Int
    let version: String
    var state: State
    let ledger: String
    let policies: String
    let plugins: [String: String]
    let startedAt: Timestamp
    let seenAt: Timestamp

    func value(_ aspect: Aspect) -> String {
        switch aspect {
        case .version: version
        case .policies: policies
        case .plugins: plugins.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        case .ledger: ledger
        }
    }
}

enum NodeTable {
    static let beat = SQL(
        "nodes.beat",
        """
        INSERT INTO node (id, host, process, version, state, ledger, policies, plugins, started_at, seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (id) DO UPDATE SET
            state = excluded.state, policies = excluded.policies, plugins = excluded.plugins, seen_at = excluded.seen_at
        """)
    static let sweep = SQL("nodes.sweep", "DELETE FROM node WHERE seen_at < $1")
    static let leave = SQL("nodes.leave", "DELETE FROM node WHERE id = $1")
    static let list = SQL(
        "nodes.list",
        """
        SELECT id, host, process, version, state, ledger, policies, plugins, started_at, seen_at FROM node
        WHERE seen_at >= $1 ORDER BY seen_at DESC LIMIT 500
        """)
}

/// The processes over one database: this one writes its own line, and reads everybody's.
package struct NodeBook: Sendable {
    /// Between two lines of one process.
    static let every = Duration.seconds(10)
    /// Who has not been seen for so long is away: several lines are missing.
    static let away = Duration.seconds(60)
    /// For how long a node that went without a word is shown.
    static let kept = Duration.hours(1)
    private static let reason = KernelReason("platform.nodes")

    /// What changes while the process runs.
    struct Standing: Sendable {
        let policies: String
        let plugins: [String: String]
        let isDraining: Bool
    }

    let id: UUID
    private let store: any Store
    private let clock: any Clock
    private let ledger: String
    private let host = NodeBook.hostName()
    private let startedAt: Timestamp
    private let standing: @Sendable () -> Standing

    init(store: any Store, clock: any Clock, entropy: any Entropy, ledger: String, standing: @escaping @Sendable () -> Standing) {
        self.store = store
        self.clock = clock
        self.ledger = ledger
        self.standing = standing
        startedAt = clock.now()
        let made: Identifier<ServingNode> = entropy.id(startedAt)
        id = made.uuid
    }

    /// As the machine calls itself; nobody is asked over the network.
    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        return gethostname(&name, 255) == 0 ? String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    }

    /// Writes this process's line, and takes away those of the long gone.
    package func beat() async throws {
        let (now, standing) = (clock.now(), self.standing())
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let plugins = String(decoding: try encoder.encode(standing.plugins), as: UTF8.self)
        try await store.kernel(Self.reason) { [id, host, ledger, startedAt] db in
            try db.run(NodeTable.sweep, now - Self.kept)
            try db.run(
                NodeTable.beat, id, host, Int64(getpid()), Release.version,
                (standing.isDraining ? ServingNode.State.draining : .serving).rawValue,
                ledger, standing.policies, plugins, startedAt, now)
        }
    }

    /// The process ends in order: nobody need wonder where it is.
    package func leave() async throws { try await store.kernel(Self.reason) { [id] db in try db.run(NodeTable.leave, id) } }

    /// This process has the data alone: whoever told of itself before is gone.
    package func takeOver() async throws {
        try await store.kernel(Self.reason) { db in try db.run(NodeTable.sweep, Timestamp(microseconds: .max)) }
    }

    /// Until the task is cancelled. A line that cannot be written is written the next time.
    func run() async {
        while !Task.isCancelled {
            try? await beat()
            try? await Task.sleep(for: Self.every)
        }
    }

    /// Who serves, and who was seen within an hour and is away.
    package func list() async throws -> [ServingNode] {
        let now = clock.now()
        return try await store.kernelRead(Self.reason) { try Self.read($0, now) }
    }

    private static func read(_ db: any KernelScope, _ now: Timestamp) throws -> [ServingNode] {
        try db.rows(NodeTable.list, now - kept).map { row in
            let plugins = try JSONDecoder().decode([String: String].self, from: Data(row.text(7).utf8))
            let seenAt = try row.time(9)
            return try ServingNode(
                id: row.uuid(0), host: row.text(1), process: row.int(2), version: row.text(3),
                state: now - seenAt > away ? .away : ServingNode.State(rawValue: row.text(4)) ?? .serving, ledger: row.text(5),
                policies: row.text(6), plugins: plugins, startedAt: row.time(8), seenAt: seenAt)
        }
    }

    /// How many different answers those that are not away give to each question.
    static func values(of nodes: [ServingNode]) -> [ServingNode.Aspect: Int] {
        let here = nodes.filter { $0.state != .away }
        return Dictionary(
            uniqueKeysWithValues: ServingNode.Aspect.allCases.map { aspect in (aspect, Set(here.map { $0.value(aspect) }).count) })
    }

    static let figures: [StoreFigure] = [
        StoreFigure(
            "coditect_nodes", "Processes over this database, by what they last told; away: not seen for a minute.", labels: ["state"]
        ) {
            db, now in
            let nodes = try read(db, now)
            return ServingNode.State.allCases.map { state in ([state.rawValue], Double(nodes.count { $0.state == state })) }
        },
        StoreFigure(
            "coditect_node_values", "How many different values the processes have of what they should have in common.", labels: ["of"]
        ) { db, now in
            let counts = values(of: try read(db, now))
            return ServingNode.Aspect.allCases.map { ([$0.rawValue], Double(counts[$0] ?? 0)) }
        },
    ]
}

extension NodeBook.Standing {
    init(policies: PolicyFloor, plugins: PluginHost, isDraining: Bool) {
        self.policies = policies.engine.hash?.hex ?? ""
        self.plugins = Dictionary(
            plugins.report.loaded.map { ($0.id, "\($0.manifest.version) \($0.digest.prefix(12))") }, uniquingKeysWith: { first, _ in first }
        )
        self.isDraining = isDraining
    }
}
