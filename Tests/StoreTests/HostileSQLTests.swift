import Foundation
import RoomTesting
import Store
import StoreSQLite
import Testing
import Vocabulary

/// Runs every attack in three worlds that differ only in what the victim has. Whatever an attacker can observe must be the same in all.
@Suite struct HostileSQLTests {
    enum World: Int, Sendable, CaseIterable {
        /// The victim has nothing.
        case empty
        /// The victim has rows that make expressions fail, and canaries.
        case canaries
        /// The victim has rows under the very keys and codes that the attacks use.
        case collisions
    }
    enum Path: String, Sendable, CaseIterable { case write, read, within }

    @Test("an attack sees, changes and learns the same whatever the victim has", arguments: Path.allCases)
    func attacks(path: Path) async throws {
        var outcomes: [[String]] = []
        for world in World.allCases {
            let bench = try await HostileSQLTests.bench(world)
            var seen: [String] = []
            for (number, attack) in HostileSQL.attacks.enumerated() {
                let before = try await HostileSQLTests.foreign(bench)
                let outcome = try await HostileSQLTests.run(attack, number, path, bench)
                let after = try await HostileSQLTests.foreign(bench)
                #expect(before == after, "changed what is not its own: \(attack.text)")
                #expect(!outcome.uppercased().contains("CANARY-SECRET"), "showed a canary: \(attack.text): \(outcome)")
                if case .refused = attack.fate { #expect(outcome.hasPrefix("refused"), "ran: \(attack.text): \(outcome)") }
                seen.append(outcome)
            }
            outcomes.append(seen)
            await bench.close()
        }
        for (number, attack) in HostileSQL.attacks.enumerated() {
            let answers = Set(outcomes.map { $0[number] })
            #expect(answers.count == 1, "learned something: \(attack.text): \(answers)")
        }
    }

    @Test("blind attacks that are plain SQL do run, so that the suite proves more than refusal") func notVacuous() async throws {
        let bench = try await HostileSQLTests.bench(.canaries)
        var ran = 0
        var failed: [String] = []
        for (number, attack) in HostileSQL.attacks.enumerated() {
            guard case .blind = attack.fate else { continue }
            let outcome = try await HostileSQLTests.run(attack, number, .write, bench)
            if outcome.hasPrefix("refused") { failed.append("\(attack.text): \(outcome)") } else { ran += 1 }
        }
        #expect(ran > 80)
        // Clauses that the engine itself does not take on a view.
        #expect(failed.count <= 6, "\(failed.joined(separator: "\n"))")
        await bench.close()
    }

    /// What the attacker observes: the rows, or the error in full.
    static func run(_ attack: Attack, _ number: Int, _ path: Path, _ bench: Bench) async throws -> String {
        let sql = SQL("attack.\(number)", attack.text)
        let arguments = attack.arguments
        do {
            let rows: [Row]
            switch path {
            case .write: rows = try await bench.store.tenant(HostileSQL.attacker) { try $0.rows(sql, arguments) }
            case .read: rows = try await bench.store.tenantRead(HostileSQL.attacker) { try $0.rows(sql, arguments) }
            case .within:
                rows = try await bench.store.kernel(bench.reason) { db in try db.within(HostileSQL.attacker) { try $0.rows(sql, arguments) }
                }
            }
            return "ran: \(rows.map(\.values))"
        } catch let fault as StoreFault {
            return "refused: \(fault)"
        }
    }

    /// Everything that is not the attacker's, and the settings of the file.
    static func foreign(_ bench: Bench) async throws -> [[SQLValue]] {
        try await bench.store.kernelRead(bench.reason) { db in
            try ["vault_all", "vault_item_all", "journal_entry_all"].flatMap { table in
                try db.rows(SQL("foreign.\(table)", "SELECT * FROM \(table) WHERE tenant_id <> $1"), [HostileSQL.attacker]).map(\.values)
            } + (try db.rows(SQL("foreign.users", "SELECT * FROM user_account"), []).map(\.values))
                + (try db.rows(SQL("foreign.jobs", "SELECT id, state FROM store_job"), []).map(\.values))
        }
    }

    static func bench(_ world: World) async throws -> Bench {
        let bench = try await Bench(migrations: [HostileSQL.schema])
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
                    try db.run(insert, db.tenant, HostileSQL.id(68), "canary-low", Int.max, "[")
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
