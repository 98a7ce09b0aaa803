import Store
import Tenancy
import Vocabulary

/// Nothing in the room lets anybody act, so only the purge has something to do.
extension Usage: ClosureStep {
    package var name: String { "usage" }
    package var tables: [String] { ["usage_record_all", "usage_period_all", "usage_plan_all"] }
    package func revoke(_ tenant: TenantID, _ act: Act) async throws {}
    package func restore(_ tenant: TenantID, _ act: Act) async throws {}
    package func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder] {
        try await store.tenant(tenant, .flushed) { db in
            for statement in [UsageTable.purgeRecords, UsageTable.purgePeriods, UsageTable.purgePlans] { try db.run(statement) }
        }
        return []
    }
}

extension Usage: ExportSource {
    package var given: [String] { ["usage_period_all", "usage_record_all"] }
    private static let page = 500

    package func export(_ tenant: TenantID, to sink: any ExportSink, _ act: Act) async throws {
        var (meter, start) = ("", Timestamp(microseconds: Int64.min / 2))
        while true {
            let from = (meter, start)
            let rows = try await store.tenantRead(tenant) { db in
                try db.rows(UsageTable.everyPeriod, from.0, from.1, Self.page).map {
                    (try $0.text(0), try $0.time(1), try $0.time(2), try $0.integer(3))
                }
            }
            for row in rows {
                try await sink.record(
                    "periods",
                    ["meter": .string(row.0), "start": .string(row.1.iso8601), "end": .string(row.2.iso8601), "used": .int(row.3)])
            }
            guard rows.count == Self.page, let last = rows.last else { break }
            (meter, start) = (last.0, last.1)
        }
        var key = ""
        while true {
            let from = key
            let rows = try await store.tenantRead(tenant) { db in
                try db.rows(UsageTable.everyRecord, from, Self.page).map {
                    (try $0.text(0), try $0.text(1), try $0.integer(2), try $0.time(3), try $0.time(4))
                }
            }
            for row in rows {
                try await sink.record(
                    "records",
                    [
                        "key": .string(row.0), "meter": .string(row.1), "quantity": .int(row.2), "occurred_at": .string(row.3.iso8601),
                        "received_at": .string(row.4.iso8601),
                    ])
            }
            guard rows.count == Self.page, let last = rows.last else { return }
            key = last.0
        }
    }
}
