import Vocabulary

/// What one transaction may cost and how much may wait. The figures bound a mistake or an attack, not honest work.
package struct SQLiteLimits: Sendable {
    /// Read connections, each with its own thread.
    package var readers = 4
    /// Transactions waiting for the writer, and reads waiting for a reader.
    package var queue = 4_096
    /// Write closures in one commit.
    package var batch = 128
    /// Engine steps of one transaction in a tenant's scope, in thousands: a good second of work at most.
    package var tenantKilosteps = 10_000
    /// The same in the kernel's scope.
    package var kernelKilosteps = 100_000
    /// Rows of one answer.
    package var rows = 100_000
    /// Bytes of one answer.
    package var answerBytes = 67_108_864
    /// Bytes of one value or row.
    package var valueBytes = 16_777_216
    /// Prepared statements kept for each connection and mode.
    package var statements = 512
    /// How long the writer waits for another process.
    package var busy = Duration.seconds(5)
    package init() {}
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
}
