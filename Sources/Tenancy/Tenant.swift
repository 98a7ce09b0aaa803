import Foundation
import Vocabulary

/// The isolation boundary.
package struct Tenant: Sendable, Hashable {
    package typealias ID = TenantID

    package enum Kind: String, Sendable, Hashable, CaseIterable, Codable { case individual, organization, enterprise }
    package typealias Region = Vocabulary.Region
    /// founding → active ⇄ suspended; active, suspended → closing → purged; closing → active (reactivated).
    package enum Status: String, Sendable, Hashable, CaseIterable, Codable {
        /// Inside the transaction that makes the tenant; never seen outside it.
        case founding
        case active
        /// Nothing runs, everything is kept, its people still sign in: they have to pay or ask.
        case suspended
        /// Leaving.
        case closing
        case purged
        /// Whether its members may have a signed-in session.
        package var admitsMembers: Bool { self == .active || self == .suspended || self == .closing }
    }

    package let id: ID
    package let kind: Kind
    package let region: Region
    package let status: Status
    package let name: String
    package let createdAt: Timestamp
    package init(id: ID, kind: Kind, region: Region, status: Status, name: String, createdAt: Timestamp) {
        self.id = id
        self.kind = kind
        self.region = region
        self.status = status
        self.name = name
        self.createdAt = createdAt
    }
}

/// The name of what a member may do. The rights of each stand in the role matrix, which is data; the words are those of the product.
package struct Role: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package var description: String { rawValue }

    package static let owner = Role(rawValue: "owner")
    package static let admin = Role(rawValue: "admin")
    package static let developer = Role(rawValue: "developer")
    package static let contractor = Role(rawValue: "contractor")
    package static let auditor = Role(rawValue: "auditor")
    package static let viewer = Role(rawValue: "viewer")
    /// Platform roles: held by a user, not by a membership.
    package static let platformAdmin = Role(rawValue: "platform_admin")
    package static let staff = Role(rawValue: "staff")

    /// From high to low.
    package static let ofTenant: [Role] = [.owner, .admin, .developer, .contractor, .auditor, .viewer]
    package static let ofPlatform: [Role] = [.platformAdmin, .staff]

    /// Who may change whom: a role that the product does not know ranks lowest.
    package var rank: Int {
        switch self {
        case .owner: 50
        case .admin: 40
        case .developer: 30
        case .contractor: 20
        case .auditor, .viewer: 10
        default: 0
        }
    }
    /// What somebody must stand above to give it: a role that the product does not know may hold any permission, so only owners give it.
    package var giftRank: Int { Role.ofTenant.contains(self) ? rank : Role.owner.rank }
    /// Contractors and auditors are members until a day.
    package var needsEnd: Bool { self == .contractor || self == .auditor }
}

/// A user in a tenant.
package struct Membership: Sendable, Hashable {
    package typealias ID = MembershipID
    package enum Standing: String, Sendable, Hashable { case active, ended }

    package let id: ID
    package let tenant: TenantID
    package let user: UserID
    package var role: Role
    package var standing: Standing
    /// Project ids; nil: the whole tenant as far as the role goes.
    package var scope: [String]?
    package var endsAt: Timestamp?
    package init(
        id: ID, tenant: TenantID, user: UserID, role: Role, standing: Standing = .active, scope: [String]? = nil, endsAt: Timestamp? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.user = user
        self.role = role
        self.standing = standing
        self.scope = scope
        self.endsAt = endsAt
    }

    /// Ends by itself: at `endsAt` it is over, whether or not anything has swept.
    package func isActive(at now: Timestamp) -> Bool { standing == .active && (endsAt.map { now < $0 } ?? true) }
}

/// A member's place: what every request of a signed-in user is checked against.
package struct MemberStanding: Sendable, Hashable {
    package let membership: Membership
    package let tenantKind: Tenant.Kind
    package let tenantStatus: Tenant.Status
    /// From where the tenant lets its people in; nil: from anywhere.
    package let addressRule: AddressRule?
    /// Of a tenant that leaves only owners still have a place: to see how it goes, and to come back.
    package func isActive(at now: Timestamp) -> Bool {
        membership.isActive(at: now) && tenantStatus.admitsMembers && (!isLeaving || membership.role == .owner)
    }
    package var isLeaving: Bool { tenantStatus == .closing }
}
