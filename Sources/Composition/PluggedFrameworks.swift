import Compliance
import Identity
import PluginHost
import PluginKit
import Seats
import Store
import Tenancy
import Vocabulary

/// The compliance plugins in service, as Compliance asks for them.
struct PluggedFrameworks: FrameworkDesk {
    let host: PluginHost

    var offered: [OfferedFramework] {
        var seen: Set<String> = []
        // Of two plugins with one framework the first counts.
        return host.frameworks.filter { seen.insert($0.about.id).inserted }.map {
            OfferedFramework(plugin: $0.plugin, version: $0.version, digest: $0.digest, about: $0.about)
        }
    }
    func answer(_ question: ControlQuestion, by framework: String) async throws -> ControlAnswer {
        guard let hosted = host.frameworks.first(where: { $0.about.id == framework }) else { throw FrameworkFailure("it is not at work") }
        return try await hosted.answer(question)
    }
}

/// What the rooms know of people, as Compliance asks for it.
struct EvidenceOfPeople: SecondFactorReading, AccessLeftReading, MembershipEnding {
    let store: any Store
    let tenancy: Tenancy
    let identity: Identity
    let leases: Leases
    let ledger: any LeaseLedger

    func holders(among users: [UserID]) async throws -> Set<UserID>? { try await identity.factorHolders(among: users) }
    func platformPeople() async throws -> [UserID] { try await identity.platformPeople() }

    func left(to user: UserID, in tenant: TenantID, endedAt: Timestamp, now: Timestamp) async throws -> AccessLeft {
        let sessions = try await identity.sessionsLeft(of: user, in: tenant, now: now)
        let live = try await ledger.leases(LeaseQuery(tenant: tenant, user: user), now: now)
        return AccessLeft(
            sessions: sessions.open, leases: live.count, apiKeys: nil, revokedAt: sessions.lastEndedAt.flatMap { $0 >= endedAt ? $0 : nil })
    }

    func end(_ membership: MembershipID, of user: UserID, in tenant: TenantID, by role: Role, _ act: Act) async throws {
        // Staff act with the rank of an owner.
        let actor = Role.ofPlatform.contains(role) ? nil : role
        defer { tenancy.forget(user, in: tenant) }
        try await store.tenant(tenant) { [tenancy] db in
            _ = try tenancy.apply(.end(membership), in: db, by: actor, act)
            try db.emit(MemberAccessChanged(tenant: tenant, user: user, membership: membership, reason: "removed", permissions: []), act)
        }
        try await identity.endSessions(of: user, in: tenant, act)
        for _ in 0..<100 {
            let live = try await ledger.leases(LeaseQuery(tenant: tenant, user: user), now: act.now)
            for lease in live { try await leases.forceRelease(lease.lease.id, tenant: tenant, reason: "membership ended", act) }
            if live.count < 100 { return }
        }
    }
}
