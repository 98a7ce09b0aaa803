import Foundation
import Vocabulary

/// One request as it came from the wire, before anything is believed.
package struct RawRequest: Sendable {
    package var method: String
    /// As sent: path and query, percent-encoded.
    package var target: String
    package var headers: HeaderFields
    package var body: Data
    /// True when the body was longer than `Edge.bodyLimit` and reading stopped.
    package var isBodyTooLarge: Bool
    /// The peer's address without its port: `127.0.0.1`, `::1`.
    package var remoteAddress: String
    package var isTLS: Bool
    /// Set by `Edge.identify`, so that whoever runs the edge can name the request in its own answers.
    package var requestID: String?

    package init(
        method: String, target: String, headers: HeaderFields = HeaderFields(), body: Data = Data(), isBodyTooLarge: Bool = false,
        remoteAddress: String = "127.0.0.1", isTLS: Bool = false
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.isBodyTooLarge = isBodyTooLarge
        self.remoteAddress = remoteAddress
        self.isTLS = isTLS
    }
}

/// Header fields in the order of the wire; names compare without case.
package struct HeaderFields: Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var fields: [(name: String, value: String)]

    package init() { fields = [] }
    package init(_ fields: [(name: String, value: String)]) { self.fields = fields }
    package init(_ fields: [String: String]) { self.fields = fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    package init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { ($0.0, $0.1) } }

    package mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }

    /// All values of a name (lower case) joined: cookies by `; `, others by `, `.
    package subscript(name: String) -> String? {
        var found: String?
        for field in fields where HeaderFields.isSame(field.name, name) {
            found = found.map { $0 + (name == "cookie" ? "; " : ", ") + field.value } ?? field.value
        }
        return found
    }
    package var dictionary: [String: String] {
        var out: [String: String] = [:]
        for field in fields {
            let name = field.name.lowercased()
            out[name] = out[name].map { $0 + (name == "cookie" ? "; " : ", ") + field.value } ?? field.value
        }
        return out
    }

    /// True if `name` is `lower` but for the case of ASCII letters.
    static func isSame(_ name: String, _ lower: String) -> Bool {
        var (left, right) = (name, lower)
        return left.withUTF8 { left in
            right.withUTF8 { right in
                guard left.count == right.count else { return false }
                for index in 0..<left.count where left[index] != right[index] {
                    guard (65...90).contains(left[index]), left[index] | 0x20 == right[index] else { return false }
                }
                return true
            }
        }
    }
}
