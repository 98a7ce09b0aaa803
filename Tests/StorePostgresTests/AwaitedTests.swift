import RoomTesting
import Store
import StorePostgres
import Testing
import Vocabulary

/// What a transaction may take that somebody waits for at a connection.
@Suite struct AwaitedTests {
    private static func isLate(_ error: any Error) -> Bool { if case StoreFault.overloaded = error { true } else { false } }

    @Test("one is not begun after its time, counted from where its wait began; a report is, and so is work that nobody waits for")
    func begun() async throws {
        let bench = try await PostgresBench { $0.awaited = .seconds(60) }
        let (store, a) = (bench.store, bench.tenant(1))
        let read: @Sendable () async throws -> Int = { try await store.tenantRead(a) { try $0.rows(PostgresBench.texts).count } }
        try await Attendance.$isAwaited.withValue(true) {
            try await bench.add(a, 1, "in time")
            try await Attendance.$waited.withValue(.seconds(60)) {
                await #expect {
                    try await bench.add(a, 2, "late")
                } throws: {
                    Self.isLate($0)
                }
                await #expect {
                    _ = try await read()
                } throws: {
                    Self.isLate($0)
                }
                let report = try await ReadLag.allowed { try await read() }
                #expect(report == 1)
            }
        }
        try await Attendance.$waited.withValue(.seconds(60)) { try await bench.add(a, 3, "in its own time") }
        #expect(try await read() == 2)
        await bench.close()
    }

    @Test("the server ends what takes longer, in whichever statement; it is not taken for silent, and the line goes on")
    func ended() async throws {
        let bench = try await PostgresBench(writers: 1) { limits in
            (limits.awaited, limits.grace, limits.reconnect) = (.seconds(4), .seconds(2), .hours(1))
        }
        let tenant = bench.tenant(1)
        let runs = Guarded(0)
        await #expect {
            try await Attendance.$isAwaited.withValue(true) {
                try await bench.store.kernel(bench.reason) { db in
                    runs.with { $0 += 1 }
                    try db.run(SQL("most", "SELECT pg_sleep(3)"))
                    // A closure that goes on regardless gets no further.
                    try? db.run(SQL("rest", "SELECT pg_sleep(30)"))
                    try db.run(SQL("more", "SELECT 1"))
                }
            }
        } throws: {
            Self.isLate($0)
        }
        #expect(runs.with { $0 } == 1)
        // On the same line: a new one would not be tried within the hour.
        try await bench.add(tenant, 1, "goes on")
        await bench.close()
    }
}
