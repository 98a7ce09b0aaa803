import Foundation

/// A body in `application/x-www-form-urlencoded`, in the order written; nested names as Stripe reads them: `line_items[0][price]`.
struct StripeForm {
    private var pairs: [(String, String)] = []

    /// A nil value is left out: an empty one would ask to clear the field.
    mutating func add(_ name: String, _ value: String?) {
        if let value { pairs.append((name, value)) }
    }
    mutating func add(_ name: String, _ value: Int64?) { if let value { pairs.append((name, String(value))) } }
    var isEmpty: Bool { pairs.isEmpty }
    mutating func add(_ name: String, metadata: [String: String]) {
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { add("\(name)[\(key)]", String(value.prefix(500))) }
    }

    var encoded: String { pairs.map { "\(Self.escape($0.0))=\(Self.escape($0.1))" }.joined(separator: "&") }

    /// Everything but unreserved characters (RFC 3986) as percent-escaped UTF-8.
    static func escape(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: bytes.append(byte)
            default: bytes += [37, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
