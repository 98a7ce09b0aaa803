import Access
import Foundation
import Identity
import Licensing
import Offboarding
import PluginHost
import PluginKit
import Provisioning
import Store
import Tenancy
import Vocabulary

/// Licences and members, as Provisioning asks for them.
struct ProvisioningSurvey: TenantSurvey {
    let store: any Store
    let licenses: Licenses
    let tenancy: Tenancy
    let access: Access

    func tier(_ tenant: TenantID, now: Timestamp) async throws -> LiveTier? {
        guard let tier = try await licenses.tier(of: tenant, now: now) else { return nil }
        var after: License.ID?
        repeat {
            let page = try await licenses.list(tenant, after: after)
            if page.licenses.contains(where: { $0.tier == tier && [.active, .grace].contains($0.status(at: now)) }) {
                return LiveTier(name: tier, isLive: true)
            }
            after = page.next
        } while after != nil
        return LiveTier(name: tier, isLive: false)
    }

    func holders(_ tenant: TenantID, _ act: Act) async throws -> Set<UserID> {
        guard let kind = try await tenancy.tenant(tenant)?.kind else { return [] }
        var (holders, after) = (Set<UserID>(), MembershipID?.none)
        var answers: [String: Bool] = [:]
        while true {
            let from = after
            let page = try await store.tenantRead(tenant) { [tenancy] db in
                try tenancy.members(after: from, limit: 500, in: db, now: act.now)
            }
            for membership in page.map(\.membership) {
                let role = membership.role
                if answers[role.rawValue] == nil {
                    let names = try await access.permissions(of: role, tenant: tenant, kind: kind, act: act)
                    answers[role.rawValue] = names.contains(ProvisioningPermissions.use.name)
                }
                if answers[role.rawValue] == true { holders.insert(membership.user) }
            }
            guard page.count == 500, let last = page.last?.membership.id else { return holders }
            after = last
        }
    }

    func kept(_ tenant: TenantID, _ act: Act) async throws -> [UserID: Bool] {
        let keeps = try await keeps(tenant, act)
        return Dictionary(keeps.map { ($0.user, $0.isOpenToOwners) }) { $0 && $1 }
    }
    func opened(to user: UserID, in tenant: TenantID, _ act: Act) async throws -> Set<UserID> {
        let open = try await keeps(tenant, act).filter(\.isOpenToOwners).map(\.user)
        guard !open.isEmpty, try await tenancy.owners(of: tenant).contains(user) else { return [] }
        // Whoever is back has it alone, heard of or not.
        return try await store.tenantRead(tenant) { [tenancy] db in
            Set(try open.filter { try tenancy.member(of: $0, in: db)?.membership.isActive(at: act.now) != true })
        }
    }
    private func keeps(_ tenant: TenantID, _ act: Act) async throws -> [WorkstationKeep] {
        try await store.tenantRead(tenant) { [tenancy] db in try Offboarding.keeps(in: db, tenancy: tenancy, now: act.now) }
    }

    func owner(_ tenant: TenantID) async throws -> UserID? { try await tenancy.owners(of: tenant).first }
    func region(_ tenant: TenantID) async throws -> String { try await tenancy.tenant(tenant)?.region.rawValue ?? tenancy.region.rawValue }
}

/// The first key of a tenant is an API key as any other.
struct ProvisioningKeys: FirstKeys {
    let keys: APIKeys
    let tenancy: Tenancy

    func permissions(_ owner: UserID, _ tenant: TenantID, _ act: Act) async throws -> [String] {
        try await keys.carried(by: owner, tenant, act)
    }
    func issue(
        to owner: UserID, permissions: [String], of tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws -> (id: APIKeyID, text: String) {
        try keys.issue(name: "First key", to: owner, permissions: permissions, of: tenant, in: db, act)
    }
    func revoke(_ id: APIKeyID, of tenant: TenantID, in db: any KernelScope, _ act: Act) throws {
        try keys.takeBack(id, of: tenant, in: db, act)
    }
}

/// The provisioners at work, and what they keep for a tenant.
struct ProvisioningMakers: WorkstationMakers {
    let host: PluginHost
    let values: PluginValues

    func provisioner(_ plugin: String) -> (any Provisioner)? { host.provisioner(plugin) }
    func secret(_ plugin: String, tenant: TenantID, place: String) async throws -> String? {
        try await values.value(place, in: PluginSpaceName(plugin: plugin, tenant: tenant.description)).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
