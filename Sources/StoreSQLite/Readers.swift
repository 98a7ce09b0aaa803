import Foundation
import Store
import Synchronization
import Vocabulary

/// Read connections, each on its own thread, fed from one queue; or one, used by whoever asks.
final class Readers: Sendable {
    private let queue: WorkQueue<Work>
    private let finished = DispatchSemaphore(value: 0)
    private let count: Int
    private let turns: Turns<Reader>?

    init(file: URL, limits: SQLiteLimits, schema: SchemaInForce) throws {
        queue = WorkQueue(name: "read", limit: limits.queue)
        guard limits.hasThreads else {
            count = 0
            turns = Turns(Reader(try Connection(file: file, isWriter: false, limits: limits), schema: schema))
            return
        }
        turns = nil
        count = max(1, limits.readers)
        let connections = try (0..<count).map { _ in try Connection(file: file, isWriter: false, limits: limits) }
        for (number, connection) in connections.enumerated() {
            let reader = Reader(connection, schema: schema)
            let thread = Thread { [finished, queue] in
                while let work = queue.take(1)?.first { reader.serve(work) }
                reader.close()
                finished.signal()
            }
            thread.name = "store-reader-\(number)"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    func submit<Value: Sendable>(kilosteps: Int, _ body: @escaping @Sendable (Connection) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let work = WorkOf(
                durability: .written, isExclusive: false, kilosteps: kilosteps, continuation: continuation, body: body)
            if let turns { return turns.take(work, { $0.serve(work) }) }
            do { try queue.push(work) } catch { continuation.resume(throwing: error) }
        }
    }

    var standing: StorePool { queue.standing(workers: count) }

    func stop() {
        queue.close()
        turns?.end { $0.close() }
    }

    func close() async {
        stop()
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [finished, count] in
                for _ in 0..<count { finished.wait() }
                for _ in 0..<count { finished.signal() }
                continuation.resume()
            }
        }
    }
}

private final class Reader: @unchecked Sendable {  // made by the opener, then used by one thread at a time
    private let connection: Connection
    private let schema: SchemaInForce

    init(_ connection: Connection, schema: SchemaInForce) {
        self.connection = connection
        self.schema = schema
    }

    func serve(_ work: Work) {
        connection.adopt(schema.catalogue)
        do { _ = try connection.rows(Transaction.beginRead, [], as: .trusted) } catch {
            return work.finish((error as? StoreFault) ?? .corrupt("\(error)"))
        }
        _ = work.perform(connection)
        if connection.isInTransaction { _ = try? connection.rows(Transaction.rollback, [], as: .trusted) }
        work.finish(nil)
    }

    func close() { connection.close() }
}

/// The schema that statements are judged by; replaced when migrations ran.
final class SchemaInForce: Sendable {
    private let current = Mutex(Catalogue.empty)
    var catalogue: Catalogue {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }
}
