import Store
import Tenancy
import Vocabulary

/// The person's data is kept and used for nothing (GDPR article 18): the account is closed, and says why until it is opened again.
extension Identity {
    private static let restricting = KernelReason("identity.restrict_processing")

    /// - Parameter closer: who lifts it: the person by `POST /api/v1/auth/reactivate`, or staff alone. Again changes nothing.
    package func restrict(_ user: UserID, by closer: Closer, _ act: Act) async throws {
        try await change(Self.restricting) { db in
            guard let account = try account(user, in: db), account.status != .erased else { return Changed(()) }
            guard try db.row(RestrictionTable.find, user) == nil else { return Changed(()) }
            try db.run(RestrictionTable.insert, user, act.now)
            try journal(
                "processing.restricted", "user:\(user)", .success, ["lifted_by": .string(closer.rawValue)], tenant: account.homeTenant,
                in: db, act)
            // Closed already: by whom stays as it is.
            guard account.status == .active else { return Changed(()) }
            return try close(user, home: account.homeTenant, by: closer, reason: nil, in: db, act)
        }
    }

    /// Why whoever proved the account does not get in.
    func closedProblem(_ user: UserID, in db: any KernelScope) throws -> Problem {
        try db.row(RestrictionTable.find, user) == nil ? IdentityProblems.accountDeactivated : IdentityProblems.processingRestricted
    }

    /// Whether the person is the last owner of a tenant with other members: then an account that is closed would leave them alone.
    package func isNeeded(_ user: UserID, now: Timestamp) async throws -> Bool {
        try await store.kernelRead(Self.restricting) { db in
            try tenancy.places(of: user, in: db, now: now).contains { place in
                let roster = try db.within(place.membership.tenant) { try tenancy.roster(in: $0) }
                return roster.isLastOwner(user, now: now) && roster.members.contains { $0.user != user && $0.isActive(at: now) }
            }
        }
    }
}

extension Factors {
    /// Refused unless the caller proved the account, in person, a moment ago: by signing in or by a second factor.
    package func requireRecentSignIn(_ caller: Principal, _ act: Act) async throws {
        guard caller.bounds.delegation == nil else { throw CommonProblems.forbidden }
        let session = try await requireOwnProof(caller)
        let proved = max(session.createdAt, session.factorAt ?? session.createdAt)
        guard act.now < proved + settings.seconds(FactorSettings.stepUpSeconds) else { throw FactorProblems.signInAgain }
    }
}

extension People {
    /// A person who is erased belongs nowhere any more. A tenant that would lose its last owner by it is answered instead: it has to leave
    /// as a whole.
    package func endPlaces(of user: UserID, _ act: Act) async throws -> [TenantID] {
        let places = try await store.kernelRead(KernelReason("people.end_places")) { db in
            try tenancy.places(of: user, in: db, now: act.now)
        }
        var last: [TenantID] = []
        for place in places {
            do {
                try await change(KernelReason("people.end_places"), in: place.membership.tenant) { db in
                    try end(place.membership, "erased", by: nil, in: db, act)
                }
            } catch let problem as Problem where problem.code == TenancyProblems.lastOwner.code {
                last.append(place.membership.tenant)
            }
        }
        return last
    }
}

/// Kernel scope.
enum RestrictionTable {
    static let find = SQL("identity.restriction", "SELECT since FROM processing_restriction WHERE user_id = $1")
    static let insert = SQL("identity.insert_restriction", "INSERT INTO processing_restriction (user_id, since) VALUES ($1, $2)")
    static let drop = SQL("identity.drop_restriction", "DELETE FROM processing_restriction WHERE user_id = $1 RETURNING user_id")
}
