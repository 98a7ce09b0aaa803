import HookEngine
import Vocabulary

/// At a sign-in that proved who it is, before a session begins.
package enum LoginHook: DecideHook {
    package struct Input: Sendable, Hashable {
        package var user: String
        package var emailDomain: String
        package var role: String?
        package var tenantKind: String
        package var tier: String?
        package var method: String
        package var factors: Int
        package var isKnownDevice: Bool
        package var hasAllowList: Bool
        package var isAddressListed: Bool
        package var recentFailures: Int
    }
    package struct Terms: Sendable, Hashable {
        package var factors: Int?
        package var sessionSeconds: Int?
    }
    package static let definition = HookDefinition(
        "on_login", kind: .decide, summary: "Whether a sign-in that proved who it is may begin a session, and with how many factors.",
        input: [
            HookField(
                "user",
                .object([
                    HookField("id", .string, "Handle of the user."),
                    HookField("email_domain", .string, "The domain of the mail address, lower case."),
                    HookField("role", .string, "The role in the tenant; absent for a user of none.", optional: true),
                ]), "Who signs in."),
            HookField(
                "tenant",
                .object([
                    HookField("kind", .choice(["individual", "organization", "enterprise"]), "What kind of tenant."),
                    HookField("tier", .string, "Its tier, if it has one.", optional: true),
                    HookField("has_allow_list", .boolean, "It lists the networks that its people sign in from."),
                ]), "Where."),
            HookField("method", .choice(["password", "passkey", "oauth", "sso", "recovery"]), "How."),
            HookField("factors", .integer, "Factors that were proved.", range: 1...3),
            HookField("device", .object([HookField("is_known", .boolean, "It signed in before.")]), "From which device."),
            HookField(
                "address", .object([HookField("is_listed", .boolean, "It lies in a network that the tenant lists.")]),
                "From where; the address itself is personal and stays out."),
            HookField("recent_failures", .integer, "Failed attempts on this account in the last hour.", range: 0...1_000_000),
        ],
        terms: [
            HookField(
                "factors", .integer, "Factors that the session needs; fewer were proved: the caller asks for another.", optional: true,
                tight: .highest, range: 1...3),
            HookField(
                "session_seconds", .integer, "How long the session lives at most.", optional: true, tight: .lowest, range: 300...31_536_000),
        ], whenAllAbstain: .allow, isOpenToTenants: true)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("user") {
                $0.put("id", input.user)
                $0.put("email_domain", input.emailDomain)
                $0.put("role", input.role)
            }
            hook.put("tenant") {
                $0.put("kind", input.tenantKind)
                $0.put("tier", input.tier)
                $0.put("has_allow_list", input.hasAllowList)
            }
            hook.put("method", input.method)
            hook.put("factors", input.factors)
            hook.put("device") { $0.put("is_known", input.isKnownDevice) }
            hook.put("address") { $0.put("is_listed", input.isAddressListed) }
            hook.put("recent_failures", input.recentFailures)
        }
    }
    package static func terms(_ value: HookValue) -> Terms {
        Terms(factors: value["factors"]?.int.map { Int($0) }, sessionSeconds: value["session_seconds"]?.int.map { Int($0) })
    }
}

/// Before an invitation goes out.
package enum InviteHook: DecideHook {
    package struct Input: Sendable, Hashable {
        package var user: String
        package var role: String
        package var invitedDomain: String
        package var invitedRole: String
        package var tenantKind: String
        package var tier: String?
        package var members: Int
        package var pending: Int
        package var ownsDomain: Bool
    }
    package struct Terms: Sendable, Hashable { package var expiresSeconds: Int? }
    package static let definition = HookDefinition(
        "on_invite", kind: .decide, summary: "Whether a member may invite somebody to a role.",
        input: [
            HookField(
                "user",
                .object([HookField("id", .string, "Handle of the user."), HookField("role", .string, "The user's role in the tenant.")]),
                "Who invites."),
            HookField(
                "invited",
                .object([
                    HookField("email_domain", .string, "The domain of the mail address, lower case."),
                    HookField("role", .string, "The role that is offered."),
                    HookField("is_own_domain", .boolean, "The tenant has proved that the domain is its own."),
                ]), "Who is invited."),
            HookField(
                "tenant",
                .object([
                    HookField("kind", .choice(["individual", "organization", "enterprise"]), "What kind of tenant."),
                    HookField("tier", .string, "Its tier, if it has one.", optional: true),
                    HookField("members", .integer, "Members now.", range: 0...1_000_000),
                    HookField("pending_invitations", .integer, "Invitations that nobody has answered.", range: 0...1_000_000),
                ]), "Where to."),
        ],
        terms: [
            HookField(
                "expires_seconds", .integer, "How long the invitation can be taken.", optional: true, tight: .lowest, range: 3_600...604_800
            )
        ], whenAllAbstain: .allow, isOpenToTenants: true)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("user") {
                $0.put("id", input.user)
                $0.put("role", input.role)
            }
            hook.put("invited") {
                $0.put("email_domain", input.invitedDomain)
                $0.put("role", input.invitedRole)
                $0.put("is_own_domain", input.ownsDomain)
            }
            hook.put("tenant") {
                $0.put("kind", input.tenantKind)
                $0.put("tier", input.tier)
                $0.put("members", input.members)
                $0.put("pending_invitations", input.pending)
            }
        }
    }
    package static func terms(_ value: HookValue) -> Terms { Terms(expiresSeconds: value["expires_seconds"]?.int.map { Int($0) }) }
}
