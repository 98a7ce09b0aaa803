import Store
import Vocabulary

/// After a restore: whoever was signed out since the backup would be signed in again, so nobody stays.
package enum RestoredSessions {
    private static let reason = KernelReason("identity.end_restored_sessions")

    /// Ends every session, a thousand at a time; answers how many were open.
    package static func end(_ store: any Store, _ act: Act) async throws -> Int {
        var ended = 0
        while true {
            let some = try await store.kernel(reason) { db in
                try db.rows(SessionTable.endSome, act.now, SessionEnd.restored.rawValue, 1_000).count
            }
            ended += some
            if some < 1_000 { return ended }
        }
    }
}
