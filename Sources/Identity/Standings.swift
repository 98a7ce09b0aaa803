import Foundation
import Store
import Tenancy
import Vocabulary

/// What every request of a signed-in caller is checked against, kept in memory and exact while one process writes: each change of a
/// session, a person or a withdrawn token calls `forget…` after its commit and before it answers (`FreshCache`).
struct Standings: Sendable {
    struct Session: Sendable, Hashable {
        let user: UserID
        /// The tenant that a page speaks for; a token names its own.
        let tenant: TenantID
        let kind: AuthSession.Kind
        let isActive: Bool
        let secretDigest: [UInt8]
        let expiresAt: Timestamp
        var lastUsedAt: Timestamp
        /// Staff in the place of the user.
        var impersonation: Impersonation?
        /// When it last proved a second factor.
        var factorAt: Timestamp?
        /// A policy demands a second factor, and none was proved.
        var isDemanded = false
        /// A tenant's own provider opened it: it holds there alone, and what that tenant asks is that provider's to ask.
        var isOfTenantsProvider = false
        let createdAt: Timestamp
    }
    struct User: Sendable, Hashable {
        let isActive: Bool
        let platformRole: Role?
        let homeTenant: TenantID
        let createdAt: Timestamp
        let hasFactor: Bool
    }
    /// A tenant's rule on second factors.
    struct FactorRule: Sendable, Hashable {
        /// Nil: there is none.
        let enforcedFrom: Timestamp?
    }
    struct Withdrawal: Sendable, Hashable { let isWithdrawn: Bool }

    let sessions: FreshCache<AuthSessionID, Session>
    let users: FreshCache<UserID, User>
    let tokens: FreshCache<UUID, Withdrawal>
    /// By the shown prefix.
    let keys: FreshCache<String, APIKey>
    let rules: FreshCache<TenantID, FactorRule>

    init(capacity: Int) {
        sessions = FreshCache(capacity: capacity)
        users = FreshCache(capacity: capacity)
        tokens = FreshCache(capacity: capacity)
        keys = FreshCache(capacity: capacity)
        rules = FreshCache(capacity: capacity)
    }

    /// For a change whose answer was lost: whatever it did, the next request reads the store.
    func forgetAll() {
        sessions.forgetAll()
        users.forgetAll()
        tokens.forgetAll()
        keys.forgetAll()
        rules.forgetAll()
    }
}

extension Identity {
    /// A change in one kernel transaction, after which the sessions and the person that it names are read anew.
    func change<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Changed<Value>
    ) async throws -> Value {
        let changed: Changed<Value>
        do {
            changed = try await store.kernel(reason, body)
        } catch let problem as Problem {
            throw problem  // thrown by the body itself, which was rolled back: nothing changed
        } catch {
            standings.forgetAll()
            throw error
        }
        changed.sessions.forEach(standings.sessions.forget)
        changed.users.forEach(standings.users.forget)
        changed.tokens.forEach(standings.tokens.forget)
        changed.keys.forEach(standings.keys.forget)
        return changed.value
    }
}

/// What a change gives, and whom it touched.
struct Changed<Value: Sendable>: Sendable {
    var value: Value
    var sessions: [AuthSessionID] = []
    var users: [UserID] = []
    var tokens: [UUID] = []
    /// Prefixes of API keys.
    var keys: [String] = []
    init(_ value: Value, sessions: [AuthSessionID] = [], users: [UserID] = [], tokens: [UUID] = [], keys: [String] = []) {
        self.value = value
        self.sessions = sessions
        self.users = users
        self.tokens = tokens
        self.keys = keys
    }
}
