import Store
import Tenancy
import Vocabulary

/// A person who can sign in. Fields that say who it is come unsealed.
package struct UserAccount: Sendable, Hashable {
    package enum Status: String, Sendable, Hashable, CaseIterable {
        case active
        /// By the person's own wish or by staff; everything is kept, nobody signs in.
        case deactivated
        /// The person's key is destroyed; the row stands for what must refer to it.
        case erased
    }
    package let id: UserID
    package let email: String
    package var firstName: String
    package var lastName: String
    package let status: Status
    package let platformRole: Role?
    package let homeTenant: TenantID
    package let chosenTier: String?
    package let verifiedAt: Timestamp?
    package let createdAt: Timestamp

    package var name: String { [firstName, lastName].filter { !$0.isEmpty }.joined(separator: " ") }
    package var isVerified: Bool { verifiedAt != nil }
}

extension MemberStanding {
    /// The role that counts here. A platform role counts in the person's own tenant; elsewhere staff are members like any other, and act
    /// for customers by impersonation.
    func role(of platformRole: Role?, at home: TenantID) -> Role {
        if let platformRole, membership.tenant == home { return platformRole }
        return membership.role
    }
}

/// How a session was proved.
package struct Provenance: Sendable, Hashable {
    /// `password`, `reset_link`, `administrator_link`; later `passkey`, `totp`, a provider's id.
    package var factor: String
    /// Digest of the assertion that an identity provider sent.
    package var assertion: [UInt8]?
    package var providerKey: String?
    package var decision: DecisionID?
    package init(factor: String, assertion: [UInt8]? = nil, providerKey: String? = nil, decision: DecisionID? = nil) {
        self.factor = factor
        self.assertion = assertion
        self.providerKey = providerKey
        self.decision = decision
    }
    package static let password = Provenance(factor: "password")
}

/// A signed-in session of a person, as the person sees it.
package struct AuthSession: Sendable, Hashable {
    package typealias ID = AuthSessionID
    package enum Kind: String, Sendable, Hashable {
        /// An access and a refresh token.
        case token
        /// A browser's cookie.
        case page
    }
    package let id: ID
    package let tenant: TenantID
    package let kind: Kind
    package let factor: String
    package let device: String?
    package let address: String?
    package let createdAt: Timestamp
    package let lastUsedAt: Timestamp
    package let expiresAt: Timestamp
}

/// Where a sign-in comes from, beside `Act.address`.
package struct Device: Sendable, Hashable {
    /// What the client says about itself; shown to the person, believed by nobody.
    package let label: String?
    /// Cut to 200 characters, control characters out.
    package init(_ userAgent: String?) {
        let clean = userAgent.map { text in
            String(String.UnicodeScalarView(text.unicodeScalars.lazy.filter { $0.properties.generalCategory != .control }.prefix(200)))
        }
        label = clean.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// Seals and opens what says who somebody is. Contexts bind a box to its column and person.
struct PersonalFields: Sendable {
    let sealer: any Sealer
    func seal(_ text: String, _ person: UserID, _ field: String) throws -> [UInt8] {
        try sealer.seal(Array(text.utf8), person: person, context: "user.\(field):\(person)")
    }
    func open(_ box: [UInt8], _ person: UserID, _ field: String) throws -> String {
        String(decoding: try sealer.open(box, person: person, context: "user.\(field):\(person)"), as: UTF8.self)
    }
    func digest(_ mail: MailCanon) -> [UInt8] { sealer.digest(Array(mail.text.utf8), purpose: "identity.mail") }
    func digest(_ network: Network) -> [UInt8] { sealer.digest(network.prefix, purpose: "identity.network") }
}
