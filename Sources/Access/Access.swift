import HookEngine
import Identity
import Store
import Tenancy
import Vocabulary

package enum AccessRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "access", bundle: .module) }
}

/// Decides permissions by asking policy, at each use.
///
/// No answer is kept: every decision is recorded where it is used, a changed matrix counts at the next request, and a policy may go by the
/// time. What must not wait for a policy (heartbeats) is a route of its own access class and asks nothing.
package struct Access: Sendable {
    private let hooks: any Hooks
    private let tenancy: Tenancy
    private let store: any Store
    /// Every permission that some route or service declares.
    private let register: [Permission]
    private let listings: FreshCache<ListingKey, Listing>

    private struct ListingKey: Hashable, Sendable {
        let role: Role
        let tenant: TenantID
        let kind: Tenant.Kind
    }
    private struct Listing: Sendable {
        let policyHash: String
        let tenantPolicyHash: String?
        let madeAt: Timestamp
        let names: [String]
    }

    package init(hooks: any Hooks, tenancy: Tenancy, store: any Store, permissions: [Permission]) {
        self.hooks = hooks
        self.tenancy = tenancy
        self.store = store
        self.register = Set(permissions).sorted { $0.name < $1.name }
        self.listings = FreshCache(capacity: 2_000)
    }

    /// Throws `forbidden` when the matrix does not grant it, `policy_denied` with the reason when a policy forbids it.
    package func require(_ permission: Permission, of principal: Principal, _ act: Act) async throws {
        guard let place = try await tenancy.standing(of: principal.user, in: principal.tenant), place.isActive(at: act.now) else {
            throw CommonProblems.forbidden
        }
        if let refusal = Self.refusal(permission, principal.bounds.delegation) {
            try await refuse(permission, principal, refusal.code, nil, act)
            throw refusal
        }
        let verdict = try await ask(Role(rawValue: principal.role), permission, principal.tenant, place.tenantKind, act)
        guard case .deny(let reason, let seconds) = verdict.outcome else {
            if principal.role == Role.auditor.rawValue { try await watch(permission, principal, verdict.decision, act) }
            return
        }
        try await refuse(permission, principal, reason, verdict.decision, act)
        throw Self.problem(reason, retryAfterSeconds: seconds)
    }

    /// What stands between a delegate and a permission that the person in whose place it acts may well have.
    static func refusal(_ permission: Permission, _ delegation: Principal.Delegation?) -> Problem? {
        switch delegation {
        case nil: nil
        case .key(_, let permissions):
            permission.delegates != .none && permissions.contains(permission.name) ? nil : CommonProblems.keyOutOfScope
        case .impersonation: permission.delegates == .all ? nil : CommonProblems.impersonationLimited
        }
    }

    private func refuse(
        _ permission: Permission, _ principal: Principal, _ reason: String, _ decision: DecisionID?, _ act: Act
    ) async throws {
        let entry = JournalEntry(
            "permission.refused", subject: "permission:\(permission)", outcome: .denied,
            details: ["reason": .string(reason), "role": .string(principal.role)], decision: decision)
        try await store.tenant(principal.tenant) { db in try db.journal(entry, act) }
    }

    /// Everything that an auditor looks at stands in the journal, before it is shown.
    private func watch(_ permission: Permission, _ principal: Principal, _ decision: DecisionID, _ act: Act) async throws {
        let entry = JournalEntry(
            "permission.used", subject: "permission:\(permission)", details: ["role": .string(principal.role)], decision: decision)
        try await store.tenant(principal.tenant) { db in try db.journal(entry, act) }
    }

    /// The engine's reason when every policy abstains, and the two that a matrix may give in its place.
    private static let ungranted: Set<String> = ["no_policy_allows", "not_granted", "role_lacks_permission"]

    /// "Nobody granted it" is the caller's role; any other reason is a rule with a name.
    static func problem(_ reason: String, retryAfterSeconds: Int64?) -> Problem {
        ungranted.contains(reason) ? CommonProblems.forbidden : CommonProblems.denied(reason, retryAfterSeconds: retryAfterSeconds)
    }

    private func ask(
        _ role: Role, _ permission: Permission, _ tenant: TenantID, _ kind: Tenant.Kind, _ act: Act
    ) async throws -> Verdict<RoleCheckHook.Terms> {
        try await hooks.decide(
            RoleCheckHook.self, RoleCheckHook.Input(role: role, permission: permission.name, tenantKind: kind),
            HookSubject(tenant: tenant, tier: nil, requestID: act.requestID, now: act.now, asksTenant: permission.asksTenant))
    }
}

extension Access: PermissionLister {
    /// What the role may do, to be shown; each use is asked again. A list is kept for five minutes and while the policies are the same:
    /// one question tells whether they are.
    package func permissions(of role: Role, tenant: TenantID, kind: Tenant.Kind, act: Act) async throws -> [String] {
        let key = ListingKey(role: role, tenant: tenant, kind: kind)
        // The first question tells which policies answer; it must be one that the tenant's own are asked too.
        guard let first = register.first(where: \.asksTenant) else { return [] }
        let verdict = try await ask(role, first, tenant, kind, act)
        if let kept = listings.peek(key), kept.policyHash == verdict.policyHash, kept.tenantPolicyHash == verdict.tenantPolicyHash,
            kept.madeAt <= act.now, act.now < kept.madeAt + .minutes(5)
        {
            return kept.names
        }
        var names = verdict.outcome == .allow ? [first.name] : []
        for permission in register where permission != first {
            if try await ask(role, permission, tenant, kind, act).outcome == .allow { names.append(permission.name) }
        }
        let listing = Listing(policyHash: verdict.policyHash, tenantPolicyHash: verdict.tenantPolicyHash, madeAt: act.now, names: names)
        listings.forget(key)
        return try await listings.value(key) { listing }?.names ?? names
    }
}
