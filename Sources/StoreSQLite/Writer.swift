import Foundation
import Store
import Synchronization
import Vocabulary

/// The one connection that writes, on its own thread, or by whoever asks. Whatever waits when it is free goes into one commit.
final class Writer: @unchecked Sendable {  // `connection` is touched by the writer's thread only, once it runs, or in turns
    private let connection: Connection
    private let queue: WorkQueue<Work>
    private let finished = DispatchSemaphore(value: 0)
    private let schema: SchemaInForce
    private let jobSignal: JobSignal
    private let turns: Turns<Void>?
    private var isFlushing = false
    private let counts = Mutex(StoreStatistics())
    var statistics: StoreStatistics {
        var counts = counts.withLock { $0 }
        let pool = queue.standing(workers: 1)
        counts.waiting = pool.waiting
        counts.pools = [pool]
        return counts
    }

    init(connection: Connection, schema: SchemaInForce, jobSignal: JobSignal) {
        self.connection = connection
        self.schema = schema
        self.jobSignal = jobSignal
        queue = WorkQueue(name: "write", limit: connection.limits.queue)
        turns = connection.limits.hasThreads ? nil : Turns(())
        guard turns == nil else { return }
        let thread = Thread { [self] in
            work()
            finished.signal()
        }
        thread.name = "store-writer"
        thread.stackSize = 4 << 20
        thread.start()
    }

    func submit<Value: Sendable>(
        _ durability: Durability, isExclusive: Bool = false, kilosteps: Int = .max, _ body: @escaping @Sendable (Connection) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let work = WorkOf(
                durability: durability, isExclusive: isExclusive, kilosteps: kilosteps, continuation: continuation, body: body)
            if let turns { return turns.take(work, { self.carryOut([work]) }) }
            do { try queue.push(work) } catch { continuation.resume(throwing: error) }
        }
    }

    /// Takes no more; what is queued is done, then the connection is closed.
    func stop() {
        queue.close()
        turns?.end { connection.close() }
    }

    /// Returns when that has happened.
    func close() async {
        stop()
        guard turns == nil else { return }
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [finished] in
                finished.wait()
                finished.signal()
                continuation.resume()
            }
        }
    }

    private func work() {
        while let batch = queue.take(connection.limits.batch) { carryOut(batch) }
        connection.close()
    }

    private func carryOut(_ batch: [Work]) {
        var group: [Work] = []
        for work in batch {
            guard work.isExclusive else {
                group.append(work)
                continue
            }
            commit(group)
            group = []
            _ = work.perform(connection)
            work.finish(nil)
        }
        commit(group)
    }

    /// One transaction over all of `batch`; a closure that throws takes only its own changes back.
    private func commit(_ batch: [Work]) {
        guard !batch.isEmpty else { return }
        connection.adopt(schema.catalogue)
        do {
            try flush(batch.contains { $0.durability == .flushed })
            _ = try connection.rows(Transaction.begin, [], as: .trusted)
        } catch {
            for work in batch { answer(work, failing: error) }
            return
        }
        for (index, work) in batch.enumerated() {
            do {
                _ = try connection.rows(Transaction.save, [], as: .trusted)
                let mark = connection.heads.mark
                if work.perform(connection) {
                    _ = try connection.rows(Transaction.release, [], as: .trusted)
                } else if connection.isInTransaction {
                    connection.heads.undo(to: mark)
                    _ = try connection.rows(Transaction.rollbackToSave, [], as: .trusted)
                    _ = try connection.rows(Transaction.release, [], as: .trusted)
                }
            } catch {
                abandon()
                answer(work, failing: error)
                commit(Array(batch[..<index]) + Array(batch[(index + 1)...]))
                return
            }
            if !connection.isInTransaction {
                counts.withLock { $0.repeats += batch.count - 1 }
                // The engine undid everything because of this one: the others did nothing wrong and go again without it.
                abandon()
                answer(work, failing: StoreFault.corrupt("the transaction ended within a closure"))
                commit(Array(batch[..<index]) + Array(batch[(index + 1)...]))
                return
            }
        }
        do {
            _ = try connection.rows(Transaction.commit, [], as: .trusted)
        } catch {
            abandon()
            for work in batch { answer(work, failing: error) }
            return
        }
        connection.heads.keep()
        counts.withLock { counts in
            counts.commits += 1
            counts.closures += batch.count
            counts.flushes += isFlushing ? 1 : 0
        }
        let hasJobs = connection.hasNewJobs
        connection.hasNewJobs = false
        for work in batch { work.finish(nil) }
        if hasJobs { jobSignal.raise() }
    }

    private func abandon() {
        if connection.isInTransaction { _ = try? connection.rows(Transaction.rollback, [], as: .trusted) }
        connection.heads.undo(to: 0)
        connection.hasNewJobs = false
    }

    private func answer(_ work: Work, failing error: any Error) {
        work.finish((error as? StoreFault) ?? .corrupt("\(error)"))
    }

    static let flushing = "PRAGMA synchronous = FULL"

    private func flush(_ isFlushing: Bool) throws {
        guard isFlushing != self.isFlushing else { return }
        try connection.execute(isFlushing ? Writer.flushing : "PRAGMA synchronous = NORMAL")
        self.isFlushing = isFlushing
    }
}

enum Transaction {
    static let begin = SQL("store.begin", "BEGIN IMMEDIATE")
    static let beginRead = SQL("store.begin_read", "BEGIN")
    static let commit = SQL("store.commit", "COMMIT")
    static let rollback = SQL("store.rollback", "ROLLBACK")
    static let save = SQL("store.save", "SAVEPOINT closure")
    static let release = SQL("store.release", "RELEASE closure")
    static let rollbackToSave = SQL("store.rollback_to_save", "ROLLBACK TO closure")
}

enum Upkeep {
    static let emptyLog = SQL("store.empty_log", "PRAGMA wal_checkpoint(TRUNCATE)")
}
