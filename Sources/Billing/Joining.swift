import Vocabulary

/// A join-semilattice: `join` is commutative, associative and idempotent. What is known of a provider's object only ever grows, so
/// no order of arrival and no repetition of news leads anywhere else.
package protocol Joinable: Hashable, Sendable {
    mutating func join(_ other: Self)
}

extension Joinable {
    package func joined(_ other: Self) -> Self {
        var copy = self
        copy.join(other)
        return copy
    }
}

// The building blocks: each is a join of two values of which one may still be unknown.

func lesser<Value: Comparable>(_ left: Value?, _ right: Value?) -> Value? {
    guard let left else { return right }
    return right.map { min(left, $0) } ?? left
}

func greater<Value: Comparable>(_ left: Value?, _ right: Value?) -> Value? {
    guard let left else { return right }
    return right.map { max(left, $0) } ?? left
}

func union<Value: Joinable>(_ left: Value?, _ right: Value?) -> Value? {
    guard let left else { return right }
    return right.map { left.joined($0) } ?? left
}

extension Dictionary where Value: Joinable {
    mutating func join(_ other: Self) { merge(other) { $0.joined($1) } }
}

/// Compares field by field; nil comes before every value. `.equal` only when all fields are.
struct Comparison {
    private(set) var isLess: Bool?

    mutating func by<Value: Comparable>(_ left: Value?, _ right: Value?) {
        guard isLess == nil, left != right else { return }
        guard let left else { return isLess = true }
        guard let right else { return isLess = false }
        isLess = left < right
    }
}

/// A statement's place in time: the provider's time of the event, then its id, so that two are never level.
package struct Stamp: Hashable, Sendable, Codable, Comparable {
    package let asOf: Timestamp
    package let event: String
    package init(asOf: Timestamp, event: String) {
        self.asOf = asOf
        self.event = event
    }
    package static func < (left: Stamp, right: Stamp) -> Bool {
        left.asOf == right.asOf ? left.event < right.event : left.asOf < right.asOf
    }
}
