import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// Members of a tenant as persons: who they are, what becomes of them, who is invited. Its verbs stand in the files named after them.
package struct People: Sendable {
    let identity: Identity
    let tenancy: Tenancy
    var store: any Store { identity.store }
    var settings: Settings { identity.settings }
    var sealer: any Sealer { identity.vault.sealer }
    var entropy: any Entropy { identity.vault.entropy }
    /// Whether the tenant has proved that a mail domain is its own.
    let ownsDomain: @Sendable (String, TenantID) async throws -> Bool
    /// When a member who asks to leave has to go; nil: now. Composition asks the policy.
    package var notice: @Sendable (Membership, Act) async throws -> Timestamp? = { _, _ in nil }

    package init(identity: Identity, ownsDomain: @escaping @Sendable (String, TenantID) async throws -> Bool) {
        self.identity = identity
        self.tenancy = identity.tenancy
        self.ownsDomain = ownsDomain
    }

    package func jobs() -> [JobHandler] {
        [JobHandler(Self.overJob) { delivery, act in try await membershipOver(delivery, act) }]
    }

    /// A change of memberships: what the next request is checked against is read anew.
    struct Touched<Value: Sendable>: Sendable {
        var value: Value
        var sessions: [AuthSessionID] = []
        var users: [UserID] = []
        var keys: [String] = []
        init(_ value: Value, sessions: [AuthSessionID] = [], users: [UserID] = [], keys: [String] = []) {
            self.value = value
            self.sessions = sessions
            self.users = users
            self.keys = keys
        }
    }

    func change<Value: Sendable>(
        _ reason: KernelReason, in tenant: TenantID, _ body: @escaping @Sendable (any KernelScope) throws -> Touched<Value>
    ) async throws -> Value {
        let touched: Touched<Value>
        do {
            touched = try await identity.change(reason) { db in
                let touched = try body(db)
                return Changed(touched, sessions: touched.sessions, users: touched.users, keys: touched.keys)
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            tenancy.forgetAll()
            throw error
        }
        touched.users.forEach { tenancy.forget($0, in: tenant) }
        return touched.value
    }

    /// The caller's role in the tenant as it stands in this transaction.
    func role(of caller: Principal, in db: any KernelScope, now: Timestamp) throws -> Role {
        guard let place = try tenancy.standing(of: caller.user, in: caller.tenant, db), place.isActive(at: now) else {
            throw CommonProblems.forbidden
        }
        return place.membership.role
    }
}
