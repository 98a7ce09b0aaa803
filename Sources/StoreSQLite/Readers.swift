import Foundation
import Store
import Synchronization
import Vocabulary

/// Read connections, each on its own thread, fed from one queue.
final class Readers: Sendable {
    private let queue: WorkQueue<Work>
    private let finished = DispatchSemaphore(value: 0)
    private let count: Int

    init(file: URL, limits: SQLiteLimits, schema: SchemaInForce) throws {
        queue = WorkQueue(name: "read", limit: limits.queue)
        count = max(1, limits.readers)
        let connections = try (0..<count).map { _ in try Connection(file: file, isWriter: false, limits: limits) }
        for (number, connection) in connections.enumerated() {
            let reader = Reader(connection, schema: schema, queue: queue)
            let thread = Thread { [finished] in
                reader.work()
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
            do { try queue.push(work) } catch { continuation.resume(throwing: error) }
        }
    }

    var standing: StorePool { queue.standing(workers: count) }

    func stop() { queue.close() }

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

private final class Reader: @unchecked Sendable {  // made by the opener, then used by its own thread alone
    private let connection: Connection
    private let schema: SchemaInForce
    private let queue: WorkQueue<Work>

    init(_ connection: Connection, schema: SchemaInForce, queue: WorkQueue<Work>) {
        self.connection = connection
        self.schema = schema
        self.queue = queue
    }

    func work() {
        while let work = queue.take(1)?.first {
            connection.adopt(schema.catalogue)
            do { _ = try connection.rows(Transaction.beginRead, [], as: .trusted) } catch {
                work.finish((error as? StoreFault) ?? .corrupt("\(error)"))
                continue
            }
            _ = work.perform(connection)
            if connection.isInTransaction { _ = try? connection.rows(Transaction.rollback, [], as: .trusted) }
            work.finish(nil)
        }
        connection.close()
    }
}

/// The schema that statements are judged by; replaced when migrations ran.
final class SchemaInForce: Sendable {
    private let current = Mutex(Catalogue.empty)
    var catalogue: Catalogue {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }
}
