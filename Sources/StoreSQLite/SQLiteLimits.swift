import Vocabulary

/// What one transaction may cost and how much may wait. The figures bound a mistake or an attack, not honest work.
package struct SQLiteLimits: Sendable {
    /// Read connections, each with its own thread.
    package var readers = 4
    /// False: whoever asks does the work itself, one after another, on one connection for reads and one for writes. Nobody waits for a thread
    /// to wake, and nobody is served beside: for a life in virtual time, never for a server.
    package var hasThreads = true
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
