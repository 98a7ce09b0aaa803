import Foundation
import Tenancy
import Vocabulary

// What crosses the wire, one type a body. The schemas beside the routes say the same to the edge and to OpenAPI.

struct SignUpBody: Decodable {
    let email: String
    let password: String
    let firstName: String
    let lastName: String
    let organization: String?
    let tier: String?
    let region: Tenant.Region?
    enum CodingKeys: String, CodingKey {
        case email, password, organization, tier, region
        case firstName = "first_name"
        case lastName = "last_name"
    }
    var form: SignUpForm {
        SignUpForm(email: email, password: password, firstName: firstName, lastName: lastName, organization: organization, tier: tier)
    }
}
struct TokenBody: Decodable { let token: String }
struct EmailBody: Decodable { let email: String }
struct CredentialsBody: Decodable {
    let email: String
    let password: String
}
struct RefreshBody: Decodable {
    let refreshToken: String
    enum CodingKeys: String, CodingKey { case refreshToken = "refresh_token" }
}
struct ResetBody: Decodable {
    let token: String
    let password: String
}
struct ChangePasswordBody: Decodable {
    let currentPassword: String
    let newPassword: String
    enum CodingKeys: String, CodingKey {
        case currentPassword = "current_password"
        case newPassword = "new_password"
    }
}
struct SwitchBody: Decodable {
    let tenantID: TenantID
    enum CodingKeys: String, CodingKey { case tenantID = "tenant_id" }
}
struct SignOutBody: Decodable {
    let everywhere: Bool?
}
struct ProfileBody: Decodable {
    let firstName: String?
    let lastName: String?
    enum CodingKeys: String, CodingKey {
        case firstName = "first_name"
        case lastName = "last_name"
    }
}
struct PasswordBody: Decodable { let password: String }
struct AdministratorBody: Decodable {
    let token: String
    let email: String
    let password: String
    let firstName: String
    let lastName: String
    enum CodingKeys: String, CodingKey {
        case token, email, password
        case firstName = "first_name"
        case lastName = "last_name"
    }
}

struct PersonWire: Encodable {
    let id: UserID
    let email: String
    let name: String
    init(_ account: UserAccount) {
        id = account.id
        email = account.email
        name = account.name
    }
    init(_ signedUp: SignedUp) {
        id = signedUp.id
        email = signedUp.email
        name = signedUp.name
    }
}
struct PersonReply: Encodable {
    let user: PersonWire
    let message: String
}
struct MessageReply: Encodable { let message: String }

struct SignedInUser: Encodable {
    let id: UserID
    let email: String
    let name: String
    let tenantID: TenantID
    let role: String
    init(_ account: UserAccount, _ place: MemberStanding) {
        id = account.id
        email = account.email
        name = account.name
        tenantID = place.membership.tenant
        role = place.role(of: account.platformRole, at: account.homeTenant).rawValue
    }
    enum CodingKeys: String, CodingKey {
        case id, email, name, role
        case tenantID = "tenant_id"
    }
}
struct TokenReply: Encodable {
    let accessToken: String
    let refreshToken: String?
    let tokenType = "Bearer"
    let expiresIn: Int64
    let user: SignedInUser
    init(_ grant: TokenGrant) {
        accessToken = grant.access.text
        refreshToken = grant.refreshToken
        expiresIn = grant.access.expiresIn
        user = SignedInUser(grant.account, grant.place)
    }
    enum CodingKeys: String, CodingKey {
        case accessToken = "access_token"
        case refreshToken = "refresh_token"
        case tokenType = "token_type"
        case expiresIn = "expires_in"
        case user
    }
}
struct SecondFactorReply: Encodable {
    let mfaRequired = true
    let mfaToken: String
    enum CodingKeys: String, CodingKey {
        case mfaRequired = "mfa_required"
        case mfaToken = "mfa_token"
    }
}

struct SessionWire: Encodable {
    let id: AuthSessionID
    let tenantID: TenantID
    let kind: String
    let factor: String
    let device: String?
    let address: String?
    let createdAt: Timestamp
    let lastUsedAt: Timestamp
    let expiresAt: Timestamp
    let isCurrent: Bool
    init(_ session: AuthSession, current: AuthSessionID) {
        id = session.id
        tenantID = session.tenant
        kind = session.kind.rawValue
        factor = session.factor
        device = session.device
        address = session.address
        createdAt = session.createdAt
        lastUsedAt = session.lastUsedAt
        expiresAt = session.expiresAt
        isCurrent = session.id == current
    }
    enum CodingKeys: String, CodingKey {
        case id, kind, factor, device, address
        case tenantID = "tenant_id"
        case createdAt = "created_at"
        case lastUsedAt = "last_used_at"
        case expiresAt = "expires_at"
        case isCurrent = "is_current"
    }
}
struct SessionsReply: Encodable { let sessions: [SessionWire] }

struct ProfileWire: Encodable {
    struct Place: Encodable {
        let id: TenantID
        let name: String
        let kind: Tenant.Kind
        let role: String
    }
    let id: UserID
    let email: String
    let name: String
    let firstName: String
    let lastName: String
    let isVerified: Bool
    let role: String
    let tenantID: TenantID
    let tenants: [Place]
    let permissions: [String]
    let createdAt: Timestamp
    init(_ profile: Identity.Profile, _ caller: Principal) {
        let account = profile.account
        id = account.id
        email = account.email
        name = account.name
        firstName = account.firstName
        lastName = account.lastName
        isVerified = account.isVerified
        role = caller.role
        tenantID = caller.tenant
        tenants = profile.tenants.map {
            Place(id: $0.tenant.id, name: $0.tenant.name, kind: $0.tenant.kind, role: $0.standing.membership.role.rawValue)
        }
        permissions = profile.permissions
        createdAt = account.createdAt
    }
    enum CodingKeys: String, CodingKey {
        case id, email, name, role, tenants, permissions
        case firstName = "first_name"
        case lastName = "last_name"
        case isVerified = "email_verified"
        case tenantID = "tenant_id"
        case createdAt = "created_at"
    }
}
