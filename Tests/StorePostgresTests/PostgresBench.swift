import Foundation
import RoomTesting
import Store
import StorePostgres
import Synchronization
import Vocabulary

/// A database with one tenant table, `note`, on this process's server.
struct PostgresBench: Sendable {
    let store: PostgresStore
    let database: String
    let cluster: PostgresCluster
    let clock = ManualClock()
    let entropy = SeededEntropy(7)
    let sealer = TestSealer()
    let reason = KernelReason("test.look")

    static let note = Migration(
        room: "notes", name: "0001_create_note",
        sql: """
            CREATE TABLE note_all (
                tenant_id BLOB NOT NULL, id BLOB NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (tenant_id, id)
            ) WITHOUT ROWID, STRICT;
            CREATE TABLE kettle (id BLOB NOT NULL PRIMARY KEY, warmth INTEGER NOT NULL) WITHOUT ROWID, STRICT;
            """)
    static let insert = SQL("note.insert", "INSERT INTO note (tenant_id, id, text, count) VALUES ($1, $2, $3, $4)")
    static let texts = SQL("note.texts", "SELECT text FROM note ORDER BY id")

    init(
        topics: [String: [String]] = [:], migrations: [Migration] = [PostgresBench.note], writers: Int = 4,
        change: (inout PostgresLimits) -> Void = { _ in }
    ) async throws {
        cluster = try PostgresCluster.running()
        database = try cluster.database(migrations, seal: sealer)
        var limits = PostgresLimits()
        (limits.writers, limits.readers) = (writers, 2)
        change(&limits)
        store = PostgresBench.store(cluster, database, clock, entropy, sealer, topics, limits)
        try await store.begin(migrations)
    }
    static func store(
        _ cluster: PostgresCluster, _ database: String, _ clock: any Clock, _ entropy: any Entropy, _ sealer: any Sealer,
        _ topics: [String: [String]], _ limits: PostgresLimits
    ) -> PostgresStore {
        PostgresStore(
            url: cluster.served(database), migrateURL: cluster.url(database, as: PostgresRoles.migrate), clock: clock,
            entropy: entropy, sealer: sealer, topics: topics, limits: limits)
    }
    /// A second process's store over the same database.
    func another(_ topics: [String: [String]] = [:]) -> PostgresStore {
        PostgresBench.store(cluster, database, clock, SeededEntropy(8), sealer, topics, PostgresLimits())
    }
    func close() async {
        await store.close()
        // The server drops nothing while one of its processes stands still, as some tests want it: not for a thread that the others need.
        await withCheckedContinuation { done in
            Thread.detachNewThread { [cluster, database] in
                cluster.drop(database)
                done.resume()
            }
        }
    }
    var act: Act { Act(actor: .system("test"), requestID: "request-1", now: clock.now()) }
    func uuid(_ number: UInt8) -> UUID { UUID(bytes: [UInt8](repeating: number, count: 16)) }
    func tenant(_ number: UInt8) -> TenantID { TenantID(uuid(number)) }
    func add(_ tenant: TenantID, _ number: UInt8, _ text: String) async throws {
        let id = uuid(number)
        try await store.tenant(tenant) { db in try db.run(PostgresBench.insert, db.tenant, id, text, 1) }
    }
}
