import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Sessions by what made them: when a provider's key is found to be in wrong hands, exactly those that it opened are ended.
extension Federation {
    package struct IssuedSession: Sendable, Hashable {
        package let id: AuthSessionID
        package let user: UserID
        package let tenant: TenantID
        package let factor: String
        /// It was still good, and is ended by this call or would be.
        package let wasActive: Bool
        package let createdAt: Timestamp
        package let lastUsedAt: Timestamp
        /// Digest of issuer and subject, as hex.
        package let assertion: String?
        /// What was done by this person, in this tenant, between the session's opening and its last use.
        package var acts: [Deed]
    }
    package struct Deed: Sendable, Hashable {
        package let at: Timestamp
        package let action: String
        package let subject: String
        package let outcome: String
    }
    package static let mostSessions = 10_000
    package static let mostDeeds = 1_000

    /// Ends what `key` opened in `from ..< to`, unless `isTrial`; lists all of it with what was done, ended before or not.
    package func revoke(
        issuedBy key: String, from: Timestamp, to: Timestamp, isTrial: Bool, _ act: Act
    ) async throws -> [IssuedSession] {
        var found = try await store.kernelRead(KernelReason("identity.sessions_issued_by")) { db in
            try db.rows(FederationTable.issuedBy, key, from, to, Self.mostSessions).map { row in
                IssuedSession(
                    id: try row.id(0), user: try row.id(1), tenant: try row.id(2), factor: try row.text(3),
                    wasActive: try row.text(4) == "active", createdAt: try row.time(5), lastUsedAt: try row.time(6),
                    assertion: try row.optional(7, row.blob).map { Hex.encode($0) }, acts: [])
            }
        }
        if !isTrial {
            let active = found.filter(\.wasActive)
            try await identity.change(KernelReason("identity.revoke_issued_by")) { db in
                var ended: [AuthSessionID] = []
                for session in active {
                    let rows = try db.rows(FederationTable.endSession, session.id, act.now, SessionEnd.revokedByOperator.rawValue)
                    guard let row = rows.first else { continue }
                    try identity.journal(
                        "session.ended", "session:\(session.id)", .success,
                        [
                            "user": .string(session.user.description), "reason": .string(SessionEnd.revokedByOperator.rawValue),
                            "issued_by": .string(key),
                        ], tenant: try row.id(1), in: db, act)
                    ended.append(session.id)
                }
                return Changed((), sessions: ended)
            }
        }
        for index in found.indices { found[index].acts = try await deeds(found[index]) }
        return found
    }

    /// Its last use is kept to within `identity.last_use_seconds`, so that much longer is looked at.
    private func deeds(_ session: IssuedSession) async throws -> [Deed] {
        let end = session.lastUsedAt + settings.seconds(IdentitySettings.lastUseSeconds)
        return try await store.kernelRead(KernelReason("identity.deeds_of_session")) { db in
            try db.rows(FederationTable.deeds, session.tenant, session.createdAt, end, "user:\(session.user)", Self.mostDeeds).map {
                Deed(at: try $0.time(0), action: try $0.text(1), subject: try $0.text(2), outcome: try $0.text(3))
            }
        }
    }
}
