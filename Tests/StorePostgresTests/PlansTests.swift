import Foundation
import RoomTesting
import Store
import StorePostgres
import Testing
import Vocabulary

/// Plans that the server keeps for a direct connection.
@Suite struct PlansTests {
    private static let kept = SQL(
        "plans.kept", "SELECT statement, generic_plans + custom_plans FROM pg_prepared_statements WHERE NOT from_sql")
    private static let warmth = SQL("kettle.warmth", "SELECT id, warmth FROM kettle ORDER BY id")
    private static let isPooled = ProcessInfo.processInfo.environment["CODITECT_TEST_DATABASE"] == "pgbouncer"

    /// Those that the one writer's connection keeps, and how often each was run by its plan.
    private func plans(_ bench: PostgresBench) async throws -> [String: Int64] {
        try await bench.store.kernel(bench.reason) { db in
            Dictionary(uniqueKeysWithValues: try db.rows(Self.kept).map { (try $0.text(0), try $0.integer(1)) })
        }
    }

    @Test("a statement that comes again and again is read by the server once, whichever tenant's; behind a pooler each time")
    func again() async throws {
        let bench = try await PostgresBench(writers: 1)
        for number in 1...6 { try await bench.add(bench.tenant(UInt8(number % 2)), UInt8(number), "note \(number)") }
        let plans = try await plans(bench)
        if Self.isPooled { #expect(plans.isEmpty) } else { #expect(plans[PostgresBench.insert.text] == 4) }
        // Kept or not, it shows each tenant its own.
        for _ in 1...6 {
            for number in [0, 1] {
                let texts = try await bench.store.tenant(bench.tenant(UInt8(number))) {
                    try $0.rows(PostgresBench.texts).map { try $0.text(0) }
                }
                #expect(texts == (1...6).filter { $0 % 2 == number }.map { "note \($0)" })
            }
        }
        await bench.close()
    }

    @Test("a plan that fails leaves nothing behind: the next transaction uses it")
    func failing() async throws {
        let bench = try await PostgresBench(writers: 1)
        for number in 1...6 {
            try await bench.add(bench.tenant(1), UInt8(number), "note")
            await #expect(throws: StoreFault.self) { try await bench.add(bench.tenant(1), UInt8(number), "there already") }
        }
        let broken = SQL("note.broken", "SELECT text FROM note WHERE id = no_such_function($1)")
        for _ in 1...4 {
            await #expect(throws: StoreFault.self) {
                try await bench.store.tenant(bench.tenant(1)) { _ = try $0.rows(broken, bench.uuid(1)) }
            }
        }
        let count = try await bench.store.tenantRead(bench.tenant(1)) { try $0.rows(PostgresBench.texts).count }
        let plans = try await plans(bench)
        #expect(count == 6 && plans[broken.text] == nil)
        await bench.close()
    }

    @Test("a table may change under a kept plan: the transaction runs again on another connection")
    func stale() async throws {
        let bench = try await PostgresBench(writers: 1)
        let id = bench.uuid(1)
        try await bench.store.kernel(bench.reason) { try $0.run(SQL("kettle.add", "INSERT INTO kettle (id, warmth) VALUES ($1, 7)"), id) }
        let look: @Sendable () async throws -> Int64? = {
            try await bench.store.kernel(bench.reason) { try $0.row(Self.warmth)?.integer(1) }
        }
        var seen: [Int64?] = []
        for _ in 1...4 { seen.append(try await look()) }
        try bench.cluster.admin(bench.database, "ALTER TABLE coditect.kettle ALTER COLUMN warmth TYPE integer")
        for _ in 1...4 { seen.append(try await look()) }
        #expect(seen == Array(repeating: 7, count: 8))
        await bench.close()
    }

    @Test("a connection keeps so many plans and no more")
    func many() async throws {
        let bench = try await PostgresBench(writers: 1)
        for round in 0..<3 {
            try await bench.store.kernel(bench.reason) { db in
                for number in 0..<300 {
                    let found = try db.row(SQL("plans.\(number)", "SELECT \(number)"))?.integer(0)
                    #expect(found == Int64(number), "\(round)")
                }
            }
        }
        let count = try await plans(bench).count
        #expect(Self.isPooled ? count == 0 : (250...256).contains(count))
        await bench.close()
    }

    @Test("where every place is taken, what is used more gets the place of what is used least; statements of equal use do not take turns")
    func places() async throws {
        let bench = try await PostgresBench(writers: 1)
        func ask(_ numbers: some Sequence<Int> & Sendable, times: Int) async throws {
            try await bench.store.kernel(bench.reason) { db in
                for _ in 0..<times {
                    for number in numbers {
                        let found = try db.row(SQL("plans.\(number)", "SELECT \(number)"))?.integer(0)
                        #expect(found == Int64(number))
                    }
                }
            }
        }
        let mine = { (plans: [String: Int64]) in Set(plans.keys.filter { $0.wholeMatch(of: /SELECT \d+/) != nil }) }
        try await ask(0..<300, times: 3)
        let first = mine(try await plans(bench))
        try await ask(0..<300, times: 40)
        let second = mine(try await plans(bench))
        try await ask(1_000..<1_010, times: 200)
        let all = try await plans(bench)
        let third = mine(all)
        // Used again, each of those that were given up is read again.
        try await ask(0..<300, times: 1)
        if Self.isPooled {
            #expect(all.isEmpty)
        } else {
            #expect(first.count > 240 && second == first)
            #expect((1_000..<1_010).allSatisfy { third.contains("SELECT \($0)") } && all.count <= 256 && third.count >= first.count - 10)
        }
        await bench.close()
    }

    @Test("a place that was to be given in a transaction that failed before it is where it was")
    func givenInVain() async throws {
        let bench = try await PostgresBench(writers: 1)
        let hot = SQL("plans.hot", "SELECT 1000")
        try await bench.store.kernel(bench.reason) { db in
            for _ in 0..<3 { for number in 0..<300 { _ = try db.row(SQL("plans.\(number)", "SELECT \(number)")) } }
            for _ in 0..<5 { _ = try db.row(hot) }
        }
        for _ in 0..<12 {
            await #expect(throws: StoreFault.self) {
                try await bench.store.kernel(bench.reason) { db in
                    // Sent with the next, and fails.
                    try db.run(SQL("plans.fails", "UPDATE kettle SET warmth = 1 / 0"))
                    _ = try db.row(hot)
                }
            }
        }
        for _ in 0..<3 {
            let sum = try await bench.store.kernel(bench.reason) { db in
                try (0..<300).reduce(0 as Int64) { $0 + (try db.row(SQL("plans.\($1)", "SELECT \($1)"))?.integer(0) ?? 0) }
                    + (try db.row(hot)?.integer(0) ?? 0)
            }
            #expect(sum == 45_850)
        }
        let count = try await plans(bench).count
        #expect(Self.isPooled ? count == 0 : (250...256).contains(count))
        await bench.close()
    }
}
