import Foundation
import RoomTesting
import Store
import Vocabulary

@testable import StorePostgres

/// Somebody who may send any SQL at all on a serving connection, past the first wall: what an injection could do at its worst.
final class Visitor {
    let link: PostgresLink
    private let seal: Seal

    init(_ bench: PostgresBench, role: String = PostgresRoles.serve) throws {
        link = try PostgresLink(url: bench.cluster.served(bench.database, as: role), limits: PostgresLimits())
        seal = Seal(bench.sealer)
    }

    /// Begins a transaction in the sealed scope of `tenant`; `backend` and `life` make seals that should not hold.
    func enter(_ tenant: TenantID, backend: Int64? = nil, life: Duration = .minutes(5), seal forged: String? = nil) throws {
        let scope = PostgresScope.tenant(tenant.uuid.bytes)
        try rows("BEGIN")
        // Behind a pooler each transaction asks for its own.
        let current = try link.backend ?? link.lookAtBackend()
        let expiry = PostgresLink.monotonic + link.clockLead + life.microseconds
        let seal = forged ?? seal.text(scope, expiry: expiry, backend: backend ?? current)
        try rows("SET LOCAL ROLE coditect_tenant")
        try rows("SET LOCAL search_path = coditect, pg_temp")
        try rows("SELECT set_config('app.tenant_id', '\(scope.tenantHex)', true), set_config('app.seal', '\(seal)', true)")
    }
    @discardableResult func rows(_ text: String) throws -> [Row] {
        do { return try link.run([PostgresCommand("visit", text)], within: .seconds(20)) } catch let error as PostgresError {
            throw error.fault
        }
    }
    func leave() { _ = try? rows("ROLLBACK") }

    /// What the visitor sees of `text` in the scope of `tenant`: every value as text, or the refusal.
    func attempt(_ texts: [String], as tenant: TenantID) -> String {
        defer { leave() }
        do {
            try enter(tenant)
            var seen = ""
            for text in texts { seen = try rows(text).map { "\($0.values)" }.joined(separator: "\n") }
            return "saw \(seen)"
        } catch {
            return "refused: \(error)"
        }
    }
}
