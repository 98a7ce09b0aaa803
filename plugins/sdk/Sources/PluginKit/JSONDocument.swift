import Foundation

extension JSONValue {
    /// Reads one JSON document of at most `maxBytes`.
    public static func parse(_ data: Data, maxBytes: Int = 1_048_576) throws -> JSONValue {
        guard data.count <= maxBytes else { throw JSONFault(reason: "The document has \(data.count) bytes; \(maxBytes) are allowed.") }
        do { return try JSONDecoder().decode(JSONValue.self, from: data) } catch { throw JSONFault(reason: "This is not a JSON document.") }
    }

    /// Sorted keys, slashes as they are.
    public func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

public struct JSONFault: Error, Sendable, Hashable, CustomStringConvertible {
    public var reason: String
    public init(reason: String) { self.reason = reason }
    public var description: String { reason }
}
