import Foundation
import Store
import Vocabulary

/// What was agreed with one tenant about one tier, from a date to a date.
package struct Contract: Sendable, Hashable {
    package typealias ID = ContractID
    package enum Status: String, Sendable, CaseIterable { case scheduled, active, ended }

    /// What one version said.
    package struct Version: Sendable, Hashable {
        package let number: Int
        package let terms: JSONValue
        package let startsAt: Timestamp
        package let endsAt: Timestamp?
        package let reason: String
        package let madeAt: Timestamp
    }
    package let id: ID
    package let tier: TierID
    package let version: Int
    /// The fields that take the place of the tier's own.
    package let terms: JSONValue
    package let startsAt: Timestamp
    package let endsAt: Timestamp?
    package let madeAt: Timestamp
    /// Newest first, the last hundred.
    package var versions: [Version] = []

    package func status(at now: Timestamp) -> Status {
        if let endsAt, endsAt <= max(now, startsAt) { return .ended }
        return startsAt <= now ? .active : .scheduled
    }
    /// Whether there is a moment at which both hold.
    func meets(_ other: (start: Timestamp, end: Timestamp?)) -> Bool {
        let (first, last) = (max(startsAt, other.start), [endsAt, other.end].compactMap { $0 }.min())
        return last.map { first < $0 } ?? true
    }
}

/// What staff agrees to.
package struct ContractOrder: Sendable, Hashable {
    package var tier: String
    package var terms: JSONValue
    /// Nil: from now on.
    package var startsAt: Timestamp?
    /// Nil: until another version says when.
    package var endsAt: Timestamp?
    /// In the staff member's own words, for the tenant to read.
    package var reason: String
    package init(tier: String, terms: JSONValue, startsAt: Timestamp? = nil, endsAt: Timestamp? = nil, reason: String) {
        self.tier = tier
        self.terms = terms
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.reason = reason
    }
}

extension Contract {
    init(_ row: Row) throws {
        guard let tier = TierID(try row.text(1)) else { throw StoreFault.corrupt("catalog_contract.tier") }
        self.init(
            id: try row.id(0), tier: tier, version: try row.int(2), terms: try Contract.terms(try row.text(3)), startsAt: try row.time(4),
            endsAt: try row.optional(5, row.time), madeAt: try row.time(6))
    }
    static func terms(_ text: String) throws -> JSONValue { try JSONCoding.decode(JSONValue.self, Data(text.utf8)) }
}

extension Contract.Version {
    init(_ row: Row) throws {
        self.init(
            number: try row.int(0), terms: try Contract.terms(try row.text(1)), startsAt: try row.time(2),
            endsAt: try row.optional(3, row.time), reason: try row.text(4), madeAt: try row.time(5))
    }
}
