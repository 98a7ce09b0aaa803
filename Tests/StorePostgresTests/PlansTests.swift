import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import StorePostgres

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

    @Test("a place that is to be given changes hands with its statement, or not at all")
    func given() async throws {
        guard !Self.isPooled else { return }
        let bench = try await PostgresBench(writers: 1)
        let link = try PostgresLink(url: bench.cluster.served(bench.database), limits: PostgresLimits())
        func ask(_ text: String, after: [PostgresCommand] = []) throws -> Int64? {
            try link.run(after + [PostgresCommand("ask", text, keptFor: "somebody")], within: .seconds(20)).first?.integer(0)
        }
        func kept() throws -> Set<String> {
            Set(try link.run([PostgresCommand("kept", Self.kept.text)], within: .seconds(20)).map { try $0.text(0) })
        }
        // Each of 256 has a place, 0 the weakest.
        for number in 0..<256 { for _ in 0..<(number == 0 ? 3 : 5) { #expect(try ask("SELECT \(number)") == Int64(number)) } }
        let all = try kept()
        #expect(all.count == 256)
        let broken = "SELECT no_such_function()"
        for hot in ["SELECT 1000", broken] { for _ in 0..<8 { _ = try? ask(hot) } }
        // The ninth time is worth the place of one that was used three times. What stands before it fails, and so the server skips both.
        let failing = PostgresCommand("fails", "SELECT 1 / 0")
        #expect(throws: PostgresError.self) { try ask("SELECT 1000", after: [failing]) }
        #expect(try kept() == all)
        // It cannot be read: nobody gives a place for it.
        #expect(throws: PostgresError.self) { try ask(broken) }
        #expect(try kept() == all)
        for _ in 0..<12 { #expect(try ask("SELECT 1000") == 1_000) }
        #expect(try kept() == all.subtracting(["SELECT 0"]).union(["SELECT 1000"]))
        // Read and given a place, and fails then: it keeps the place.
        let late = "SELECT 1 / (count(*) - count(*)) FROM pg_class"
        for _ in 0..<16 { #expect(throws: PostgresError.self) { try ask(late) } }
        let end = try kept()
        #expect(end.count == 256 && end.contains(late))
        for number in 0..<256 { #expect(try ask("SELECT \(number)") == Int64(number)) }
        await bench.close()
    }

    /// The names that the server would know, by the ways that `plans` says.
    private struct Server {
        var plans = PostgresPlans()
        var known: Set<String> = []

        /// - Parameter fails: where the server meets an error: before it reads the statement, as it reads it, or never.
        mutating func ask(_ text: String, fails: Int = 2) {
            let subject = PostgresPlans.Subject(role: "r", text: text, types: [])
            switch plans.way(to: subject) {
            case .once: break
            case .kept(let name): #expect(known.contains(name), "\(text) goes out by a plan that is not there")
            case .first(let name, let other):
                #expect(!known.contains(name))
                if fails == 2 {
                    known.insert(name)
                    if let other { #expect(known.remove(other.name) != nil) }
                }
                plans.settle(subject, isKept: fails == 2)
                if let other { plans.settle(giving: other, isGone: fails == 2) }
            }
            #expect(known.count <= 256)
        }
    }

    @Test("whatever fails, what it takes for kept is what the server keeps; and all places are used in the end", arguments: 1...4)
    func random(seed: UInt64) {
        var random = Dice(seed)
        var server = Server()
        for _ in 0..<40_000 {
            // A few come often, many seldom.
            let rank = random.next(400) * random.next(400) / 400
            server.ask("s\(rank)", fails: random.next(8) == 0 ? random.next(2) : 2)
        }
        for rank in 0..<200 { for _ in 0..<40 { server.ask("s\(rank)") } }
        #expect(server.known.count == 256)
    }

    @Test("a place that a broken statement leaves is the next one's, which is the first to give it up again")
    func least() {
        var server = Server()
        func subject(_ text: String) -> PostgresPlans.Subject { PostgresPlans.Subject(role: "r", text: text, types: []) }
        for number in 0..<255 { for _ in 0..<70 { server.ask("s\(number)") } }
        for _ in 0..<2 { server.ask("broken") }
        // Sent together: the last place for the one, and none for the other, which looks who is the weakest.
        guard case .first(_, nil) = server.plans.way(to: subject("broken")) else { return #expect(Bool(false), "a place was free") }
        for _ in 0..<20 { guard case .once = server.plans.way(to: subject("hot")) else { return #expect(Bool(false), "none was weaker") } }
        server.plans.settle(subject("broken"), isKept: false)
        for _ in 0..<3 { server.ask("weak") }
        server.ask("hot")
        guard case .kept = server.plans.way(to: subject("hot")) else { return #expect(Bool(false), "hot has no place") }
    }
}

/// Park and Miller's.
private struct Dice {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next(_ bound: UInt64) -> Int {
        state = state * 48_271 % 2_147_483_647
        return Int(state % bound)
    }
}
