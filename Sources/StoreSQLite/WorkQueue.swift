import Foundation
import Store

/// Hands work to threads. Bounded: what does not fit is refused at once.
final class WorkQueue<Item>: @unchecked Sendable {  // every access to the fields holds `condition`
    private let condition = NSCondition()
    private var items: [Item] = []
    private var isClosed = false
    private let limit: Int
    private let name: String

    init(name: String, limit: Int) {
        self.name = name
        self.limit = limit
    }

    var count: Int {
        condition.lock()
        defer { condition.unlock() }
        return items.count
    }

    func push(_ item: Item) throws {
        condition.lock()
        defer { condition.unlock() }
        if isClosed { throw StoreFault.closed }
        if items.count >= limit { throw StoreFault.overloaded(queue: name) }
        items.append(item)
        condition.signal()
    }

    /// The oldest items, up to `most`; waits for the first. Nil once the queue is closed and empty.
    func take(_ most: Int) -> [Item]? {
        condition.lock()
        defer { condition.unlock() }
        while items.isEmpty {
            if isClosed { return nil }
            condition.wait()
        }
        guard items.count > most else {
            defer { items.removeAll(keepingCapacity: true) }
            return items
        }
        let taken = Array(items.prefix(most))
        items.removeFirst(most)
        return taken
    }

    /// Takes no more; what is queued is still done.
    func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
