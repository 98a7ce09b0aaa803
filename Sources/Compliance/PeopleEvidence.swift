import Foundation
import PluginKit
import Store
import Tenancy
import Vocabulary

/// What share of those with elevated roles has a second factor.
package struct SecondFactorEvidence: EvidenceSource {
    private let store: any Store
    private let tenancy: Tenancy
    private let reading: any SecondFactorReading
    package let kind = EvidenceKind.secondFactor
    package let name = "memberships and factors"
    static let elevated: [Role] = [.owner, .admin]

    package init(store: any Store, tenancy: Tenancy, reading: any SecondFactorReading) {
        self.store = store
        self.tenancy = tenancy
        self.reading = reading
    }

    package func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
        let people: [UserID]
        let roles: [Role]
        switch scope {
        case .platform:
            people = try await reading.platformPeople()
            roles = Role.ofPlatform
        case .tenant(let tenant):
            let tenancy = tenancy
            people = try await store.tenantRead(tenant) { db in
                try tenancy.roster(in: db).members.filter { $0.isActive(at: now) && Self.elevated.contains($0.role) }.map(\.user)
            }
            roles = Self.elevated
        }
        let holders = try await reading.holders(among: people)
        return SecondFactorFacts(
            isSupported: holders != nil, roles: roles.map(\.rawValue), elevated: people.count,
            withSecondFactor: holders.map { holders in people.count { holders.contains($0) } } ?? 0)
    }
}

/// What is left of the access of those whose membership ended in the last ninety days.
package struct LeaverEvidence: EvidenceSource {
    private let store: any Store
    private let tenancy: Tenancy
    private let reading: any AccessLeftReading
    package let kind = EvidenceKind.leavers
    package let name = "memberships, sessions and leases"
    private static let days: Int64 = 90
    private static let listed = 200
    private static let most = 5_000

    package init(store: any Store, tenancy: Tenancy, reading: any AccessLeftReading) {
        self.store = store
        self.tenancy = tenancy
        self.reading = reading
    }

    package func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
        guard case .tenant(let tenant) = scope else { return nil }
        let since = now - .days(Self.days)
        let tenancy = tenancy
        let gone = try await store.tenantRead(tenant) { db in try tenancy.departures(since: since, until: now, limit: Self.most + 1, in: db)
        }
        guard gone.count <= Self.most else { throw StoreFault.corrupt("more than \(Self.most) people left in \(Self.days) days") }
        var leavers: [LeaverFacts.Leaver] = []
        for departure in gone {
            let left = try await reading.left(to: departure.user, in: tenant, endedAt: departure.at, now: now)
            leavers.append(
                .init(
                    membership: departure.membership.description, endedAt: departure.at, sessions: left.sessions, leases: left.leases,
                    apiKeys: left.apiKeys, revokedAt: left.revokedAt))
        }
        let open = { (leaver: LeaverFacts.Leaver) in leaver.sessions > 0 || leaver.leases > 0 || (leaver.apiKeys ?? 0) > 0 }
        let sorted = leavers.filter(open) + leavers.filter { !open($0) }.sorted { $0.endedAt > $1.endedAt }
        return LeaverFacts(
            since: since, ended: leavers.count, leavers: Array(sorted.prefix(Self.listed)), withAccess: leavers.count(where: open))
    }
}
