import Vocabulary

/// Values with an end, within a bound of entries and bytes. What is past its end is gone at once for a reader and leaves
/// memory as others come.
struct ValueTable: Sendable {
    private struct Entry: Sendable {
        var value: [UInt8]
        var expires: Int64
    }
    private struct Due: Sendable {
        var expires: Int64
        var key: String
    }
    private var entries: [String: Entry] = [:]
    /// Smallest end first; may hold ends that a later `set` has overtaken.
    private var due: [Due] = []
    private(set) var bytes = 0
    private let maxEntries: Int
    private let maxBytes: Int
    /// True: a full table forgets what ends first. False: a full table refuses, so that nothing is forgotten before its end.
    private let evicts: Bool

    init(maxEntries: Int, maxBytes: Int, evicts: Bool) {
        self.maxEntries = maxEntries
        self.maxBytes = maxBytes
        self.evicts = evicts
    }

    var count: Int { entries.count }

    func get(_ key: String, now: Int64) -> [UInt8]? {
        guard let entry = entries[key], entry.expires > now else { return nil }
        return entry.value
    }

    /// False if there is no room.
    mutating func set(_ key: String, _ value: [UInt8], expires: Int64) -> Bool {
        let size = key.utf8.count + value.count
        let freed = entries[key].map { key.utf8.count + $0.value.count } ?? 0
        while entries.count - (freed > 0 ? 1 : 0) >= maxEntries || bytes - freed + size > maxBytes {
            guard evicts, let next = popDue() else { return false }
            forget(next, ifExpiring: next.expires)
            if freed > 0, entries[key] == nil { return set(key, value, expires: expires) }
        }
        entries[key] = Entry(value: value, expires: expires)
        bytes += size - freed
        push(Due(expires: expires, key: key))
        if due.count > 2 * entries.count + 64 { rebuild() }
        return true
    }

    mutating func remove(_ key: String) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        bytes -= key.utf8.count + entry.value.count
        if due.count > 2 * entries.count + 64 { rebuild() }
    }

    /// Drops everything whose end has come.
    mutating func purge(_ now: Int64) {
        while let next = due.first, next.expires <= now, let popped = popDue() { forget(popped, ifExpiring: popped.expires) }
    }

    private mutating func forget(_ next: Due, ifExpiring expires: Int64) {
        guard let entry = entries[next.key], entry.expires == expires else { return }
        entries.removeValue(forKey: next.key)
        bytes -= next.key.utf8.count + entry.value.count
    }
    private mutating func rebuild() {
        due = entries.map { Due(expires: $0.value.expires, key: $0.key) }.sorted { $0.expires < $1.expires }
    }

    // A binary heap; a sorted array is one too.
    private mutating func push(_ item: Due) {
        due.append(item)
        var child = due.count - 1
        while child > 0, due[child].expires < due[(child - 1) / 2].expires {
            due.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }
    private mutating func popDue() -> Due? {
        guard !due.isEmpty else { return nil }
        due.swapAt(0, due.count - 1)
        let first = due.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < due.count && due[child].expires < due[least].expires {
                least = child
            }
            if least == parent { return first }
            due.swapAt(parent, least)
            parent = least
        }
    }
}
