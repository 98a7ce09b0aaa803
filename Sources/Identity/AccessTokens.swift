import Foundation
import Signing
import Tenancy
import Vocabulary

/// Names what a role may do, for the token's `permissions`; implemented by Access. Told to the client, never believed from it.
package protocol PermissionLister: Sendable {
    func permissions(of role: Role, tenant: TenantID, kind: Tenant.Kind, act: Act) async throws -> [String]
}

/// Issues access tokens and reads back those that are ours.
package struct AccessTokens: Sendable {
    private let signer: any TokenSigner
    private let lister: any PermissionLister
    private let entropy: any Entropy
    /// What every token says and must say; nil where one region is alone.
    private let region: Region?
    package let life: Duration

    package init(
        signer: any TokenSigner, permissions: any PermissionLister, entropy: any Entropy, settings: Settings, region: Region? = nil
    ) {
        self.region = region
        self.signer = signer
        self.lister = permissions
        self.entropy = entropy
        self.life = settings.seconds(IdentitySettings.tokenSeconds)
    }

    package struct Issued: Sendable, Hashable {
        package let text: String
        package let id: UUID
        package let expiresIn: Int64
    }

    func permissions(of role: Role, tenant: TenantID, kind: Tenant.Kind, _ act: Act) async throws -> [String] {
        try await lister.permissions(of: role, tenant: tenant, kind: kind, act: act)
    }

    /// In whole seconds, as JWT counts: issued at the second that has begun, at its end invalid to the microsecond.
    func issue(_ account: UserAccount, _ place: MemberStanding, session: AuthSessionID, _ act: Act) async throws -> Issued {
        let role = place.role(of: account.platformRole, at: account.homeTenant)
        let tenant = place.membership.tenant
        let granted = try await permissions(of: role, tenant: tenant, kind: place.tenantKind, act)
        let id: Identifier<TokenMark> = entropy.id(act.now)
        let issued = act.now.seconds
        var claims: [String: JSONValue] = [
            "sub": .string(account.id.description), "email": .string(account.email), "name": .string(account.name),
            "tenant_id": .string(tenant.description), "role": .string(role.rawValue), "permissions": .array(granted.map { .string($0) }),
            "iat": .int(issued), "exp": .int(issued + life.wholeSeconds), "jti": .string(id.description),
            "sid": .string(session.description),
        ]
        if let region { claims[Self.regionClaim] = .string(region.rawValue) }
        let text = try await signer.issue(.object(claims))
        return Issued(text: text, id: id.uuid, expiresIn: life.wholeSeconds)
    }

    package static let regionClaim = "region"
    /// Where a token says that it belongs, with nothing proved; nil for what is no token or says nothing.
    package static func claimedRegion(_ token: String) -> Region? {
        let parts = token.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, token.utf8.count <= 8_192, let payload = Base64URL.decode(String(parts[1])),
            let claims = try? JSONDecoder().decode(ClaimedRegion.self, from: Data(payload))
        else { return nil }
        return Region(rawValue: claims.region)
    }
    private struct ClaimedRegion: Decodable { let region: String }

    /// The claims that a request is looked up by; nil for a token that is not ours or has expired.
    func claims(of text: String, now: Timestamp) -> AccessClaims? {
        guard let claims = signer.verify(text), let user = claims["sub"]?.string.flatMap(UserID.init),
            let tenant = claims["tenant_id"]?.string.flatMap(TenantID.init),
            let session = claims["sid"]?.string.flatMap(AuthSessionID.init),
            let id = claims["jti"]?.string.flatMap(Identifier<TokenMark>.init), let expires = claims["exp"]?.int,
            let issued = claims["iat"]?.int,
            issued < expires, claims[Self.regionClaim]?.string == region?.rawValue || claims[Self.regionClaim] == nil,
            (0...253_402_300_799).contains(expires), now < Timestamp(seconds: expires)
        else { return nil }
        return AccessClaims(user: user, tenant: tenant, session: session, token: id.uuid, expiresAt: Timestamp(seconds: expires))
    }
}

enum TokenMark {}

/// Who a token says it is for. Rights are not among it: they are looked up.
struct AccessClaims: Sendable, Hashable {
    let user: UserID
    let tenant: TenantID
    let session: AuthSessionID
    let token: UUID
    let expiresAt: Timestamp
}
