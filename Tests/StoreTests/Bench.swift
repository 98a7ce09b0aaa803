import Foundation
import Store
import StoreSQLite
import Synchronization
import Vocabulary

/// A store in a temporary folder with one tenant table, `note`, and hands on its clock.
struct Bench: Sendable {
    let folder: URL
    var store: SQLiteStore
    let clock = HandClock()
    let entropy = CountingEntropy()
    let reason = KernelReason("test.look")
    var file: URL { folder.appendingPathComponent("platform.db") }

    init(
        topics: [String: [String]] = [:], migrations: [Migration] = [NoteTable.migration], limits: SQLiteLimits = SQLiteLimits()
    ) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        store = try SQLiteStore(
            file: folder.appendingPathComponent("platform.db"), clock: clock, entropy: entropy, sealer: XORSealer(), topics: topics,
            limits: limits)
        _ = try await store.migrate(migrations)
    }
    /// A second store over the same file, as another process would have it.
    func another(topics: [String: [String]] = [:], limits: SQLiteLimits = SQLiteLimits()) throws -> SQLiteStore {
        try SQLiteStore(file: file, clock: clock, entropy: entropy, sealer: XORSealer(), topics: topics, limits: limits)
    }
    func with(_ store: SQLiteStore) -> Bench {
        var copy = self
        copy.store = store
        return copy
    }
    /// Closes the store and removes its folder.
    func close() async {
        await store.close()
        try? FileManager.default.removeItem(at: folder)
    }
    var act: Act { Act(actor: .system("test"), requestID: "request-1", now: clock.now()) }
    func tenant(_ number: UInt8) -> TenantID { TenantID(uuid(number)) }
    func uuid(_ number: UInt8) -> UUID { UUID(bytes: [UInt8](repeating: number, count: 16)) }
    func addNote(_ tenant: TenantID, _ number: UInt8, _ text: String) async throws {
        let id = uuid(number)
        try await store.tenant(tenant) { db in try db.run(NoteTable.insert, db.tenant, id, text) }
    }
}

enum NoteTable {
    static let migration = Migration(
        room: "notes", name: "0001_create_note",
        sql: """
            CREATE TABLE note_all (
                tenant_id BLOB NOT NULL,
                id BLOB NOT NULL,
                text TEXT NOT NULL,
                PRIMARY KEY (tenant_id, id)
            ) WITHOUT ROWID, STRICT;
            """)
    static let insert = SQL("note.insert", "INSERT INTO note (tenant_id, id, text) VALUES ($1, $2, $3)")
    static let all = SQL("note.all", "SELECT text FROM note ORDER BY id")
}

struct Happened: PlatformEvent {
    static let topic = "test.happened"
    static let summary = "Something happened in a test."
    var what: String
}

final class Tally: Sendable {
    private let items = Mutex<[String]>([])
    func add(_ item: String) { items.withLock { $0.append(item) } }
    var all: [String] { items.withLock { $0 } }
}

final class HandClock: Clock {
    private let time = Mutex(Timestamp(seconds: 1_800_000_000))
    func now() -> Timestamp { time.withLock { $0 } }
    func monotonic() -> Duration { .microseconds(now().microseconds) }
    func advance(by span: Duration) { time.withLock { $0 = $0 + span } }
}

final class CountingEntropy: Entropy {
    private let next = Mutex<UInt64>(0)
    func bytes(_ count: Int) -> [UInt8] {
        let number = next.withLock { value in
            value += 1
            return value
        }
        return (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * ((count - 1 - $0) % 8))) }
    }
}

/// Not encryption: enough to see that what is stored is not the plain text and that the context is bound.
struct XORSealer: Sealer {
    private func mask(_ bytes: [UInt8], _ context: String) -> [UInt8] {
        let stream = StoreDigest.sha256(Array(context.utf8))
        return bytes.enumerated().map { $1 ^ stream[$0 % 32] }
    }
    func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { mask(plain, context) }
    func open(_ box: [UInt8], context: String) throws -> [UInt8] { mask(box, context) }
    func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] { mask(plain, "\(person)\(context)") }
    func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] { mask(box, "\(person)\(context)") }
    func discard(person: UserID) throws {}
    func destroy(person: UserID) throws {}
    func digest(_ plain: [UInt8], purpose: String) -> [UInt8] { StoreDigest.sha256(Array(purpose.utf8) + plain) }
}
