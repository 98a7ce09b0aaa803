import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// One entry of a journal, for who looks at a platform from outside.
package struct JournalLine: Sendable, Hashable {
    package let at: Timestamp
    /// Nil: the platform's own journal.
    package let tenant: TenantID?
    package let actor: String
    package let action: String
    package let subject: String
    package let outcome: String
    package let details: JSONValue
}

/// What a simulation looks at besides what people see.
extension Platform {
    private static let reading = KernelReason("simulation.read")
    private static let lines = SQL(
        "simulation.journal",
        """
        SELECT tenant_id, at, actor, action, subject, outcome, details FROM journal_entry_all
        WHERE at >= $1 ORDER BY at, tenant_id, segment, seq
        """)

    /// Every journal since a moment, in the order of time.
    package func journalLines(since moment: Timestamp) async throws -> [JournalLine] {
        try await ground.store.kernelRead(Self.reading) { db in
            try db.rows(Self.lines, moment).map { row in
                let owner = try row.uuid(0)
                return JournalLine(
                    at: try row.time(1), tenant: owner == JournalRecord.platform ? nil : TenantID(owner), actor: try row.text(2),
                    action: try row.text(3), subject: try row.text(4), outcome: try row.text(5),
                    details: (try? JSONDecoder().decode(JSONValue.self, from: Data(try row.text(6).utf8))) ?? .null)
            }
        }
    }

    /// True once nothing of a tenant is left.
    package func isPurged(_ tenant: TenantID) async throws -> Bool {
        try await rooms.tenancy.tenant(tenant).map { $0.status == .purged } ?? true
    }

    /// The first thing that is wrong with each journal that is not intact.
    package func brokenJournals() async throws -> [String] {
        let keeper = JournalKeeper(store: ground.store)
        var broken: [String] = []
        for owner in try await keeper.owners() {
            let report = try await keeper.verify(owner) { [ground] in
                ground.keys.verify($0, Signature(keyID: $1, bytes: $2), .journal)
            }
            if let finding = report.findings.first { broken.append("\(owner): \(finding.sentence)") }
        }
        return broken
    }
}
