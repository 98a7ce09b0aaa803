import Foundation
import RoomTesting
import Store
import Synchronization
import Testing
import Vocabulary

@testable import StorePostgres

@Suite struct PostgresStoreTests {
    struct Rung: PlatformEvent {
        static let topic = "test.rung"
        static let summary = "A bell rang in a test."
        var bell: Int
    }

    @Test("a row written in a tenant's scope is read in that scope and in no other") func scoping() async throws {
        let bench = try await PostgresBench()
        let (a, b) = (bench.tenant(1), bench.tenant(2))
        try await bench.add(a, 1, "of a")
        try await bench.add(b, 1, "of b")
        let seen = try await bench.store.tenantRead(a) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } }
        #expect(seen == ["of a"])
        let count = try await bench.store.kernelRead(bench.reason) { try $0.row(SQL("count", "SELECT count(*) FROM note_all"))?.int(0) }
        #expect(count == 2)
        let within = try await bench.store.kernel(bench.reason) { db in
            try db.within(b) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } }
                + db.rows(SQL("all", "SELECT text FROM note_all ORDER BY text")).map { try $0.text(0) }
        }
        #expect(within == ["of b", "of a", "of b"])
        await bench.close()
    }

    @Test("a crowd of transactions is served over as few server connections as a pooler has, and each knows where it is") func pooled()
        async throws
    {
        let bench = try await PostgresBench(writers: 6)
        let link = try PostgresLink(url: bench.cluster.served(bench.database), limits: PostgresLimits())
        #expect((link.backend == nil) == PostgresCluster.isPooled)
        let store = bench.store
        let seen = Guarded((backends: Set<Int64>(), tenants: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in UInt8(1)...40 {
                let (tenant, id) = (bench.tenant(number), bench.uuid(number))
                group.addTask {
                    try await store.tenant(tenant) { db in try db.run(PostgresBench.insert, db.tenant, id, "of \(number)", 1) }
                    let own = try await store.tenantRead(tenant) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } }
                    let backend = try await store.kernelRead(KernelReason("test.backend")) {
                        try $0.row(SQL("pid", "SELECT pg_backend_pid()"))?.integer(0)
                    }
                    seen.with { seen in
                        if let backend { seen.backends.insert(backend) }
                        if own == ["of \(number)"] { seen.tenants += 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        let (backends, tenants) = seen.with { $0 }
        #expect(tenants == 40)
        let connections = try PostgresAdmin.rows(
            bench.cluster.url(bench.database, as: "postgres"),
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = '\(PostgresRoles.serve)'"
        ).first?.int(0)
        // Without one: the store's eight, and the link of this test.
        #expect(connections.map { PostgresCluster.isPooled ? $0 <= PostgresCluster.poolSize : $0 == 9 } == true)
        #expect(!backends.isEmpty && backends.count <= (PostgresCluster.isPooled ? PostgresCluster.poolSize : 2))
        withExtendedLifetime(link) {}
        await bench.close()
    }

    @Test("effect, journal entry, event and job commit together or not at all") func together() async throws {
        let bench = try await PostgresBench(topics: [Rung.topic: ["left", "right"]], writers: 1)
        let (a, act, id) = (bench.tenant(1), bench.act, bench.uuid(1))
        struct Stop: Error {}
        for isKept in [false, true] {
            do {
                try await bench.store.tenant(a) { db in
                    try db.run(PostgresBench.insert, db.tenant, id, "kept", 1)
                    try db.journal(JournalEntry("note.added", subject: "note:1"), act)
                    try db.emit(Rung(bell: 1), act)
                    if !isKept { throw Stop() }
                }
            } catch is Stop {
            }
        }
        let entries = try await bench.store.tenantRead(a) { try $0.rows(SQL("j", "SELECT seq, action FROM journal_entry")) }
        #expect(try entries.map { try $0.integer(0) } == [1])
        let jobs = try await bench.store.kernelRead(bench.reason) { try $0.rows(SQL("k", "SELECT kind FROM store_job ORDER BY kind")) }
        #expect(try jobs.map { try $0.text(0) } == ["event:test.rung>left", "event:test.rung>right"])
        #expect(try await JournalKeeper(store: bench.store).verify(a.uuid) { _, _, _ in true }.findings.isEmpty)
        await bench.close()
    }

    @Test("what a look at the journals found is one process's to write and every process's to tell") func rounds() async throws {
        let bench = try await PostgresBench()
        let (a, act) = (bench.tenant(1), bench.act)
        try await bench.store.tenant(a) { try $0.journal(JournalEntry("note.added", subject: "note:1"), act) }
        let told = Guarded<[JournalRound]>([])
        let (begun, asked) = AsyncStream.makeStream(of: (@Sendable () async -> Void).self)
        var upkeep = StoreUpkeep(store: bench.store) { _ in ("key", [1]) }
        upkeep.proof = JournalProof(isSigned: { _, _, _ in true }, begin: { asked.yield($0) }) { round in told.with { $0.append(round) } }
        let runner = JobRunner(
            store: bench.store, handlers: upkeep.storeJobs(), subscribers: [], clock: bench.clock, entropy: SeededEntropy(5))
        try await upkeep.schedule(act)
        func day() async throws {
            _ = try await runner.runDue()
            for await round in begun { return await round() }
        }
        try await day()
        // What only the server's superuser can do.
        try bench.cluster.admin(bench.database, "ALTER TABLE coditect.journal_entry_all DISABLE TRIGGER USER")
        try bench.cluster.admin(bench.database, "UPDATE coditect.journal_entry_all SET actor = 'nobody'")
        bench.clock.advance(by: .days(1))
        try await day()
        let other = bench.another()
        try await other.begin([PostgresBench.note])
        let kept = try await other.kernelRead(bench.reason) { try $0.ledger.rounds(limit: 9) }
        #expect(kept == told.with { $0.reversed() } && kept.map(\.broken) == [1, 0])
        #expect(kept.first?.breaks.first?.owner == a.uuid && kept.first?.breaks.first?.finding.kind == .edited)
        _ = try await StoreUpkeep(store: other) { _ in ("key", [1]) }.sweep(bench.clock.now() + JournalRound.kept)
        #expect(try await other.kernelRead(bench.reason) { try $0.ledger.rounds(limit: 9) }.map(\.broken) == [1])
        await other.close()
        await bench.close()
    }

    @Test("writes that read first lose no update, in a tenant's scope and in the kernel's") func serial() async throws {
        let bench = try await PostgresBench(writers: 6)
        let (a, id) = (bench.tenant(1), bench.uuid(1))
        try await bench.add(a, 1, "counted")
        try await bench.store.kernel(bench.reason) { try $0.run(SQL("kettle", "INSERT INTO kettle (id, warmth) VALUES ($1, 0)"), id) }
        let store = bench.store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<24 {
                group.addTask {
                    try await store.tenant(a) { db in
                        let count = try db.row(SQL("read", "SELECT count FROM note WHERE id = $1"), id)?.int(0) ?? 0
                        try db.run(SQL("write", "UPDATE note SET count = $2 WHERE id = $1"), id, count + 1)
                    }
                }
            }
            for _ in 0..<12 {
                group.addTask {
                    try await store.kernel(KernelReason("test.warm")) { db in
                        let warmth = try db.row(SQL("feel", "SELECT warmth FROM kettle WHERE id = $1"), id)?.int(0) ?? 0
                        try db.run(SQL("warm", "UPDATE kettle SET warmth = $2 WHERE id = $1"), id, warmth + 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        let counts = try await store.kernelRead(bench.reason) { db in
            (try db.row(SQL("c", "SELECT count FROM note_all"))?.int(0), try db.row(SQL("w", "SELECT warmth FROM kettle"))?.int(0))
        }
        #expect(counts.0 == 25 && counts.1 == 12)
        await bench.close()
    }

    @Test("two processes over one database do each job once") func jobs() async throws {
        let bench = try await PostgresBench()
        let other = bench.another()
        try await other.begin([PostgresBench.note])
        let act = bench.act
        try await bench.store.kernel(bench.reason) { db in
            for number in 0..<40 { try db.enqueue(try NewJob("bell", key: "\(number)", tenant: nil, payload: number, runAt: act.now), act) }
        }
        let rung = Mutex<[String]>([])
        let id = bench.uuid(1)
        try await bench.store.kernel(bench.reason) { try $0.run(SQL("kettle", "INSERT INTO kettle (id, warmth) VALUES ($1, 0)"), id) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for store in [bench.store, other] {
                let runner = JobRunner(
                    store: store,
                    handlers: [
                        JobHandler("bell") { delivery, _ in
                            try await store.kernel(KernelReason("test.ring")) { db in
                                try db.run(SQL("warm", "UPDATE kettle SET warmth = warmth + 1 WHERE id = $1"), id)
                                try db.settle(delivery)
                            }
                            rung.withLock { $0.append(delivery.key) }
                        }
                    ], subscribers: [], clock: bench.clock, entropy: SeededEntropy(store === other ? 3 : 4))
                group.addTask { try await runner.runDue() }
            }
            try await group.waitForAll()
        }
        #expect(rung.withLock { Set($0).count == 40 && $0.count == 40 })
        let warmth = try await bench.store.kernelRead(bench.reason) { try $0.row(SQL("w", "SELECT warmth FROM kettle"))?.int(0) }
        #expect(warmth == 40)
        await other.close()
        await bench.close()
    }

    @Test("a connection that the server ends before the commit costs nothing but a second try") func reconnect() async throws {
        let bench = try await PostgresBench(writers: 1)
        let cuts = Mutex(0)
        let (a, id, cluster, database) = (bench.tenant(1), bench.uuid(1), bench.cluster, bench.database)
        try await bench.store.kernel(bench.reason) { db in
            let pid = try db.row(SQL("pid", "SELECT pg_backend_pid()"))?.integer(0) ?? 0
            if cuts.withLock({ count in
                count += 1
                return count == 1
            }) {
                try cluster.admin(database, "SELECT pg_terminate_backend(\(pid), 5000)")
            }
            try db.within(a) { db in try db.run(PostgresBench.insert, db.tenant, id, "once", 1) }
        }
        #expect(cuts.withLock { $0 } == 2)
        #expect(try await bench.store.tenantRead(a) { try $0.rows(PostgresBench.texts).count } == 1)
        await bench.close()
    }

    /// One that stands still in a transaction of `frozen` until the server has ended it, while another goes on; then it goes on, too.
    private func standStill(_ frozen: PostgresStore, _ bench: PostgresBench) async throws {
        try await frozen.begin([PostgresBench.note])
        let (a, first, second) = (bench.tenant(1), bench.uuid(1), bench.uuid(2))
        let (begun, told) = AsyncStream.makeStream(of: Void.self)
        let tries = Mutex(0)
        let thaw = DispatchSemaphore(value: 0)
        let work = Task {
            try await frozen.tenant(a) { db in
                try db.run(PostgresBench.insert, db.tenant, first, "frozen", 1)
                tries.withLock { $0 += 1 }
                told.yield()
                // Only the first time: the second one meets what was signalled before.
                thaw.wait()
                thaw.signal()
            }
        }
        for await _ in begun { break }
        // Waits for the lane that the other holds: let in when the server has undone what that one did, and told it.
        try await bench.store.tenant(a) { db in try db.run(PostgresBench.insert, db.tenant, second, "goes on", 1) }
        thaw.signal()
        try await work.value
        #expect(tries.withLock { $0 } == 2)
        let texts = try await bench.store.tenantRead(a) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } }
        #expect(texts == ["frozen", "goes on"])
    }

    @Test("a process that stands still in a transaction keeps others out only until the server ends it, and then does its work once")
    func standsStill() async throws {
        let bench = try await PostgresBench()
        var limits = PostgresLimits()
        limits.idle = .seconds(1)
        let frozen = PostgresBench.store(
            bench.cluster, bench.database, bench.clock, SeededEntropy(9), bench.sealer, [:], limits)
        try await standStill(frozen, bench)
        await frozen.close()
        await bench.close()
    }

    @Test("who makes a row that another made meanwhile looks again, and finds it; a row that is there already is a conflict")
    func madeMeanwhile() async throws {
        let bench = try await PostgresBench()
        let (a, id) = (bench.tenant(1), bench.uuid(1))
        let count = SQL("note.count", "SELECT count FROM note WHERE id = $1")
        let insert = SQL("note.make", "INSERT INTO note_all (tenant_id, id, text, count) VALUES ($1, $2, $3, 1)")
        let (looked, told) = AsyncStream.makeStream(of: Void.self)
        let goOn = DispatchSemaphore(value: 0)
        let tries = Guarded(0)
        // In the kernel's scope there is no lane of the tenant: both are under way.
        @Sendable func made(by who: String, _ waits: Bool) async throws -> String {
            try await bench.store.kernel(bench.reason) { db in
                if waits { tries.with { $0 += 1 } }
                if try db.within(a, { try $0.row(count, id) }) != nil { return "found" }
                if waits {
                    told.yield()
                    goOn.wait()
                    goOn.signal()
                }
                try db.run(insert, a, id, who)
                return "made"
            }
        }
        let first = Task { try await made(by: "first", true) }
        for await _ in looked { break }
        #expect(try await made(by: "second", false) == "made")
        goOn.signal()
        #expect(try await first.value == "found")
        #expect(tries.with { $0 } == 2)
        // Without a look: there it is, and there it stays.
        let blind = Guarded(0)
        await #expect {
            try await bench.store.kernel(bench.reason) { db in
                blind.with { $0 += 1 }
                try db.run(insert, a, id, "third")
            }
        } throws: { error in
            if case StoreFault.conflict(let name, _) = error { name == "note.make" } else { false }
        }
        #expect(blind.with { $0 } == 2)
        #expect(try await bench.store.tenantRead(a) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } } == ["second"])
        await bench.close()
    }

    @Test("a server that has said goodbye has committed nothing, though it has not closed the line yet: the work is done once, elsewhere")
    func farewell() async throws {
        let bench = try await PostgresBench()
        var limits = PostgresLimits()
        (limits.idle, limits.tenantStatement, limits.grace) = (.seconds(1), .seconds(3), .seconds(1))
        let line = try LateLine(to: bench.cluster.folder)
        defer { line.close() }
        let frozen = PostgresStore(
            url: "postgresql://\(PostgresRoles.serve)@/\(bench.database)?host=\(line.folder)", clock: bench.clock,
            entropy: SeededEntropy(9), sealer: bench.sealer, topics: [:], limits: limits)
        try await standStill(frozen, bench)
        await frozen.close()
        await bench.close()
    }

    @Test(
        "a server that stands still is waited for once, not long where somebody waits; what waits behind is refused; when it goes on, so does the store",
        arguments: [false, true])
    func silent(isAwaited: Bool) async throws {
        let bench = try await PostgresBench(writers: 1) { limits in
            limits.kernelStatement = isAwaited ? .hours(1) : .seconds(2)
            limits.awaited = isAwaited ? .seconds(2) : .hours(1)
            (limits.grace, limits.reconnect, limits.reconnectCap) = (.seconds(1), .hours(1), .hours(1))
        }
        let tries = Guarded<[Int32]>([])
        await #expect {
            try await Attendance.$isAwaited.withValue(isAwaited) {
                try await bench.store.kernel(bench.reason) { db in
                    let pid = Int32(try db.row(SQL("pid", "SELECT pg_backend_pid()"))?.int(0) ?? 0)
                    tries.with { $0.append(pid) }
                    kill(pid, SIGSTOP)
                    try db.run(SQL("still", "SELECT 1"))
                }
            }
        } throws: { error in
            if case StoreFault.unreachable(let why) = error { why.contains("does not answer") } else { false }
        }
        #expect(tries.with { $0.count } == 1)
        await #expect {
            try await bench.add(bench.tenant(1), 1, "behind")
        } throws: { error in
            if case StoreFault.unreachable(let why) = error { why.contains("shortly") } else { false }
        }
        for pid in tries.with({ $0 }) { kill(pid, SIGCONT) }
        let other = bench.another()
        try await other.begin([PostgresBench.note])
        let (a, id) = (bench.tenant(1), bench.uuid(2))
        try await other.tenant(a) { db in try db.run(PostgresBench.insert, db.tenant, id, "goes on", 1) }
        await other.close()
        await bench.close()
    }

    @Test("a transaction that reaches a server which is no primary any more is tried on another line, and refused cleanly")
    func standby() {
        let limits = PostgresLimits()
        let standby = PostgresError(
            state: "0A000", name: "store.begin", message: "cannot use serializable mode in a hot standby", constraint: "")
        #expect(standby.tries(limits) == 3)
        if case .unreachable = standby.fault {} else { Issue.record("\(standby.fault)") }
        let other = PostgresError(state: "0A000", name: "note.insert", message: "not supported", constraint: "")
        #expect(other.tries(limits) == 1)
        if case .unreachable = other.fault { Issue.record("a statement that is not supported is a fault") }
    }

    @Test(
        "a lock that others keep and a row that others made are tried twice, a conflict often, a line that is cut thrice, anything else once"
    ) func tries() {
        let limits = PostgresLimits()
        func tries(_ state: String) -> Int { PostgresError(state: state, name: "", message: "", constraint: "").tries(limits) }
        #expect(["55P03", "23505", "40001", "40P01", "", "57P01", "25P03", "23502"].map(tries) == [2, 2, 24, 24, 3, 3, 3, 1])
        // Whoever waits behind one that stands still is served before its tries are over.
        #expect(limits.idle < limits.lock + limits.lock)
    }

    @Test("a failed statement ends its transaction: going on regardless commits nothing") func failure() async throws {
        let bench = try await PostgresBench()
        let (a, id, other) = (bench.tenant(1), bench.uuid(1), bench.uuid(2))
        try await bench.add(a, 1, "first")
        await #expect {
            try await bench.store.tenant(a) { db in
                try db.run(PostgresBench.insert, db.tenant, other, "lost", 1)
                _ = try? db.run(PostgresBench.insert, db.tenant, id, "again", 1)
            }
        } throws: { error in
            if case StoreFault.conflict(let name, _) = error { name == "note.insert" } else { false }
        }
        #expect(try await bench.store.tenantRead(a) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } } == ["first"])
        // Reads change nothing, text without a NUL is text, and a cancelled task's transaction ends.
        await #expect(throws: StoreFault.self) {
            try await bench.store.tenantRead(a) { try $0.run(PostgresBench.insert, $0.tenant, other, "read", 1) }
        }
        await #expect(throws: StoreFault.self) {
            try await bench.store.tenant(a) { try $0.run(PostgresBench.insert, $0.tenant, other, "a\0b", 1) }
        }
        await bench.close()
    }

    @Test("a cancelled task stops its statement at the server") func cancelled() async throws {
        let bench = try await PostgresBench()
        let (begun, told) = AsyncStream.makeStream(of: Void.self)
        let store = bench.store
        let task = Task {
            try await store.kernelRead(KernelReason("test.sleep")) { db in
                told.yield()
                try db.run(SQL("sleep", "SELECT pg_sleep(25)"))
            }
        }
        for await _ in begun { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await bench.close()
    }

    @Test("an answer longer than a transaction may have is cut off, and the connection goes on") func bounds() async throws {
        let bench = try await PostgresBench(writers: 1) { limits in
            limits.rows = 100
            limits.kernelStatement = .milliseconds(200)
        }
        await #expect {
            try await bench.store.kernel(bench.reason) { try $0.run(SQL("many", "SELECT generate_series(1, 1000000)")) }
        } throws: { error in
            if case StoreFault.budgetExceeded = error { true } else { false }
        }
        await #expect {
            try await bench.store.kernel(bench.reason) { try $0.run(SQL("slow", "SELECT pg_sleep(20)")) }
        } throws: { error in
            if case StoreFault.budgetExceeded = error { true } else { false }
        }
        #expect(
            try await bench.store.kernel(bench.reason) {
                try $0.rows(SQL("few", "SELECT sum(x) FROM generate_series(1, 9) x")).first?.int(0)
            } == 45)
        await bench.close()
    }

    @Test("whoever could step past row-level security, or has another secret, does not serve") func logins() async throws {
        let bench = try await PostgresBench()
        for role in ["postgres", PostgresRoles.migrate] {
            let store = PostgresStore(
                url: bench.cluster.served(bench.database, as: role), clock: bench.clock, entropy: bench.entropy, sealer: bench.sealer,
                topics: [:])
            await #expect(throws: StoreFault.self) { try await store.begin([PostgresBench.note]) }
            await store.close()
        }
        let stranger = PostgresStore(
            url: bench.cluster.served(bench.database), clock: bench.clock, entropy: bench.entropy,
            sealer: OtherSecret(inner: bench.sealer), topics: [:])
        await #expect {
            try await stranger.begin([PostgresBench.note])
        } throws: {
            "\($0)".contains("another platform's secret")
        }
        await stranger.close()
        await bench.close()
    }
}

/// Another platform's.
struct OtherSecret: Sealer {
    let inner: TestSealer
    func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { try inner.seal(plain, context: context) }
    func open(_ box: [UInt8], context: String) throws -> [UInt8] { try inner.open(box, context: context) }
    func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        try inner.seal(plain, person: person, context: context)
    }
    func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] { try inner.open(box, person: person, context: context) }
    func discard(person: UserID) throws { try inner.discard(person: person) }
    func destroy(person: UserID) throws { try inner.destroy(person: person) }
    func digest(_ plain: [UInt8], purpose: String) -> [UInt8] { inner.digest(plain + [1], purpose: purpose) }
}
