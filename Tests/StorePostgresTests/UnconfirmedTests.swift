import Foundation
import RoomTesting
import Store
import StorePostgres
import Testing
import Vocabulary

/// What a real standby that is away does is shown by `Tests/Interop/test_replicas.py`; here the server warns in each commit.
@Suite struct UnconfirmedTests {
    static let warning = """
        CREATE FUNCTION public.warn() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE WARNING ''committed here, and perhaps nowhere else''; RETURN NULL; END';
        """
    static let trigger = """
        CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON coditect.note_all DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.warn();
        """

    @Test(
        "a commit that the server warns of is not said to hold, nor that of a task that was cancelled meanwhile; the journal goes on",
        arguments: [false, true])
    func unconfirmed(isCancelled: Bool) async throws {
        let bench = try await PostgresBench(writers: 1)
        try bench.cluster.admin(bench.database, Self.warning)
        try bench.cluster.admin(bench.database, Self.trigger)
        let (store, a, act) = (bench.store, bench.tenant(1), bench.act)
        var told: [String] = []
        for (number, text) in [(UInt8(1), "first"), (2, "second")] {
            let id = bench.uuid(number)
            let (begun, tells) = AsyncStream.makeStream(of: Void.self)
            let goesOn = DispatchSemaphore(value: 0)
            let work = Task {
                try await store.tenant(a) { db in
                    try db.run(PostgresBench.insert, db.tenant, id, text, 1)
                    try db.journal(JournalEntry("note.added", subject: "note:\(number)"), act)
                    tells.yield()
                    goesOn.wait()
                }
            }
            for await _ in begun { break }
            if isCancelled { work.cancel() }
            goesOn.signal()
            do {
                try await work.value
                Issue.record("said to hold: \(text)")
            } catch StoreFault.outcomeUnknown {
                told.append(text)
            } catch is CancellationError where isCancelled {
                // The server heard of it before it had committed.
            }
        }
        #expect(isCancelled || told == ["first", "second"])
        let texts = try await store.tenantRead(a) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } }
        #expect(texts == told)
        try await store.tenant(a) { db in try db.journal(JournalEntry("note.kept", subject: "note:3"), act) }
        let entries = try await store.tenantRead(a) { try $0.rows(SQL("j", "SELECT seq FROM journal_entry")).count }
        #expect(entries == told.count + 1)
        #expect(try await JournalKeeper(store: store).verify(a.uuid) { _, _, _ in true }.findings.isEmpty)
        await bench.close()
    }
}
