import Foundation

/// The id of one kind of noun. Ids of two nouns never mix; on the wire a lower-case UUID.
package struct Identifier<Noun>: Hashable, Sendable, Codable, CustomStringConvertible, Comparable {
    package let uuid: UUID

    package init(_ uuid: UUID) { self.uuid = uuid }
    /// Nil unless `text` is a UUID in the usual 36 characters.
    package init?(_ text: String) {
        guard let uuid = UUID(canonical: text) else { return nil }
        self.uuid = uuid
    }
    package var description: String { uuid.canonical }
    package static func < (left: Self, right: Self) -> Bool { UUID.precedes(left.uuid, right.uuid) }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
        }
        self = id
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

// Nouns that more than one room names. Each room's own type aliases its mark: `typealias Tenant.ID = TenantID`.
package enum TenantMark {}
package enum UserMark {}
package enum MembershipMark {}
package enum SessionMark {}
package enum SubscriptionMark {}
package enum LicenseMark {}
package enum DecisionMark {}
package enum TeamMark {}
package enum InvitationMark {}
package enum APIKeyMark {}
package enum ContractMark {}

package typealias TenantID = Identifier<TenantMark>
package typealias UserID = Identifier<UserMark>
package typealias MembershipID = Identifier<MembershipMark>
/// A signed-in session of a user (SPEC: `sid`), not a seat lease.
package typealias AuthSessionID = Identifier<SessionMark>
package typealias SubscriptionID = Identifier<SubscriptionMark>
package typealias LicenseID = Identifier<LicenseMark>
package typealias DecisionID = Identifier<DecisionMark>
package typealias TeamID = Identifier<TeamMark>
package typealias InvitationID = Identifier<InvitationMark>
package typealias APIKeyID = Identifier<APIKeyMark>
package typealias ContractID = Identifier<ContractMark>
