import Vocabulary

/// What one transaction may cost and how much may wait. The figures bound a mistake or an attack, not honest work.
package struct PostgresLimits: Sendable {
    /// Connections that write, each with its own thread.
    package var writers = 6
    /// Connections that read, each with its own thread.
    package var readers = 6
    /// Transactions waiting for a writer, and reads waiting for a reader.
    package var queue = 4_096
    /// How long one statement in a tenant's scope may take.
    package var tenantStatement = Duration.seconds(5)
    /// The same in the kernel's scope.
    package var kernelStatement = Duration.seconds(30)
    /// How long a transaction may take for which somebody waits at a connection, with its wait for a turn and all its tries; lists and reports
    /// apart. With `grace`, how long a server that stands still holds up a request.
    package var awaited = Duration.seconds(10)
    /// How long a statement waits for a lock that another transaction holds.
    package var lock = Duration.seconds(5)
    /// How much longer than a statement may take the driver waits before it gives the connection up.
    package var grace = Duration.seconds(5)
    /// How often a transaction is tried that conflicts with others.
    package var attempts = 24
    /// How often one is tried that waited for a lock in vain. Each try takes as long as `lock`: together less than whoever asks waits.
    package var lockAttempts = 2
    /// How long the server waits for the next statement of an open transaction before it ends it. Shorter than the tries at a lock
    /// together, so that a process that stands still with a lane in its hands keeps nobody else out.
    package var idle = Duration.seconds(7)
    /// Rows of one answer.
    package var rows = 100_000
    /// Bytes of one answer.
    package var answerBytes = 67_108_864
    /// How long a seal holds.
    package var seal = Duration.minutes(5)
    /// The pause after the first failed try to connect; doubles up to `reconnectCap`. Work that comes meanwhile is refused.
    package var reconnect = Duration.milliseconds(100)
    package var reconnectCap = Duration.seconds(5)
    package init() {}
}
