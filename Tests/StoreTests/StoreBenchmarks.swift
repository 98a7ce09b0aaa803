import Foundation
import Store
import StoreSQLite
import Testing
import Vocabulary

/// CODITECT_BENCH=1 swift test -c release --filter StoreBenchmarks: prints what one operation costs.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["CODITECT_BENCH"] != nil)) struct StoreBenchmarks {
    static let lease = Migration(
        room: "leases", name: "0001",
        sql: """
            CREATE TABLE lease_all (
                tenant_id BLOB NOT NULL, id BLOB NOT NULL, license_id BLOB NOT NULL, device TEXT NOT NULL, epoch INTEGER NOT NULL,
                expires_at INTEGER NOT NULL, beat_at INTEGER NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, license_id, device)
            ) WITHOUT ROWID, STRICT;
            CREATE INDEX lease_by_expiry ON lease_all (tenant_id, license_id, expires_at);
            """)
    static let insert = SQL(
        "lease.insert",
        "INSERT INTO lease (tenant_id, id, license_id, device, epoch, expires_at, beat_at) VALUES ($1, $2, $3, $4, 1, $5, $5)")
    static let beat = SQL(
        "lease.beat", "UPDATE lease SET expires_at = $2, beat_at = $2 WHERE id = $1 RETURNING license_id, epoch, expires_at")
    static let touch = SQL("lease.touch", "UPDATE lease SET beat_at = $2 WHERE id = $1 RETURNING license_id, epoch, expires_at")
    static let find = SQL("lease.find", "SELECT license_id, device, epoch, expires_at FROM lease WHERE id = $1")
    static let count = SQL("lease.count", "SELECT count(*) FROM lease WHERE license_id = $1 AND expires_at > $2")

    static func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    static func measure(_ name: String, tasks: Int, each: Int, _ body: @escaping @Sendable (Int, Int) async throws -> Void) async throws {
        let (wall, cpu) = (ContinuousClock.now, StoreBenchmarks.cpu())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<tasks { group.addTask { for step in 0..<each { try await body(task, step) } } }
            try await group.waitForAll()
        }
        let seconds = Double((ContinuousClock.now - wall).microseconds) / 1e6
        let operations = Double(tasks * each)
        let text =
            "\(name), \(tasks) tasks: \(Int(operations / seconds))/s, \(String(format: "%.1f", seconds * 1e6 / operations * Double(tasks))) µs latency, "
        print("bench: \(text)\(String(format: "%.1f", (StoreBenchmarks.cpu() - cpu) * 1e6 / operations)) µs CPU")
    }
    /// Cost of `count` repetitions of `body` within one transaction.
    static func inside(_ name: String, _ bench: Bench, _ count: Int, _ body: @escaping @Sendable (any TenantScope, Int) throws -> Void)
        async throws
    {
        let spent = try await bench.store.tenant(bench.tenant(1)) { db in
            let begun = StoreBenchmarks.cpu()
            for number in 0..<count { try body(db, number) }
            return StoreBenchmarks.cpu() - begun
        }
        print("bench: \(name): \(String(format: "%.2f", spent * 1e6 / Double(count))) µs CPU")
    }

    @Test func everything() async throws {
        let bench = try await Bench(migrations: [StoreBenchmarks.lease])
        let act = bench.act
        let license = bench.uuid(9)
        @Sendable func id(_ task: Int, _ step: Int) -> UUID {
            UUID(bytes: (0..<16).map { UInt8(truncatingIfNeeded: (task * 100_003 + step) >> (8 * (15 - $0))) })
        }
        for tasks in [1, 64] {
            let each = tasks == 1 ? 4_000 : 600
            try await StoreBenchmarks.measure("insert + journal", tasks: tasks, each: each) { task, step in
                let number = tasks * 1_000_000 + task * 10_000 + step
                try await bench.store.tenant(bench.tenant(UInt8(1 + task % 8))) { db in
                    try db.run(StoreBenchmarks.insert, db.tenant, id(0, number), license, "device-\(number)", act.now)
                    try db.journal(JournalEntry("seat.acquired", subject: "lease:\(number)", details: ["epoch": 1, "device": "abc"]), act)
                }
            }
            try await StoreBenchmarks.measure("insert + journal, flushed", tasks: tasks, each: each / 4) { task, step in
                let number = 500_000_000 + tasks * 1_000_000 + task * 10_000 + step
                try await bench.store.tenant(bench.tenant(UInt8(1 + task % 8)), .flushed) { db in
                    try db.run(StoreBenchmarks.insert, db.tenant, id(0, number), license, "device-\(number)", act.now)
                    try db.journal(JournalEntry("seat.acquired", subject: "lease:\(number)", details: ["epoch": 1, "device": "abc"]), act)
                }
            }
            try await StoreBenchmarks.measure("heartbeat update (indexed column)", tasks: tasks, each: each) { task, step in
                let number = tasks * 1_000_000 + task * 10_000 + step
                try await bench.store.tenant(bench.tenant(UInt8(1 + task % 8))) { db in
                    _ = try db.row(StoreBenchmarks.beat, id(0, number), act.now + .seconds(360))
                }
            }
            try await StoreBenchmarks.measure("heartbeat update (plain column)", tasks: tasks, each: each) { task, step in
                let number = tasks * 1_000_000 + task * 10_000 + step
                try await bench.store.tenant(bench.tenant(UInt8(1 + task % 8))) { db in
                    _ = try db.row(StoreBenchmarks.touch, id(0, number), act.now + .seconds(360))
                }
            }
            try await StoreBenchmarks.measure("empty write", tasks: tasks, each: each) { _, _ in
                try await bench.store.tenant(bench.tenant(1)) { _ in }
            }
            try await StoreBenchmarks.measure("read one", tasks: tasks, each: each) { task, step in
                let number = tasks * 1_000_000 + task * 10_000 + step
                _ = try await bench.store.tenantRead(bench.tenant(UInt8(1 + task % 8))) { try $0.row(StoreBenchmarks.find, id(0, number)) }
            }
            try await StoreBenchmarks.measure("empty read", tasks: tasks, each: each) { _, _ in
                try await bench.store.tenantRead(bench.tenant(1)) { _ in }
            }
        }
        try await StoreBenchmarks.inside("journal entry", bench, 2_000) { db, number in
            try db.journal(JournalEntry("seat.heartbeat", subject: "lease:\(number)", details: ["count": 12]), act)
        }
        try await StoreBenchmarks.inside("insert through the view", bench, 2_000) { db, number in
            try db.run(StoreBenchmarks.insert, db.tenant, id(7, number), license, "inside-\(number)", act.now)
        }
        try await StoreBenchmarks.inside("update through the view (indexed column)", bench, 2_000) { db, number in
            _ = try db.row(StoreBenchmarks.beat, id(7, number), act.now + .seconds(1))
        }
        try await StoreBenchmarks.inside("update through the view (plain column)", bench, 2_000) { db, number in
            _ = try db.row(StoreBenchmarks.touch, id(7, number), act.now + .seconds(1))
        }
        try await StoreBenchmarks.inside("select through the view", bench, 2_000) { db, number in
            _ = try db.row(StoreBenchmarks.find, id(7, number))
        }
        let (insert, beat) = (
            SQL("base.insert", StoreBenchmarks.insert.text.replacing("INTO lease", with: "INTO lease_all")),
            SQL(
                "base.beat",
                """
                UPDATE lease_all SET beat_at = $2 WHERE tenant_id = $3 AND id = $1 RETURNING license_id, epoch, expires_at
                """)
        )
        let owner = bench.tenant(1)
        try await bench.store.kernel(bench.reason) { db in
            for (name, isInsert) in [("insert into the base table", true), ("update of the base table (plain column)", false)] {
                let begun = StoreBenchmarks.cpu()
                for number in 0..<2_000 {
                    if isInsert {
                        try db.run(insert, owner, id(8, number), license, "base-\(number)", act.now)
                    } else {
                        _ = try db.row(beat, id(8, number), act.now + .seconds(1), owner)
                    }
                }
                print("bench: \(name): \(String(format: "%.2f", (StoreBenchmarks.cpu() - begun) * 1e6 / 2_000)) µs CPU")
            }
        }
        try await StoreBenchmarks.inside("event to one subscriber", bench, 2_000) { db, number in
            try db.enqueue(try NewJob("bench", key: "\(number)", tenant: nil, payload: number, runAt: act.now), act)
        }
        await bench.close()
    }
}
