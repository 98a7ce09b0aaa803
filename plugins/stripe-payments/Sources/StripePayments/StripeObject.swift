import Foundation
import PluginKit

/// One of Stripe's objects, read so that what is unknown or oddly shaped counts as absent.
struct StripeObject {
    let value: JSONValue
    init(_ value: JSONValue) { self.value = value }

    subscript(name: String) -> JSONValue? { value[name] }
    var id: String? { Self.id(value["id"]) }
    var kind: String? { value["object"]?.string }

    /// A reference: an id, or the whole object where it was expanded.
    func reference(_ name: String) -> String? { Self.id(value[name]) ?? Self.id(value[name]?["id"]) }
    func time(_ name: String) -> Timestamp? { Self.time(value[name]) }
    func child(_ name: String) -> StripeObject { StripeObject(value[name] ?? .null) }
    /// The objects of a list object.
    func list(_ name: String) -> [StripeObject] { (value[name]?["data"]?.array ?? []).map { StripeObject($0) } }
    /// A metadata value that is there and not empty.
    func metadata(_ name: String) -> String? {
        value["metadata"]?[name]?.string.flatMap { (1...500).contains($0.utf8.count) ? $0 : nil }
    }

    static func id(_ value: JSONValue?) -> String? {
        guard let text = value?.string, (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            return nil
        }
        return text
    }
    /// Seconds since 1970, from 2001 to 2286: anything else is no time of an event.
    static func time(_ value: JSONValue?) -> Timestamp? {
        guard let seconds = value?.int, (1_000_000_000..<10_000_000_000).contains(seconds) else { return nil }
        return Timestamp(seconds: seconds)
    }
}
