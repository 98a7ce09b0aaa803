import Store
import Vocabulary

/// After a restore: holders were told, and the shared store may remember, what these rows do not know.
package enum RestoredSeats {
    private static let reason = KernelReason("seats.restored")

    /// Each live lease gets a full term from now: until when its holder was last told to have it, nobody knows. Ends in the shared store
    /// count no more; seats that are held there get their term at the first look, as after a flush. The generation is the second of the
    /// restore: larger than any that was ever counted to, so that it was never met before.
    package static func begin(_ store: any Store, _ act: Act) async throws {
        try await store.kernel(reason) { db in
            if let reading = try db.row(SeatTable.readTime)?.integer(0) { try db.run(SeatTable.prolongAll, reading) }
            guard let row = try db.row(SeatTable.memory) else { return }
            try db.run(SeatTable.keepMemory, max(try row.integer(0) + 1, act.now.seconds), "")
        }
    }
}
