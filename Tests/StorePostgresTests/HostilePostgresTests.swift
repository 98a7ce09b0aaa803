import Foundation
import RoomTesting
import Store
import StorePostgres
import Testing
import Vocabulary

/// The attacks that SQLite's scope withstands, on PostgreSQL: in three worlds that differ only in what the victim has, an attacker sees,
/// changes and learns the same.
@Suite struct HostilePostgresTests {
    enum World: Int, Sendable, CaseIterable { case empty, canaries, collisions }

    @Test("an attack sees, changes and learns the same whatever the victim has") func attacks() async throws {
        var outcomes: [[String]] = []
        for world in World.allCases {
            let bench = try await Self.bench(world)
            let before = try await Self.foreign(bench)
            var seen: [String] = []
            for (number, attack) in HostileSQL.attacks.enumerated() {
                let outcome = await Self.run(attack, number, bench)
                #expect(!outcome.uppercased().contains("CANARY-SECRET"), "showed a canary: \(attack.text): \(outcome)")
                // A view takes an upsert here, within the tenant's rows.
                if case .refused = attack.fate, !attack.text.contains("ON CONFLICT") {
                    #expect(outcome.hasPrefix("refused"), "ran: \(attack.text): \(outcome)")
                }
                seen.append(outcome)
            }
            #expect(try await Self.foreign(bench) == before, "an attack changed what is not its own")
            outcomes.append(seen)
            await bench.close()
        }
        for (number, attack) in HostileSQL.attacks.enumerated() {
            let answers = Set(outcomes.map { $0[number] })
            #expect(answers.count == 1, "learned something: \(attack.text): \(answers)")
        }
        // More than refusal: plain SQL runs.
        #expect(outcomes[0].filter { $0.hasPrefix("ran") }.count > 40)
    }

    /// What the attacker observes: the rows in no order, or the error.
    static func run(_ attack: Attack, _ number: Int, _ bench: PostgresBench) async -> String {
        let sql = SQL("attack.\(number)", attack.text)
        do {
            let rows = try await bench.store.tenant(HostileSQL.attacker) { try $0.rows(sql, attack.arguments) }
            return "ran: \(rows.map { "\($0.values)" }.sorted())"
        } catch {
            return "refused: \(error)"
        }
    }

    static func foreign(_ bench: PostgresBench) async throws -> [[SQLValue]] {
        try await bench.store.kernelRead(bench.reason) { db in
            try ["vault_all", "vault_item_all", "journal_entry_all"].flatMap { table in
                try db.rows(SQL("foreign.\(table)", "SELECT * FROM \(table) WHERE tenant_id <> $1 ORDER BY 1, 2, 3"), [HostileSQL.attacker])
                    .map(\.values)
            } + (try db.rows(SQL("foreign.users", "SELECT * FROM user_account ORDER BY id"), []).map(\.values))
                + (try db.rows(SQL("foreign.jobs", "SELECT id, state FROM store_job ORDER BY id"), []).map(\.values))
        }
    }

    static func bench(_ world: World) async throws -> PostgresBench {
        let bench = try await PostgresBench(migrations: [HostileSQL.schema], writers: 1)
        let insert = SQL("seed", "INSERT INTO vault (tenant_id, id, code, amount, note, status) VALUES ($1, $2, $3, $4, $5, 'open')")
        let item = SQL("seed_item", "INSERT INTO vault_item (tenant_id, vault_id, number, label) VALUES ($1, $2, 1, $3)")
        let act = bench.act
        try await bench.store.tenant(HostileSQL.attacker) { db in
            try db.run(insert, db.tenant, HostileSQL.id(1), "mine", 5, "{\"a\": 1}")
            try db.run(insert, db.tenant, HostileSQL.id(4), "mine too", 7, "{\"a\": 2}")
            try db.run(item, db.tenant, HostileSQL.id(1), "own")
            try db.journal(JournalEntry("vault.opened", subject: "vault:1"), act)
        }
        guard world != .empty else { return bench }
        try await bench.store.kernel(bench.reason) { db in
            try db.within(HostileSQL.victim) { db in
                if world == .canaries {
                    try db.run(insert, db.tenant, HostileSQL.id(66), "CANARY-SECRET", Int.min, "CANARY-SECRET is not JSON")
                    try db.run(insert, db.tenant, HostileSQL.id(67), "CANARY-CODE", Int.max, "{")
                    try db.run(item, db.tenant, HostileSQL.id(66), "CANARY-SECRET")
                } else {
                    for number: UInt8 in [1, 2, 3, 4, 7, 8, 9, 99] {
                        try db.run(insert, db.tenant, HostileSQL.id(number), "CANARY-CODE-\(number)", Int.min, "CANARY-SECRET")
                        try db.run(item, db.tenant, HostileSQL.id(number), "mine")
                    }
                    try db.run(insert, db.tenant, HostileSQL.id(50), "CANARY-CODE", 5, "x")
                    try db.run(insert, db.tenant, HostileSQL.id(51), "mine", 5, "x")
                }
                try db.journal(JournalEntry("vault.opened", subject: "CANARY-SECRET"), act)
            }
            try db.run(
                SQL("seed_user", "INSERT INTO user_account (id, mail_digest, sealed_name) VALUES ($1, $2, 'CANARY-SECRET')"), HostileSQL.a,
                HostileSQL.a)
            try db.enqueue(try NewJob("canary", key: "CANARY-SECRET", tenant: nil, payload: "CANARY-SECRET", runAt: act.now), act)
        }
        return bench
    }
}
