import Vocabulary

/// A store as whoever opened it holds it: migrates it, reads its figures, closes it.
package protocol StoreDriver: Store {
    /// Applies what is missing, the store's own tables first, all or nothing; answers the names applied, `room/name`.
    /// Throws `StoreFault.migration` if one that was applied is edited or gone, or if a table breaks the house's rules.
    func migrate(_ migrations: [Migration]) async throws -> [String]
    /// The names of what `migrate` would apply, under the same refusals. Changes nothing.
    func pending(_ migrations: [Migration]) async throws -> [String]
    /// How the engine would come to the rows, a line for each step, in the engine's words. `tenant` nil means the kernel's scope.
    func plan(_ sql: SQL, in tenant: TenantID?) async throws -> [String]
    /// Takes what was deleted out of the files, as far as the engine lets its client: false where only the database's own upkeep does that.
    func scrub() async throws -> Bool
    var statistics: StoreStatistics { get }
    /// Finishes what is queued; later calls throw `StoreFault.closed`.
    func close() async
}

/// What the writer did since it was opened: for metrics and tests.
package struct StoreStatistics: Sendable, Hashable {
    package var commits = 0
    /// Write closures that were answered by those commits.
    package var closures = 0
    /// Commits that were flushed to the disk.
    package var flushes = 0
    /// Closures that ran once more because a neighbour's failure undid their transaction.
    package var repeats = 0
    /// Closures in the queue now.
    package var waiting = 0
    /// How often unscoped code ran, by its reason.
    package var reasons: [String: Int] = [:]
    /// Who writes and who reads.
    package var pools: [StorePool] = []
    /// Standbys, and what became of reads that they could have answered.
    package var replicas: [ReplicaStanding] = []
    package init() {}
}

/// What one standby did since the start.
package struct ReplicaStanding: Sendable, Hashable {
    package let name: String
    package var answered = 0
    /// Further behind than reads may lag, or no standby any more: the primary answered.
    package var behind = 0
    /// It did not answer: the primary did.
    package var failed = 0
    package init(name: String) { self.name = name }
}

/// Threads with a connection each, and what waits for them.
package struct StorePool: Sendable, Hashable {
    package let name: String
    package let workers: Int
    /// Workers that are at it now.
    package let busy: Int
    package let waiting: Int
    /// Work that was turned away since the start, because too much waited.
    package let refused: Int
}

/// A number that a room tells of all its tenants together. It must not take longer the more rows there are, but the more tenants.
package struct StoreFigure: Sendable {
    package let name: String
    package let help: String
    package let labels: [String]
    /// Label values in the order of `labels`, and the number.
    package let read: @Sendable (any KernelScope, Timestamp) throws -> [([String], Double)]
    package init(
        _ name: String, _ help: String, labels: [String] = [],
        read: @escaping @Sendable (any KernelScope, Timestamp) throws -> [([String], Double)]
    ) {
        self.name = name
        self.help = help
        self.labels = labels
        self.read = read
    }
}
