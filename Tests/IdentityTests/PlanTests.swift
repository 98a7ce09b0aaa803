import CSQLite
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Identity
@testable import Tenancy

/// How the engine finds the rows of each statement that a request runs.
struct PlanTests {
    static let hot: [SQL] = [
        UserTable.user, UserTable.standing, UserTable.verify, UserTable.rename, UserTable.deactivate, UserTable.credential,
        UserTable.replaceCredential, UserTable.rehashCredential, UserTable.useLink, UserTable.peekLink, UserTable.countLinks,
        UserTable.spendLinks,
        SessionTable.chain, SessionTable.rotate, SessionTable.standing, SessionTable.listed, SessionTable.touch, SessionTable.place,
        SessionTable.revoke, SessionTable.revokeOthers, SessionTable.revokeAll, SessionTable.withdrawn, GuardTable.pair,
        GuardTable.pressure,
        GuardTable.knows, GuardTable.networksOf, TenantTable.findMail, TenantTable.regionOf, TenantTable.tenantsOf, TenantTable.standing,
        TenantTable.statusOf, TenantTable.owners,
    ]

    @Test("no statement of a request scans a table")
    func noScans() async throws {
        let house = try await IdentityHouse()
        var handle: OpaquePointer?
        #expect(sqlite3_open_v2(house.bench.file.path, &handle, SQLITE_OPEN_READONLY, nil) == SQLITE_OK)
        defer { sqlite3_close(handle) }
        for sql in Self.hot {
            var statement: OpaquePointer?
            defer { sqlite3_finalize(statement) }
            try #require(sqlite3_prepare_v2(handle, "EXPLAIN QUERY PLAN \(sql.text)", -1, &statement, nil) == SQLITE_OK, "\(sql.name)")
            var lines: [String] = []
            while sqlite3_step(statement) == SQLITE_ROW { lines.append(String(cString: sqlite3_column_text(statement, 3))) }
            #expect(!lines.isEmpty, "\(sql.name)")
            #expect(!lines.contains { $0.hasPrefix("SCAN") }, "\(sql.name): \(lines)")
        }
    }
}
