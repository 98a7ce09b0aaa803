import Store
import Vocabulary

/// After a restore: the shared store may remember what these rows do not know.
package enum RestoredSeats {
    private static let reason = KernelReason("seats.restored")

    /// No end that stands in the shared store counts any more; each held seat gets a full term at the first look, as after a flush. The
    /// generation is the second of the restore: larger than any that was ever counted to, so that it was never met before.
    package static func begin(_ store: any Store, _ act: Act) async throws {
        try await store.kernel(reason) { db in
            guard let row = try db.row(SeatTable.memory) else { return }
            try db.run(SeatTable.keepMemory, max(try row.integer(0) + 1, act.now.seconds), "")
        }
    }
}
