import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import StorePostgres

/// What needs a real standby is shown by `Tests/Interop/test_replicas.py`.
@Suite struct ReplicaTests {
    @Test("positions in the log are compared as numbers, and only of one server")
    func positions() throws {
        #expect(PostgresReplicas.position("0/0") == 0 && PostgresReplicas.position("16/B374D848") == 0x16_B374_D848)
        #expect(PostgresReplicas.position("FFFFFFFF/FFFFFFFF") == .max)
        for text in ["", "/", "1", "1/", "/1", "1/2/3", "g/1", "1/100000000", "-1/0", " 1/2"] {
            #expect(PostgresReplicas.position(text) == nil)
        }
        func place(_ system: String, _ text: String?) throws -> PostgresReplicas.Position? {
            try PostgresReplicas.Position(Row([.text(system), text.map { .text($0) } ?? .null]))
        }
        let low = try #require(try place("7", "1/9"))
        let high = try #require(try place("7", "1/A"))
        let other = try #require(try place("8", "F/F"))
        #expect(high.has(low) && high.has(high) && !low.has(high) && !other.has(low))
        #expect(try place("7", nil) == nil && PostgresReplicas.Position(nil) == nil)
    }

    @Test("a read that may lag is answered by the primary where the standby cannot be reached; one that may not never asks it")
    func away() async throws {
        let bench = try await PostgresBench()
        bench.store.use(replicas: ["postgresql://coditect_serve@/nothing?host=/nowhere-at-all"], lag: .seconds(5))
        let tenant = bench.tenant(1)
        try await bench.add(tenant, 1, "hello")
        let read = { @Sendable () async throws -> [String] in
            try await bench.store.tenantRead(tenant) { db in try db.rows(PostgresBench.texts).map { try $0.text(0) } }
        }
        #expect(try await read() == ["hello"])
        #expect(bench.store.statistics.replicas == [ReplicaStanding(name: "replica-1")])
        #expect(try await ReadLag.allowed { try await read() } == ["hello"])
        #expect(bench.store.statistics.replicas.first?.failed == 1)
        // It rests: the next one does not wait for it again.
        #expect(try await ReadLag.allowed { try await read() } == ["hello"])
        #expect(bench.store.statistics.replicas.first?.failed == 1)
        #expect(try await ReadLag.allowed { try await ReadLag.refused { try await read() } } == ["hello"])
        #expect(bench.store.statistics.pools.map(\.name).contains("replica-1"))
        await bench.close()
    }

    @Test(
        "a server that is no standby is not believed, though it could answer; writes go to the primary; what a closure throws is the primary's word"
    )
    func primary() async throws {
        let bench = try await PostgresBench()
        bench.store.use(replicas: [bench.cluster.url(bench.database, as: PostgresRoles.serve)], lag: .seconds(5))
        let tenant = bench.tenant(1)
        try await ReadLag.allowed { try await bench.add(tenant, 1, "hello") }
        let runs = Guarded(0)
        await #expect(throws: CommonProblems.notFound) {
            try await ReadLag.allowed {
                try await bench.store.tenantRead(tenant) { db in
                    runs.with { $0 += 1 }
                    guard try db.rows(PostgresBench.texts).isEmpty else { throw CommonProblems.notFound }
                }
            }
        }
        #expect(runs.with { $0 } == 1)
        let standing = try #require(bench.store.statistics.replicas.first)
        #expect(standing.behind == 1 && standing.answered == 0 && standing.failed == 0)
        await bench.close()
    }
}
