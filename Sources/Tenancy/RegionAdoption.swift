import Foundation
import Store
import Vocabulary

/// A region that joins others, or that came back from a backup: makes it and the directory agree again.
extension RegionClaims {
    package struct Adopted: Sendable, Hashable {
        package var accounts = 0
        package var tenants = 0
        /// Accounts whose address leads to another region: they sign in nowhere but here, by this region's own address.
        package var conflicts: [UserID] = []
        /// What led to accounts that are not here.
        package var orphans = 0
        package init(accounts: Int = 0, tenants: Int = 0, conflicts: [UserID] = [], orphans: Int = 0) {
            self.accounts = accounts
            self.tenants = tenants
            self.conflicts = conflicts
            self.orphans = orphans
        }
    }
    private static let adopting = KernelReason("tenancy.adopt")
    private static let page = 500

    /// Tells the directory of every account and tenant that it does not know, and counts what leads here to nobody; with `repairs` gives
    /// that back. Repeating it changes nothing.
    /// - Parameter mail: an account's canonical address.
    package func adopt(repairs: Bool, _ act: Act, mail: (UserID) async throws -> String) async throws -> Adopted {
        var result = Adopted()
        try await adoptAccounts(into: &result, act, mail: mail)
        try await adoptTenants(into: &result)
        try await findOrphans(into: &result, repairs: repairs, act)
        return result
    }

    private func adoptAccounts(into result: inout Adopted, _ act: Act, mail: (UserID) async throws -> String) async throws {
        var last: [UInt8] = []
        while true {
            let after = last
            let users: [UserID] = try await store.kernelRead(Self.adopting) { db in
                try db.rows(ClaimTable.unclaimed, after, Self.page).map { try $0.id(0) }
            }
            for user in users {
                guard case .granted = try await claim(try await mail(user), for: user, act) else {
                    result.conflicts.append(user)
                    try await store.kernel(Self.adopting) { db in try release(user, in: db, act) }
                    continue
                }
                try await store.kernel(Self.adopting) { db in try confirm(user, in: db, act.now) }
                result.accounts += 1
            }
            guard users.count == Self.page, let end = users.last else { return }
            last = end.uuid.bytes
        }
    }

    private func adoptTenants(into result: inout Adopted) async throws {
        var last: [UInt8] = []
        while true {
            let after = last
            let tenants: [TenantID] = try await store.kernelRead(Self.adopting) { db in
                try db.rows(ClaimTable.tenants, after, Self.page).map { try $0.id(0) }
            }
            for tenant in tenants where try await directory.region(of: tenant) == nil {
                try await directory.route(tenant, to: home)
                result.tenants += 1
            }
            guard tenants.count == Self.page, let end = tenants.last else { return }
            last = end.uuid.bytes
        }
    }

    /// Claims of the last hour may be on their way.
    private func findOrphans(into result: inout Adopted, repairs: Bool, _ act: Act) async throws {
        var last: [UInt8] = []
        while true {
            let found = try await directory.mails(of: home, after: last, before: act.now - .hours(1), limit: Self.page)
            for entry in found {
                let isKnown = try await store.kernelRead(Self.adopting) { db in try db.row(ClaimTable.one, entry.user) != nil }
                guard !isKnown else { continue }
                result.orphans += 1
                if repairs { try await directory.release(entry.digest, region: home, user: entry.user) }
            }
            guard found.count == Self.page, let end = found.last else { return }
            last = end.digest
        }
    }
}
