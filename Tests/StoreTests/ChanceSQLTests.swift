import Foundation
import RoomTesting
import Store
import StoreSQLite
import Testing
import Vocabulary

/// Statements made by chance from the words that a tenant has, run in the worlds of `HostileSQLTests`: whatever the victim has, the answers
/// and the errors are the same. The seed is fixed; CODITECT_SEED and CODITECT_ROUNDS look further.
@Suite struct ChanceSQLTests {
    @Test("statements made by chance see, change and learn the same whatever the victim has") func chance() async throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = environment["CODITECT_ROUNDS"].flatMap { Int($0) } ?? 600
        var maker = StatementMaker(seed: environment["CODITECT_SEED"].flatMap { UInt64($0) } ?? 7)
        let texts = (0..<rounds).map { _ in maker.statement() }
        var outcomes: [[String]] = []
        for world in HostileSQLTests.World.allCases {
            let bench = try await HostileSQLTests.bench(world)
            let before = try await HostileSQLTests.foreign(bench)
            var seen: [String] = []
            for (number, text) in texts.enumerated() {
                let path: HostileSQLTests.Path = text.hasPrefix("SELECT") && number % 2 == 0 ? .read : .write
                seen.append(try await HostileSQLTests.run(Attack(.blind, text), number, path, bench))
            }
            #expect(try await HostileSQLTests.foreign(bench) == before)
            outcomes.append(seen)
            await bench.close()
        }
        var ran = 0
        for (number, text) in texts.enumerated() {
            let answers = Set(outcomes.map { $0[number] })
            #expect(answers.count == 1, "learned something: \(text): \(answers)")
            #expect(!answers.contains { $0.contains("CANARY-SECRET") }, "showed a canary: \(text)")
            if outcomes[0][number].hasPrefix("ran") { ran += 1 }
        }
        #expect(ran > rounds / 3, "only \(ran) of \(rounds) ran: the suite would prove little")
    }
}

/// Makes statements over `vault` and `vault_item` with joins, subqueries, set operations, windows and expressions that can fail.
struct StatementMaker {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    private mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
    private mutating func one(_ choices: [String]) -> String { choices[below(choices.count)] }

    mutating func statement() -> String {
        switch below(12) {
        case 0: "UPDATE vault SET \(one(["note", "amount", "status"])) = \(expression("vault", 2)) WHERE \(condition("vault", 2))"
        case 1: "DELETE FROM vault_item WHERE \(one(["number > 1", "label = \(literal())", "vault_id IN (SELECT id FROM vault)"]))"
        case 2: "UPDATE vault SET note = x.note FROM (\(select(1))) AS x WHERE \(condition("vault", 1)) RETURNING code"
        case 3: "WITH x AS \(one(["", "MATERIALIZED "]))(\(select(1))) SELECT * FROM x WHERE \(condition("x", 1))"
        case 4: "\(select(1)) \(one(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])) \(select(1))"
        case 5:
            "INSERT INTO vault SELECT \(one(["tenant_id", "x'\(String(repeating: "bb", count: 16))'"])), \(one(["id", "x'07'", "x'02'"])), "
                + "code || \(literal()), amount, note, status FROM vault WHERE \(condition("vault", 1))"
        default: select(2)
        }
    }

    private mutating func select(_ depth: Int) -> String {
        let (source, names) = from(depth)
        let name = names[below(names.count)]
        let columns =
            depth == 1
            ? "\(name).code, \(name).amount, \(name).note" : "\(expression(name, depth)), \(one([aggregate(name), "\(name).code"]))"
        var text = "SELECT \(one(["", "DISTINCT "]))\(columns) FROM \(source)"
        if below(3) > 0 { text += " WHERE \(condition(name, depth))" }
        if below(5) == 0 { text += " GROUP BY \(expression(name, 1)) HAVING \(condition(name, 1))" }
        if depth > 1, below(3) == 0 { text += " ORDER BY \(expression(name, 1)) LIMIT \(1 + below(3))" }
        return text
    }

    private mutating func from(_ depth: Int) -> (String, [String]) {
        switch below(6) {
        case 0 where depth > 1: return ("(\(select(1))) AS s", ["s"])
        case 1:
            let join = one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"])
            return (
                "vault AS v \(join) vault AS w\(join == "CROSS JOIN" ? "" : " ON \(one(["v.id = w.id", "abs(w.amount) = v.amount", "v.code < w.code"]))")",
                ["v", "w"]
            )
        case 2: return ("vault AS v, vault_item AS i", ["v"])
        case 3: return ("vault_item AS i \(one(["LEFT", "RIGHT", ""])) JOIN vault AS v ON v.id = i.vault_id", ["v"])
        default: return ("vault AS v", ["v"])
        }
    }

    private mutating func condition(_ name: String, _ depth: Int) -> String {
        switch below(9) {
        case 0: "\(expression(name, depth)) > \(expression(name, 1))"
        case 1: "\(name).code LIKE \(literal())"
        case 2: "abs(\(name).amount) >= \(below(9))"
        case 3: "json_extract(\(name).note, '$.a') IS NOT \(literal())"
        case 4 where depth > 1: "EXISTS (SELECT 1 FROM vault AS e WHERE e.amount >= \(name).amount AND \(condition("e", 1)))"
        case 5 where depth > 1: "(\(condition(name, depth - 1)) OR \(condition(name, depth - 1)))"
        case 6 where depth > 1: "NOT (\(condition(name, depth - 1)) AND \(condition(name, 1)))"
        case 7: "\(name).amount BETWEEN \(below(4)) AND \(below(9))"
        default: "lower(\(name).code) \(one(["=", ">", "<>"])) \(literal())"
        }
    }

    private mutating func expression(_ name: String, _ depth: Int) -> String {
        switch below(11) {
        case 0: "\(name).amount"
        case 1: "abs(\(name).amount)"
        case 2: "\(name).amount * \(name).amount"
        case 3: "json_extract(\(name).note, '$.a')"
        case 4: "length(\(name).code)"
        case 5: "CASE WHEN \(condition(name, max(1, depth - 1))) THEN abs(\(name).amount) ELSE \(below(9)) END"
        case 6 where depth > 1:
            "(SELECT \(one(["max", "min", "count", "sum", "group_concat"]))(q.amount) FROM vault AS q WHERE \(condition("q", 1)))"
        case 7: "coalesce(\(name).note, \(literal()))"
        case 8: "\(name).note ->> 'a'"
        case 9: "substr(\(name).code, \(1 + below(3)), 2)"
        default: "\(name).code"
        }
    }

    private mutating func aggregate(_ name: String) -> String {
        switch below(4) {
        case 0: "count(*)"
        case 1: "sum(\(name).amount)"
        case 2: "sum(abs(\(name).amount)) OVER (ORDER BY \(name).code)"
        default: "group_concat(json(\(name).note))"
        }
    }
    private mutating func literal() -> String {
        one(["'mine'", "'CANARY-CODE'", "'C%'", "''", "'m_ne%'", "3", "NULL", "-9223372036854775807"])
    }
}
