import Foundation
import PluginKit

/// One of Paddle's entities, read so that what is unknown or oddly shaped counts as absent.
struct PaddleObject: Sendable {
    let value: JSONValue
    init(_ value: JSONValue?) { self.value = value ?? .null }

    subscript(name: String) -> JSONValue? { value[name] }
    var id: String? { Self.id(value["id"]) }
    var status: String? { value["status"]?.string }
    func reference(_ name: String) -> String? { Self.id(value[name]) }
    func time(_ name: String) -> Timestamp? { Self.time(value[name]) }
    func child(_ name: String) -> PaddleObject { PaddleObject(value[name]) }
    func list(_ name: String) -> [PaddleObject] { (value[name]?.array ?? []).map { PaddleObject($0) } }
    /// What the seller hung on it; a value that is there and not empty.
    func custom(_ name: String) -> String? {
        value["custom_data"]?[name]?.string.flatMap { (1...500).contains($0.utf8.count) ? $0 : nil }
    }
    /// An amount of this object in the currency given, or in the object's own.
    func money(_ name: String, _ currency: String? = nil) -> Money? {
        Self.money(value[name], currency ?? value["currency_code"]?.string)
    }
    var period: (start: Timestamp, end: Timestamp)? {
        guard let start = time("starts_at"), let end = time("ends_at"), start < end else { return nil }
        return (start, end)
    }

    static func id(_ value: JSONValue?) -> String? {
        guard let text = value?.string, (1...100).contains(text.utf8.count),
            text.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95 || $0 == 45 })
        else { return nil }
        return text
    }
    /// RFC 3339, from 2001 to 2286: anything else is no time of an event.
    static func time(_ value: JSONValue?) -> Timestamp? {
        guard let moment = value?.string.flatMap({ Timestamp(iso8601: $0) }),
            (1_000_000_000..<10_000_000_000).contains(moment.seconds)
        else { return nil }
        return moment
    }
    /// Paddle writes money as a text of whole units in the lowest denomination, which is that of ISO 4217 in each of its currencies:
    /// `"14500"` are 145 dollars and 14,500 yen. A number, a fraction, a sign that is none: nil.
    static func money(_ value: JSONValue?, _ currency: String?) -> Money? {
        guard let text = value?.string, let currency = currency.flatMap({ Currency($0) }), let amount = amount(text) else { return nil }
        return Money(amountMinor: amount, currency: currency)
    }
    static func amount(_ text: String) -> Int64? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard (1...15).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}
