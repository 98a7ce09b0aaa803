import Store
import Vocabulary

/// From which networks a tenant lets its people in: a pure rule.
package struct AddressRule: Sendable, Hashable {
    package static let mostNetworks = 100
    /// Sorted, one spelling each.
    package let networks: [NetworkRange]
    /// Whether what a licence key alone proves must come from there too.
    package let coversLicenseKeys: Bool
    package let setAt: Timestamp
    /// Staff suspended it until then.
    package let liftedUntil: Timestamp?

    /// Names of what is no network, or nothing at all, throw `validation_failed`.
    package static func read(_ texts: [String]) throws(Problem) -> [NetworkRange] {
        var found: [String: NetworkRange] = [:]
        for text in texts {
            guard let range = NetworkRange(text) else {
                throw CommonProblems.invalid("networks", "must be addresses or prefixes such as 203.0.113.0/24 or 2001:db8::/48")
            }
            found[range.description] = range
        }
        guard !found.isEmpty, found.count <= mostNetworks else {
            throw CommonProblems.invalid("networks", "must be 1 to \(mostNetworks) networks")
        }
        return found.sorted { $0.key < $1.key }.map(\.value)
    }

    /// What binds now: nil while staff has suspended it.
    package func binding(at now: Timestamp) -> [NetworkRange]? {
        if let liftedUntil, now < liftedUntil { return nil }
        return networks
    }
    /// An address that cannot be read is none of the tenant's.
    package static func admits(_ networks: [NetworkRange], _ address: String?) -> Bool {
        guard let address = address.flatMap({ NetworkAddress($0) }) else { return false }
        return networks.contains { $0.contains(address) }
    }
    package func admits(_ address: String?, at now: Timestamp) -> Bool {
        binding(at: now).map { Self.admits($0, address) } ?? true
    }
}

extension MemberStanding {
    /// Whether the tenant lets its people in from this address now.
    package func admits(_ address: String?, at now: Timestamp) -> Bool { addressRule?.admits(address, at: now) ?? true }
}

extension Tenancy {
    package func addressRule(of tenant: TenantID) async throws -> AddressRule? {
        try await store.kernelRead(KernelReason("tenancy.address_rule")) { db in try addressRule(of: tenant, in: db) }
    }
    package func addressRule(of tenant: TenantID, in db: any KernelScope) throws -> AddressRule? {
        guard let row = try db.row(AddressRuleTable.ruleOf, tenant) else { return nil }
        return try AddressRule(row, at: 0)
    }

    /// Lets people in from these networks alone. A change that would keep its own author out needs `confirmed`.
    package func allow(
        _ networks: [NetworkRange], coversLicenseKeys: Bool, confirmed: Bool, in tenant: TenantID, _ act: Act
    ) async throws -> AddressRule {
        if !confirmed, !AddressRule.admits(networks, act.address) {
            throw TenancyProblems.listExcludesCaller.with(["address": .string(act.address ?? "unknown")])
        }
        let texts = networks.map(\.description)
        try await changeRule(of: tenant, act) { db in
            let before = try db.rows(AddressRuleTable.drop).first.map { try $0.text(0) }
            try db.run(AddressRuleTable.insert, tenant, texts.joined(separator: " "), coversLicenseKeys, act.now)
            let details: JSONValue = [
                "networks": .array(texts.map { .string($0) }), "before": before.map { .string($0) } ?? .null,
                "covers_license_keys": .bool(coversLicenseKeys), "excludes_author": .bool(!AddressRule.admits(networks, act.address)),
            ]
            return JournalEntry("address_rule.set", subject: "tenant:\(tenant)", details: details)
        }
        return AddressRule(networks: networks, coversLicenseKeys: coversLicenseKeys, setAt: act.now, liftedUntil: nil)
    }

    /// Lets people in from anywhere; without a rule nothing happens.
    package func allowAnywhere(in tenant: TenantID, _ act: Act) async throws {
        try await changeRule(of: tenant, act) { db in
            guard let before = try db.rows(AddressRuleTable.drop).first.map({ try $0.text(0) }) else { return nil }
            return JournalEntry("address_rule.removed", subject: "tenant:\(tenant)", details: ["before": .string(before)])
        }
    }

    /// Staff lets a tenant that locked itself out back in: the rule binds nobody until then. Nil: it binds again at once.
    package func lift(_ tenant: TenantID, until: Timestamp?, reason: String, _ act: Act) async throws {
        let action = until == nil ? "address_rule.bound_again" : "address_rule.lifted"
        let details: JSONValue = ["reason": .string(reason), "until": until.map { .string($0.iso8601) } ?? .null]
        try await changeRule(of: tenant, act) { db in
            guard try !db.rows(AddressRuleTable.lift, until).isEmpty else { throw CommonProblems.notFound }
            return JournalEntry(action, subject: "tenant:\(tenant)", details: details)
        }
        try await store.kernel(KernelReason("tenancy.lift_address_rule")) { db in
            try db.journal(JournalEntry(action, subject: "tenant:\(tenant)", details: details), act, tenant: nil)
        }
    }

    /// The change and its entry in one transaction; the next request of everybody reads the store.
    private func changeRule(
        of tenant: TenantID, _ act: Act, _ body: @escaping @Sendable (any TenantScope) throws -> JournalEntry?
    ) async throws {
        defer { standings.forgetAll() }
        try await store.tenant(tenant) { db in
            if let entry = try body(db) { try db.journal(entry, act) }
        }
    }
}

extension AddressRule {
    /// From four columns beginning at `at`, the first of them not null.
    init(_ row: Row, at: Int) throws {
        networks = try row.text(at).split(separator: " ").compactMap { NetworkRange(String($0)) }
        coversLicenseKeys = try row.bool(at + 1)
        setAt = try row.time(at + 2)
        liftedUntil = try row.optional(at + 3, row.time)
    }
}

/// Every statement about them. Tenant scope, but for `ruleOf`.
enum AddressRuleTable {
    static let columns = "networks, covers_license_keys, set_at, lifted_until"
    static let ruleOf = SQL("tenancy.address_rule_of", "SELECT \(columns) FROM address_rule_all WHERE tenant_id = $1")
    static let insert = SQL(
        "tenancy.insert_address_rule",
        "INSERT INTO address_rule (tenant_id, networks, covers_license_keys, set_at, lifted_until) VALUES ($1, $2, $3, $4, NULL)")
    static let drop = SQL("tenancy.drop_address_rule", "DELETE FROM address_rule RETURNING networks")
    static let lift = SQL("tenancy.lift_address_rule", "UPDATE address_rule SET lifted_until = $1 RETURNING tenant_id")
}
