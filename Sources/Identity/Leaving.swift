import Store
import Vocabulary

/// What a tenant's former member still has of sessions for it, and ending those.
extension Identity {
    /// Sessions of the user that speak for the tenant and could still be used if the membership came back; when the last of the others ended.
    package func sessionsLeft(
        of user: UserID, in tenant: TenantID, now: Timestamp
    ) async throws -> (open: Int, lastEndedAt: Timestamp?) {
        try await store.kernelRead(KernelReason("identity.sessions_left")) { db in
            var open = 0
            var last: Timestamp?
            for row in try db.rows(SessionTable.ofTenant, user, tenant) {
                let expires = try row.time(2)
                if let revoked = try row.optional(3, row.time) {
                    last = max(last ?? revoked, revoked)
                } else if expires > now {
                    open += 1
                } else {
                    last = max(last ?? expires, expires)
                }
            }
            return (open, last)
        }
    }

    /// Ends the user's sessions that speak for the tenant; those for other tenants go on.
    package func endSessions(of user: UserID, in tenant: TenantID, _ act: Act) async throws {
        try await change(KernelReason("identity.end_sessions_of_leaver")) { db in
            var ended: [AuthSessionID] = []
            for row in try db.rows(SessionTable.ofTenant, user, tenant) where try row.text(1) == "active" {
                let id: AuthSessionID = try row.id(0)
                guard try db.row(SessionTable.revoke, id, user, act.now, SessionEnd.membershipEnded.rawValue) != nil else { continue }
                ended.append(id)
            }
            try journalEnd(ended, of: user, .membershipEnded, tenant: tenant, in: db, act)
            return Changed((), sessions: ended)
        }
    }

    /// Everybody with a platform role.
    package func platformPeople() async throws -> [UserID] {
        try await store.kernelRead(KernelReason("identity.platform_people")) { db in
            try db.rows(UserTable.platformPeople).map { try $0.id(0) }
        }
    }
}
