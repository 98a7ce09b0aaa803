import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// A tenant's own identity provider.
package struct TenantConnection: Sendable {
    package typealias ID = ConnectionID
    /// draft → tested → enabled ⇄ disabled; a change of settings or secrets leads back to draft, so to a new test.
    package enum State: String, Sendable, Hashable, CaseIterable { case draft, tested, enabled, disabled }
    /// Who is in the group becomes a member as this.
    package struct RoleRule: Sendable, Hashable, Codable {
        package var group: String
        package var role: String
        package init(group: String, role: String) {
            self.group = group
            self.role = role
        }
    }
    package static let roles: [Role] = [.admin, .developer, .viewer]
    package static let mostPerTenant = 20
    package static let mostRules = 100

    package let id: ID
    package let tenant: TenantID
    package let plugin: String
    package var label: String
    package var state: State
    var settingsBox: [UInt8]
    var secretsBox: [UInt8]
    package var admits: Bool
    package var defaultRole: Role
    package var roleMap: [RoleRule]
    package var version: Int
    package var testedVersion: Int?
    package var testedAt: Timestamp?
    package let createdAt: Timestamp

    package var isTested: Bool { testedVersion == version }

    init(_ row: Row, _ tenant: TenantID) throws {
        self.tenant = tenant
        id = try row.id(0)
        plugin = try row.text(1)
        label = try row.text(2)
        guard let state = State(rawValue: try row.text(3)) else { throw StoreFault.corrupt("identity_connection.state") }
        self.state = state
        settingsBox = try row.blob(4)
        secretsBox = try row.blob(5)
        admits = try row.bool(6)
        defaultRole = Role(rawValue: try row.text(7))
        roleMap = try JSONCoding.decode([RoleRule].self, Data(try row.text(8).utf8))
        version = try row.int(9)
        testedVersion = try row.optional(10, row.int)
        testedAt = try row.optional(11, row.time)
        createdAt = try row.time(12)
    }

    /// The first rule that fits, else the default.
    package func role(of groups: [String]) -> Role {
        let held = Set(groups)
        let found = roleMap.first { held.contains($0.group) }.map { Role(rawValue: $0.role) }
        return found.flatMap { Self.roles.contains($0) ? $0 : nil } ?? defaultRole
    }

    static func context(_ id: ID, _ what: String) -> String { "identity.connection.\(what):\(id)" }
    func settings(_ sealer: any Sealer) throws -> [String: String] {
        try JSONCoding.decode([String: String].self, Data(try sealer.open(settingsBox, context: Self.context(id, "settings"))))
    }
    func secrets(_ sealer: any Sealer) throws -> [String: String] {
        try JSONCoding.decode([String: String].self, Data(try sealer.open(secretsBox, context: Self.context(id, "secrets"))))
    }
    func opened(_ sealer: any Sealer) throws -> IdentityConnection {
        IdentityConnection(
            id: id.description, isOffered: false, settings: try settings(sealer),
            secrets: PluginSecrets(try secrets(sealer).mapValues { [$0] }))
    }
}

/// What an administrator fills in. Secrets that are left out stay as they are.
package struct ConnectionForm: Sendable {
    package var label: String
    package var values: [String: String]
    package var admits: Bool
    package var defaultRole: String
    package var roleMap: [TenantConnection.RoleRule]
    package init(
        label: String, values: [String: String], admits: Bool = true, defaultRole: String = Role.developer.rawValue,
        roleMap: [TenantConnection.RoleRule] = []
    ) {
        self.label = label
        self.values = values
        self.admits = admits
        self.defaultRole = defaultRole
        self.roleMap = roleMap
    }

    /// Settings and secrets by the plugin's fields, both checked for kind and size. Throws `validation_failed`.
    func read(_ fields: [IdentityField], held: [String: String]) throws(Problem) -> (settings: [String: String], secrets: [String: String])
    {
        let labelText = try Applicant.name(label, "label", max: 80)
        guard labelText.utf8.count <= 80 else { throw CommonProblems.invalid("label", "must have at most 80 bytes") }
        guard TenantConnection.roles.map(\.rawValue).contains(defaultRole) else {
            throw CommonProblems.invalid("default_role", "must be admin, developer or viewer")
        }
        guard roleMap.count <= TenantConnection.mostRules else { throw CommonProblems.invalid("role_map", "has too many rules") }
        for rule in roleMap {
            guard TenantConnection.roles.map(\.rawValue).contains(rule.role), (1...200).contains(rule.group.utf8.count) else {
                throw CommonProblems.invalid("role_map", "names groups, and admin, developer or viewer for each")
            }
        }
        if let name = values.keys.sorted().first(where: { name in !fields.contains { $0.name == name } }) {
            throw CommonProblems.invalid("settings", "has no \(name.prefix(40))")
        }
        var (settings, secrets): ([String: String], [String: String]) = ([:], [:])
        for field in fields {
            let value = values[field.name]?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
            if value.isEmpty {
                if field.kind == .secret, let kept = held[field.name] {
                    secrets[field.name] = kept
                } else if field.isRequired {
                    throw CommonProblems.invalid(field.name, "must not be empty")
                }
                continue
            }
            guard value.utf8.count <= field.maxBytes,
                !value.unicodeScalars.contains(where: { $0.value < 32 && !["\n", "\r", "\t"].contains($0) })
            else {
                throw CommonProblems.invalid(field.name, "must have at most \(field.maxBytes) bytes of plain text")
            }
            switch field.kind {
            case .choice:
                guard field.choices.contains(value) else {
                    throw CommonProblems.invalid(field.name, "must be one of \(field.choices.joined(separator: ", "))")
                }
            case .url:
                guard WebOrigin(value) != nil else {
                    throw CommonProblems.invalid(field.name, "must be an address without query and fragment")
                }
            case .text, .secret: break
            @unknown default: break
            }
            if field.kind == .secret { secrets[field.name] = value } else { settings[field.name] = value }
        }
        return (settings, secrets)
    }
}
