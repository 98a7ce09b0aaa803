import Catalog
import Foundation
import LicenseFormat
import Signing
import Store
import Vocabulary

/// Keeps the licences of every tenant: issues them by payment state, proves them to clients, binds them to devices.
package struct Licenses: Sendable {
    let store: any Store
    let catalog: Catalog
    let sealer: any Sealer
    let signer: any Signer
    let entropy: any Entropy
    let settings: Settings
    /// The document of public keys, as the key ring publishes it.
    let publicKeys: @Sendable () -> JSONValue
    /// Whether a tenant lets its keys be used from an address: told by whoever keeps its networks. Nobody tells where there are none.
    package var admits: @Sendable (TenantID, String?, Timestamp) async throws -> Bool = { _, _, _ in true }

    package init(
        store: any Store, catalog: Catalog, sealer: any Sealer, signer: any Signer, entropy: any Entropy, settings: Settings,
        publicKeys: @escaping @Sendable () -> JSONValue
    ) {
        self.store = store
        self.catalog = catalog
        self.sealer = sealer
        self.signer = signer
        self.entropy = entropy
        self.settings = settings
        self.publicKeys = publicKeys
    }

    // MARK: Inside a caller's transaction

    /// Every licence of the tenant, the oldest first.
    package func licenses(in db: any TenantScope) throws -> [License] {
        let catalog = try catalog.inForce(in: db)
        return try db.rows(LicenseTable.licenses).map { try license($0, catalog, tenant: db.tenant) }
    }
    package func license(_ id: License.ID, in db: any TenantScope) throws -> License? {
        try db.row(LicenseTable.license, id).map { try license($0, catalog.inForce(in: db), tenant: db.tenant) }
    }

    /// What stands for a hardware id in this tenant's tables and in what policies see.
    package func device(_ hardwareID: String, tenant: TenantID) -> DeviceHandle {
        DeviceHandle(sealer.digest(Array("\(tenant)/\(hardwareID)".utf8), purpose: "licensing.device"))
    }

    /// What stands for a machine's name in what policies see, and so in the decision log: comparable within the tenant, not readable.
    /// 32 hexadecimal digits.
    package func nameHandle(_ hostname: String, tenant: TenantID) -> String {
        Hex.encode(sealer.digest(Array("\(tenant)/\(hostname)".utf8), purpose: "licensing.hostname").prefix(16))
    }

    // MARK: By itself

    /// Licences in the order in which they came to be.
    package func list(_ tenant: TenantID, after: License.ID? = nil, limit: Int = 100) async throws -> LicensePage {
        try await store.tenantRead(tenant) { db in
            let catalog = try catalog.inForce(in: db)
            let found = try db.rows(LicenseTable.page, after?.uuid.bytes ?? [], limit + 1).map {
                try license($0, catalog, tenant: tenant)
            }
            return LicensePage(licenses: Array(found.prefix(limit)), next: found.count > limit ? found[limit - 1].id : nil)
        }
    }

    /// The tier that policies see of a tenant: of the licence in use, a paid one before the free one, the oldest of several. One that is suspended or
    /// over still counts where there is no better: whoever stops paying does not leave the rules of the tier behind.
    package func tier(of tenant: TenantID, now: Timestamp) async throws -> String? {
        let all = try await store.tenantRead(tenant) { db in try licenses(in: db) }
        func rank(_ license: License) -> Int {
            let isInUse = [.active, .grace].contains(license.status(at: now))
            return (isInUse ? 0 : 2) + (license.origin == .free ? 1 : 0)
        }
        let standing = all.filter { $0.status(at: now) != .revoked }
        guard let best = standing.map(rank).min() else { return nil }
        return standing.first { rank($0) == best }?.tier
    }

    package struct Detail: Sendable {
        package let license: License
        package let key: String
        package let activations: [Activation]
    }

    /// The licence with its key and its first hundred devices, for those who may see the key; that it was shown is journalled.
    package func reveal(_ id: License.ID, tenant: TenantID, _ act: Act) async throws -> Detail {
        try await store.tenant(tenant) { db in
            guard let license = try license(id, in: db), let box = try db.row(LicenseTable.keyBox, id)?.blob(0) else {
                throw CommonProblems.notFound
            }
            try db.journal(JournalEntry("license.key_shown", subject: "license:\(id)"), act)
            return Detail(
                license: license, key: String(decoding: try sealer.open(box, context: Self.keyContext(id)), as: UTF8.self),
                activations: try activations(of: id, after: nil, limit: 100, in: db))
        }
    }

    /// The devices of a licence, the oldest first; nil for a licence that the tenant has not.
    package func activations(
        of id: License.ID, tenant: TenantID, after: Activation.ID? = nil, limit: Int = 100
    ) async throws -> [Activation]? {
        try await store.tenantRead(tenant) { db in
            guard try license(id, in: db) != nil else { return nil }
            return try activations(of: id, after: after, limit: limit, in: db)
        }
    }
    private func activations(of id: License.ID, after: Activation.ID?, limit: Int, in db: any TenantScope) throws -> [Activation] {
        try db.rows(LicenseTable.activations, id, after?.uuid.bytes ?? [], limit).map { try activation($0, license: id) }
    }

    /// What the tenant may do at all: each feature that any usable licence grants, each limit at its widest.
    package func features(_ tenant: TenantID, now: Timestamp) async throws -> (features: [String: JSONValue], limits: [String: JSONValue]) {
        let usable = try await store.tenantRead(tenant) { db in try licenses(in: db) }.filter { $0.status(at: now).isUsable }
        var features: [String: JSONValue] = [:]
        var limits: [String: JSONValue] = [:]
        for grant in usable.map(\.grant) {
            features.merge(grant.features) { .bool($0.bool == true || $1.bool == true) }
            limits.merge(grant.limits) { left, right in
                guard let a = left.int, let b = right.int else { return .null }
                return .int(max(a, b))
            }
        }
        return (features, limits)
    }

    // MARK: Reading rows

    func license(_ row: Row, _ catalog: TenantCatalog, tenant: TenantID) throws -> License {
        guard let origin = License.Origin(text: try row.text(1)),
            let standing = StandingChanged.Standing(rawValue: try row.text(5))
        else { throw StoreFault.corrupt("a licence of unknown origin or standing") }
        let (tier, quantity) = (try row.text(2), try row.int(3))
        let grant = try grant(tier, quantity: quantity, catalog) ?? JSONCoding.decode(TierGrant.self, Data(try row.text(10).utf8))
        return License(
            id: try row.id(0), tenant: tenant, origin: origin, tier: tier, quantity: quantity, version: try row.integer(4),
            terms: LicenseTerms(
                standing: standing, periodEnd: try row.optional(6, row.time), graceUntil: try row.optional(7, row.time),
                cancelsAt: try row.optional(8, row.time), revokedAt: try row.optional(9, row.time),
                heldAt: try row.optional(12, row.time)), grant: grant,
            issuedAt: try row.time(11))
    }

    func activation(_ row: Row, license: License.ID) throws -> Activation {
        let id: Activation.ID = try row.id(1)
        let name = try row.optional(2, row.blob).map { String(decoding: try sealer.open($0, context: Self.nameContext(id)), as: UTF8.self) }
        return Activation(id: id, license: license, device: DeviceHandle(try row.blob(0)), machineName: name, activatedAt: try row.time(3))
    }

    /// What the tenant's catalog grants; nil for a tier that is gone.
    func grant(_ tier: String, quantity: Int, _ catalog: TenantCatalog) -> TierGrant? {
        guard let tier = catalog[tier] else { return nil }
        var features: [String: JSONValue] = [:]
        var limits: [String: JSONValue] = [:]
        for (name, entitlement) in tier.entitlements {
            if case .flag = entitlement { features[name] = entitlement.json } else { limits[name] = entitlement.json }
        }
        for (name, quota) in tier.quotas { limits[name] = quota.limit.map(JSONValue.int) ?? .null }
        return TierGrant(
            tierName: tier.name, seats: tier.seats(quantity: quantity), devices: tier.devices(quantity: quantity), features: features,
            limits: limits, hardwareMatch: tier.hardwareMatch)
    }

    static func keyContext(_ id: License.ID) -> String { "license.key:\(id)" }
    static func nameContext(_ id: Activation.ID) -> String { "activation.machine_name:\(id)" }
    static let keyPurpose = "licensing.key"
}

package struct LicensePage: Sendable {
    package let licenses: [License]
    /// Where the next page begins; nil: this was the last.
    package let next: License.ID?
}
