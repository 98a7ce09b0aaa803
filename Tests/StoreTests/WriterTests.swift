import Foundation
import Store
import Synchronization
import Testing
import Vocabulary

@testable import StoreSQLite

@Suite struct WriterTests {
    struct Stop: Error {}

    /// Holds the writer until everything in `body` is queued, so that it goes into one commit.
    static func inOneCommit(_ bench: Bench, _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws -> [(
        any Error
    )?] {
        let (holder, held) = await hold(bench)
        return try await withThrowingTaskGroup(of: (Int, (any Error)?).self) { group in
            for number in 0..<count {
                group.addTask {
                    do { try await body(number) } catch { return (number, error) }
                    return (number, nil)
                }
            }
            while bench.store.statistics.waiting < count { await Task.yield() }
            held.signal()
            try await holder.value
            var errors = [(any Error)?](repeating: nil, count: count)
            for try await (number, error) in group { errors[number] = error }
            return errors
        }
    }
    /// A closure that keeps the writer busy until it is signalled.
    static func hold(_ bench: Bench) async -> (Task<Void, any Error>, DispatchSemaphore) {
        let held = DispatchSemaphore(value: 0)
        let (running, isRunning) = AsyncStream.makeStream(of: Void.self)
        let holder = Task {
            try await bench.store.kernel(bench.reason) { _ in
                isRunning.yield()
                held.wait()
            }
        }
        for await _ in running { break }
        return (holder, held)
    }
    static func notes(_ bench: Bench, _ tenant: TenantID) async throws -> [String] {
        try await bench.store.tenantRead(tenant) { try $0.rows(NoteTable.all).map { try $0.text(0) } }
    }

    @Test("without threads whoever asks does the work: many at once lose nothing, a thrown one is undone, after the end nobody is served")
    func withoutThreads() async throws {
        var limits = SQLiteLimits()
        limits.hasThreads = false
        let bench = try await Bench(limits: limits)
        let a = bench.tenant(1)
        let errors = await withTaskGroup(of: (any Error)?.self, returning: [any Error].self) { group in
            for number in UInt8(0)..<200 {
                group.addTask {
                    do {
                        try await bench.store.tenant(a) { db in
                            try db.run(NoteTable.insert, db.tenant, bench.uuid(number), "\(number)")
                            if number % 10 == 3 { throw Stop() }
                        }
                        // What one has written it reads.
                        let seen = try await WriterTests.notes(bench, a)
                        if !seen.contains("\(number)") { return StoreFault.corrupt("\(number) is not there") }
                    } catch { return error }
                    return nil
                }
            }
            return await group.reduce(into: []) { if let error = $1 { $0.append(error) } }
        }
        #expect(errors.count == 20 && errors.allSatisfy { $0 is Stop }, "\(errors)")
        #expect(try await WriterTests.notes(bench, a).count == 180)
        // Another process over the same file sees it, and the other way round.
        let other = try bench.another()
        _ = try await other.migrate([NoteTable.migration])
        try await bench.with(other).addNote(a, 203, "theirs")
        #expect(try await WriterTests.notes(bench, a).contains("theirs"))
        await other.close()
        await bench.store.close()
        await bench.store.close()
        await #expect(throws: StoreFault.self) { _ = try await WriterTests.notes(bench, a) }
        await #expect(throws: StoreFault.self) { try await bench.addNote(a, 204, "late") }
        await bench.close()
    }

    @Test("many closures share a commit; one that throws takes only its own changes back") func isolation() async throws {
        let bench = try await Bench()
        let a = bench.tenant(1)
        // The writer may be idle and take the holder alone: that is one commit, the rest is the other.
        let before = bench.store.statistics.commits
        let errors = try await WriterTests.inOneCommit(bench, 10) { number in
            let act = bench.act
            try await bench.store.tenant(a) { db in
                try db.run(NoteTable.insert, db.tenant, bench.uuid(UInt8(number)), "\(number)")
                try db.journal(JournalEntry("note.added", subject: "\(number)"), act)
                if number == 4 { throw Stop() }
                if number == 7 { try db.run(NoteTable.insert, db.tenant, bench.uuid(7), "again") }
            }
        }
        #expect(bench.store.statistics.commits - before == 2)
        #expect(errors.indices.filter { errors[$0] != nil } == [4, 7])
        #expect(errors[4] is Stop)
        guard case .conflict(_, let constraint)? = errors[7] as? StoreFault else { return #expect(Bool(false), "\(errors)") }
        #expect(constraint == "note_all.tenant_id, note_all.id")
        #expect(try await WriterTests.notes(bench, a) == ["0", "1", "2", "3", "5", "6", "8", "9"])
        let report = try await JournalKeeper(store: bench.store).verify(a.uuid, isSigned: { _, _, _ in true })
        #expect(report.isIntact && report.entries == 8)
        await bench.close()
    }

    @Test("when the engine undoes the whole transaction because of one closure, the others run again and commit") func lostBatch()
        async throws
    {
        var limits = SQLiteLimits()
        limits.tenantKilosteps = 200
        let bench = try await Bench(limits: limits)
        let a = bench.tenant(1)
        try await bench.store.tenant(a) { db in
            for number in 0..<40 { try db.run(NoteTable.insert, db.tenant, bench.uuid(UInt8(100 + number)), "old") }
        }
        let heavy = SQL("heavy", "UPDATE note SET text = 'x' WHERE (SELECT count(*) FROM note a, note b, note c, note d) > 0")
        let errors = try await WriterTests.inOneCommit(bench, 6) { number in
            let act = bench.act
            try await bench.store.tenant(a) { db in
                if number == 3 { try db.run(heavy) }
                try db.run(NoteTable.insert, db.tenant, bench.uuid(UInt8(number)), "new")
                try db.journal(JournalEntry("note.added", subject: "\(number)"), act)
            }
        }
        #expect(errors.indices.filter { errors[$0] != nil } == [3])
        guard case .budgetExceeded? = errors[3] as? StoreFault else { return #expect(Bool(false), "\(errors)") }
        #expect(bench.store.statistics.repeats > 0)
        #expect(try await WriterTests.notes(bench, a).filter { $0 == "new" }.count == 5)
        let report = try await JournalKeeper(store: bench.store).verify(a.uuid, isSigned: { _, _, _ in true })
        #expect(report.isIntact && report.entries == 5)
        await bench.close()
    }

    @Test("a flushed closure flushes its commit, a written one does not") func durability() async throws {
        let bench = try await Bench()
        let before = bench.store.statistics.flushes
        try await bench.store.kernel(bench.reason, .written) { _ in }
        #expect(bench.store.statistics.flushes == before)
        try await bench.store.kernel(bench.reason, .flushed) { _ in }
        #expect(bench.store.statistics.flushes == before + 1)
        try await bench.store.kernel(bench.reason, .written) { _ in }
        #expect(bench.store.statistics.flushes == before + 1)
        _ = try await WriterTests.inOneCommit(bench, 3) { number in
            try await bench.store.kernel(bench.reason, number == 1 ? .flushed : .written) { _ in }
        }
        #expect(bench.store.statistics.flushes == before + 2)
        await bench.close()
    }

    @Test("the engine's own setting follows the durability asked for") func synchronous() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sync-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let connection = try Connection(file: folder.appendingPathComponent("x.db"), isWriter: true, limits: SQLiteLimits())
        let ask = SQL("ask", "PRAGMA synchronous")
        #expect(try connection.rows(ask, [], as: .trusted).first?.int(0) == 1)
        try connection.execute(Writer.flushing)
        connection.forgetStatements()
        #expect(try connection.rows(ask, [], as: .trusted).first?.int(0) == 2)
        #expect(try connection.rows(SQL("mode", "PRAGMA journal_mode"), [], as: .trusted).first?.text(0) == "wal")
        #expect(try connection.rows(SQL("keys", "PRAGMA foreign_keys"), [], as: .trusted).first?.int(0) == 1)
        connection.close()
    }

    @Test("a full queue refuses at once, and what was queued is done") func overload() async throws {
        var limits = SQLiteLimits()
        limits.queue = 3
        let bench = try await Bench(limits: limits)
        let (holder, held) = await WriterTests.hold(bench)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<20 {
                group.addTask {
                    do {
                        try await bench.addNote(bench.tenant(1), UInt8(number), "x")
                        return true
                    } catch StoreFault.overloaded(let queue) {
                        return queue != "write"
                    } catch {
                        return true
                    }
                }
            }
            var refused = 0
            var done = 0
            for await isDone in group {
                if isDone { done += 1 } else { refused += 1 }
                if !isDone, refused == 17 {
                    let pool = bench.store.statistics.pools.first
                    #expect([pool?.workers, pool?.busy, pool?.waiting, pool?.refused] == [1, 1, 3, 17])
                    held.signal()
                }
            }
            return (done, refused)
        }
        try await holder.value
        #expect(outcomes == (3, 17))
        #expect(bench.store.statistics.pools.map(\.name) == ["write", "read"])
        #expect(try await WriterTests.notes(bench, bench.tenant(1)).count == outcomes.0)
        await bench.close()
    }

    @Test("many tasks of many tenants at once: every acknowledged write is there, in its own tenant, chained") func crowd() async throws {
        let bench = try await Bench()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<64 {
                group.addTask {
                    let tenant = bench.tenant(UInt8(1 + task % 8))
                    for step in 0..<25 {
                        let act = bench.act
                        let id: Identifier<Never> = bench.entropy.id(act.now)
                        try await bench.store.tenant(tenant, step % 10 == 0 ? .flushed : .written) { db in
                            try db.run(NoteTable.insert, db.tenant, id, "\(task % 8)")
                            try db.journal(JournalEntry("note.added", subject: id.description), act)
                        }
                        let seen = try await bench.store.tenantRead(tenant) { try $0.rows(NoteTable.all).map { try $0.text(0) } }
                        #expect(Set(seen) == ["\(task % 8)"])
                    }
                }
            }
            try await group.waitForAll()
        }
        for number in 0..<8 {
            let tenant = bench.tenant(UInt8(1 + number))
            #expect(try await WriterTests.notes(bench, tenant).count == 200)
            let report = try await JournalKeeper(store: bench.store).verify(tenant.uuid, isSigned: { _, _, _ in true })
            #expect(report.isIntact && report.entries == 200)
        }
        let statistics = bench.store.statistics
        #expect(statistics.commits < statistics.closures, "nothing was grouped")
        await bench.close()
    }

    @Test("a closed store refuses, after having done what was queued") func closing() async throws {
        let bench = try await Bench()
        let writes = (0..<20).map { number in Task { try await bench.addNote(bench.tenant(1), UInt8(number), "x") } }
        for write in writes { try await write.value }
        await bench.store.close()
        await #expect(throws: StoreFault.self) { try await bench.addNote(bench.tenant(1), 99, "x") }
        await #expect(throws: StoreFault.self) { _ = try await WriterTests.notes(bench, bench.tenant(1)) }
        let again = bench.with(try bench.another())
        #expect(try await WriterTests.notes(again, bench.tenant(1)).count == 20)
        await again.close()
    }
}
