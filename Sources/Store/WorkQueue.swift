import Foundation

/// Hands work to threads. Bounded: what does not fit is refused at once.
package final class WorkQueue<Item>: @unchecked Sendable {  // every access to the fields holds `condition`
    private let condition = NSCondition()
    private var items: [Item] = []
    private var isClosed = false
    private var idle = 0
    private var refused = 0
    private let limit: Int
    private let name: String

    package init(name: String, limit: Int) {
        self.name = name
        self.limit = limit
    }

    package var count: Int {
        condition.lock()
        defer { condition.unlock() }
        return items.count
    }

    /// What `workers` threads that take from it do now.
    package func standing(workers: Int) -> StorePool {
        condition.lock()
        defer { condition.unlock() }
        return StorePool(name: name, workers: workers, busy: max(0, workers - idle), waiting: items.count, refused: refused)
    }

    package func push(_ item: Item) throws {
        condition.lock()
        defer { condition.unlock() }
        if isClosed { throw StoreFault.closed }
        if items.count >= limit {
            refused += 1
            throw StoreFault.overloaded(queue: name)
        }
        items.append(item)
        condition.signal()
    }

    /// The oldest items, up to `most`; waits for the first. Nil once the queue is closed and empty.
    package func take(_ most: Int) -> [Item]? {
        condition.lock()
        defer { condition.unlock() }
        while items.isEmpty {
            if isClosed { return nil }
            idle += 1
            condition.wait()
            idle -= 1
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
    package func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
