import Foundation
import HTTPEdge
import Store
import Vocabulary

/// What the daily looks at every journal found, for staff.
struct JournalRoundRoutes: Sendable {
    /// How many of the last are shown.
    static let shown = 30
    static let reason = KernelReason("audit.rounds")
    let store: any Store

    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let count = Schema.integer(0...Int64.max)
    private static let found = Schema.object([
        SchemaField("journal", .string(max: 36), "A tenant's id, or platform"),
        SchemaField("kind", .choice(JournalFinding.Kind.allCases.map(\.rawValue))),
        SchemaField("segment", .nullable(.string(max: 36, format: .uuid)), "Null: of the whole journal, or of a checkpoint"),
        SchemaField("number", count, "Of the entry in its segment, or of the checkpoint"),
        SchemaField("said", .string(max: 1_000)),
    ])
    private static let round = Schema.object([
        SchemaField("checked_at", time), SchemaField("is_intact", .boolean), SchemaField("journals", count),
        SchemaField("entries", count), SchemaField("oldest_entry_at", .nullable(time)), SchemaField("newest_entry_at", .nullable(time)),
        SchemaField("broken", count, "Journals that are not as they were written"),
        SchemaField("findings", .array(found, max: JournalRound.breaksKept), "The first of each broken journal"),
    ])

    func routes() -> [Route] {
        [
            Route(
                .get, "/api/v1/admin/audit/checks", name: "audit.checks",
                summary:
                    "What the last checks of every audit log found, the newest first: a server takes one a day, whichever of them it is.",
                access: .permission(NodePermissions.read),
                answers: [
                    RouteAnswer(
                        200, "Empty: none was taken yet", .object([SchemaField("checks", .array(Self.round, max: Self.shown))]))
                ]
            ) { _ in
                let rounds = try await store.kernelRead(Self.reason) { try $0.ledger.rounds(limit: Self.shown) }
                return .json(value: ["checks": .array(rounds.map(Self.json))])
            }
        ]
    }

    private static func json(_ round: JournalRound) -> JSONValue {
        func moment(_ time: Timestamp?) -> JSONValue { time.map { .string($0.iso8601) } ?? .null }
        return [
            "checked_at": .string(round.at.iso8601), "is_intact": .bool(round.isIntact), "journals": .int(Int64(round.journals)),
            "entries": .int(Int64(round.entries)), "oldest_entry_at": moment(round.oldest), "newest_entry_at": moment(round.newest),
            "broken": .int(Int64(round.broken)), "findings": .array(round.breaks.map(json)),
        ]
    }
    private static func json(_ found: JournalRound.Break) -> JSONValue {
        let finding = found.finding
        return [
            "journal": .string(AuditDesk.name(found.owner)), "kind": .string(finding.kind.rawValue),
            "segment": finding.segment.map { .string($0.canonical) } ?? .null, "number": .int(finding.seq),
            "said": .string(finding.sentence),
        ]
    }
}
