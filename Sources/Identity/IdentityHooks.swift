import HookEngine
import Vocabulary

/// Asked at every sign-up, also for an address that is already known: the answer must not tell the two apart.
package enum SignupHook: DecideHook {
    package struct Input: Sendable, Hashable {
        /// The domain of the canonical mail address.
        package var emailDomain: String
        /// `individual` or `organization`.
        package var organizationKind: String
        package var tier: String?
        package var pilotEnabled: Bool
        package var pilotLimit: Int
        /// Pilot users who proved their address, and those of the last day who have not yet.
        package var pilotUsed: Int
        package init(emailDomain: String, organizationKind: String, tier: String?, pilotEnabled: Bool, pilotLimit: Int, pilotUsed: Int) {
            self.emailDomain = emailDomain
            self.organizationKind = organizationKind
            self.tier = tier
            self.pilotEnabled = pilotEnabled
            self.pilotLimit = pilotLimit
            self.pilotUsed = pilotUsed
        }
    }
    package struct Terms: Sendable, Hashable {}

    package static let definition = HookDefinition(
        "on_signup", kind: .decide, summary: "Whether somebody may sign up. Pilot tiers are those whose id begins with pilot_.",
        input: [
            HookField(
                "user", .object([HookField("email_domain", .string, "The domain of the mail address, lower case.")]), "Who signs up."),
            HookField("organization_kind", .choice(["individual", "organization"]), "What tenant the sign-up would found."),
            HookField("tier", .string, "The tier chosen on the way in, if any.", optional: true),
            HookField(
                "pilot",
                .object([
                    HookField("enabled", .boolean, "The setting identity.pilot_signup (ENABLE_PILOT_SIGNUP)."),
                    HookField("limit", .integer, "The setting identity.pilot_users_limit (PILOT_USERS_LIMIT).", range: 0...1_000_000),
                    HookField("used", .integer, "Pilot users so far.", range: 0...Int64.max),
                ]), "How far the pilot is taken up."),
        ],
        whenAllAbstain: .allow)

    package static func encode(_ input: Input) -> HookValue {
        var members: [(String, HookValue)] = [
            ("user", .object([("email_domain", .string(input.emailDomain))])), ("organization_kind", .string(input.organizationKind)),
        ]
        if let tier = input.tier { members.append(("tier", .string(tier))) }
        members.append(
            (
                "pilot",
                .object([
                    ("enabled", .bool(input.pilotEnabled)), ("limit", .int(Int64(input.pilotLimit))),
                    ("used", .int(Int64(input.pilotUsed))),
                ])
            ))
        return .object(members)
    }
    package static func terms(_ value: HookValue) -> Terms { Terms() }
}
