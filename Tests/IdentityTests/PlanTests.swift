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
        SessionTable.revoke, SessionTable.revokeOthers, SessionTable.revokeAll, SessionTable.ofTenant, SessionTable.withdrawn,
        GuardTable.pair,
        GuardTable.pressure,
        GuardTable.knows, GuardTable.networksOf, TenantTable.findMail, TenantTable.regionOf, TenantTable.tenantsOf, TenantTable.standing,
        TenantTable.statusOf, TenantTable.owners, TenantTable.isRouted, PeopleTable.endSessions,
        APIKeyTable.byPrefix, APIKeyTable.one, APIKeyTable.countLive, APIKeyTable.rotate, APIKeyTable.touch, APIKeyTable.revoke,
        APIKeyTable.revokeAll,
        FederationTable.connectionOf, FederationTable.tenantOfConnection, FederationTable.holderOf, FederationTable.ssoRuleOf,
        FederationTable.otherSessions, FederationTable.endSession, FederationTable.useFlow, FederationTable.linked, FederationTable.useLink,
        FederationTable.linksOf, FederationTable.dropLink, FederationTable.countPending, FederationTable.usePending,
        FederationTable.grantByCode, FederationTable.answerGrant, FederationTable.grant, FederationTable.pollGrant,
        FederationTable.spendGrant, FederationTable.provenance, FederationTable.issuedBy, FederationTable.deeds,
        FactorTable.totp, FactorTable.spendStep, FactorTable.enrolment, FactorTable.useCode, FactorTable.countCodes, FactorTable.passkeyOf,
        FactorTable.passkeys, FactorTable.usePasskey, FactorTable.spent, FactorTable.step, FactorTable.useStep, FactorTable.ruleOf,
        AddressRuleTable.ruleOf, TenantTable.page, AccountTable.closing, AccountTable.reactivate, AccountTable.page, AccountTable.line,
        AccountTable.countSessions,
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
