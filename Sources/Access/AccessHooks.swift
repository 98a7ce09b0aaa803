import HookEngine
import Tenancy
import Vocabulary

/// Asked at every use of a permission. When every policy abstains, nobody may: the shipped matrix grants, nothing else does.
package enum RoleCheckHook: DecideHook {
    package struct Input: Sendable, Hashable {
        package var role: Role
        package var permission: String
        package var tenantKind: Tenant.Kind
        package init(role: Role, permission: String, tenantKind: Tenant.Kind) {
            self.role = role
            self.permission = permission
            self.tenantKind = tenantKind
        }
    }
    package struct Terms: Sendable, Hashable {}

    package static let definition = HookDefinition(
        "on_role_check", kind: .decide, summary: "Whether a role may use a permission. Asked at each use, never believed from a token.",
        input: [
            HookField(
                "user", .object([HookField("role", .string, "The role in this tenant, or the platform role.")]), "The caller."),
            HookField("permission", .string, "As the route declares it: `licenses:read`."),
            HookField(
                "tenant", .object([HookField("kind", .choice(Tenant.Kind.allCases.map(\.rawValue)), "What kind of tenant.")]), "Where."),
        ],
        whenAllAbstain: .deny, isOpenToTenants: true)

    package static func encode(_ input: Input) -> HookValue {
        .object([
            ("user", .object([("role", .string(input.role.rawValue))])), ("permission", .string(input.permission)),
            ("tenant", .object([("kind", .string(input.tenantKind.rawValue))])),
        ])
    }
    package static func terms(_ value: HookValue) -> Terms { Terms() }
}
