import Foundation
import Store

/// One closure on its way to a connection and back.
class Work: @unchecked Sendable {  // passed from the caller to one thread, and used there alone
    let durability: Durability
    /// Runs outside any transaction, with nothing beside it.
    let isExclusive: Bool

    /// Engine steps that it may take, in thousands.
    let kilosteps: Int

    init(durability: Durability, isExclusive: Bool, kilosteps: Int) {
        self.durability = durability
        self.isExclusive = isExclusive
        self.kilosteps = kilosteps
    }
    /// False if the closure threw. May run again, when a neighbour's failure undid the whole batch.
    func perform(_ connection: Connection) -> Bool { false }
    /// Answers the caller: with the result, or with `fault` where the commit failed.
    func finish(_ fault: StoreFault?) {}
}

final class WorkOf<Value: Sendable>: Work, @unchecked Sendable {  // as above
    private let body: (Connection) throws -> Value
    private let continuation: CheckedContinuation<Value, any Error>
    private var result: Result<Value, any Error>?

    init(
        durability: Durability, isExclusive: Bool, kilosteps: Int, continuation: CheckedContinuation<Value, any Error>,
        body: @escaping (Connection) throws -> Value
    ) {
        self.body = body
        self.continuation = continuation
        super.init(durability: durability, isExclusive: isExclusive, kilosteps: kilosteps)
    }
    override func perform(_ connection: Connection) -> Bool {
        connection.sentry.fuel = kilosteps
        // What ends the transaction is not the closure's to pay for.
        defer { connection.sentry.fuel = .max }
        let result = Result { try body(connection) }
        self.result = result
        if case .success = result { return true }
        return false
    }
    override func finish(_ fault: StoreFault?) {
        switch (result, fault) {
        case (.failure(let own)?, _): continuation.resume(throwing: own)
        case (_, let fault?): continuation.resume(throwing: fault)
        case (.success(let value)?, nil): continuation.resume(returning: value)
        case (nil, nil): continuation.resume(throwing: StoreFault.closed)
        }
    }
}

/// Work that is done by whoever brings it, one after another, where there are no threads for it.
final class Turns<Worker>: @unchecked Sendable {  // `worker` and `isOver` are touched by who holds `lock`
    private let lock = NSLock()
    private let worker: Worker
    private var isOver = false
    init(_ worker: Worker) { self.worker = worker }

    func take(_ work: Work, _ body: (Worker) -> Void) {
        lock.withLock {
            if isOver { return work.finish(.closed) }
            body(worker)
        }
    }
    /// Takes no more; `body` is run the first time.
    func end(_ body: (Worker) -> Void) {
        lock.withLock {
            if !isOver { body(worker) }
            isOver = true
        }
    }
}
