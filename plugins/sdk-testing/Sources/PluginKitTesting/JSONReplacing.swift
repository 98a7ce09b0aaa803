import PluginKit

extension JSONValue {
    /// The places of this document, outermost first, at most `limit`.
    func paths(limit: Int) -> [[String]] {
        var found: [[String]] = []
        var queue: [([String], JSONValue)] = [([], self)]
        while !queue.isEmpty, found.count < limit {
            let (path, value) = queue.removeFirst()
            if !path.isEmpty { found.append(path) }
            switch value {
            case .object(let members): queue += members.sorted { $0.key < $1.key }.map { (path + [$0.key], $0.value) }
            case .array(let items): queue += items.enumerated().map { (path + [String($0.offset)], $0.element) }
            default: break
            }
        }
        return found
    }
    /// The document with one place holding another value, or without it.
    func replacing(_ path: ArraySlice<String>, with other: JSONValue?) -> JSONValue {
        guard let step = path.first else { return other ?? .null }
        switch self {
        case .object(var members):
            if path.count == 1 { members[step] = other } else { members[step] = members[step]?.replacing(path.dropFirst(), with: other) }
            return .object(members)
        case .array(var items):
            guard let index = Int(step), items.indices.contains(index) else { return self }
            if path.count == 1 {
                if let other { items[index] = other } else { items.remove(at: index) }
            } else {
                items[index] = items[index].replacing(path.dropFirst(), with: other)
            }
            return .array(items)
        default: return self
        }
    }
}
