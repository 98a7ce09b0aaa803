import HTTPEdge
import Vocabulary

extension Consents {
    private static let path = "/api/v1/users/me/consents"
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let listed = Schema.named(
        "Consents",
        .object([
            SchemaField(
                "consents",
                .array(
                    .object([
                        SchemaField("purpose", .string(max: 40)), SchemaField("version", .integer(1...1_000_000), "Of its words, now"),
                        SchemaField("is_given", .boolean, "Agreed to, in this version"),
                        SchemaField("recorded_at", .nullable(time), "When the person last said so"),
                    ]), max: 1_000))
        ]))

    package func routes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "consents.list", summary: "What the caller can agree to, and has.", access: .session,
                answers: [RouteAnswer(200, "Each purpose", Self.listed)]
            ) { call in try await reply(try call.caller().user) },
            Route(
                .put, Self.path, name: "consents.record",
                summary: "Agrees to a purpose, or takes it back. What was said before stays on record.",
                access: .session,
                request: .object([SchemaField("purpose", .string(min: 1, max: 40)), SchemaField("is_given", .boolean)]),
                answers: [RouteAnswer(200, "Each purpose", Self.listed)]
            ) { call in
                let caller = try call.caller()
                try await record(call.json?["purpose"]?.string ?? "", isGiven: call.json?["is_given"] == true, by: caller, call.act)
                return try await reply(caller.user)
            },
            Route(
                .get, "\(Self.path)/history", name: "consents.history",
                summary: "Every word of the caller's about one purpose, the newest first.",
                access: .session, query: [QueryField("purpose", .string(min: 1, max: 40), "Such as product_news")],
                answers: [
                    RouteAnswer(
                        200, "At most 500",
                        .object([
                            SchemaField(
                                "records",
                                .array(
                                    .object([
                                        SchemaField("version", .integer(1...1_000_000)), SchemaField("is_given", .boolean),
                                        SchemaField("source", .string(max: 20)), SchemaField("recorded_at", Self.time),
                                    ]), max: 500))
                        ]))
                ]
            ) { call in
                let records = try await history(of: try call.caller().user, purpose: call.query["purpose"] ?? "")
                return .json(value: [
                    "records": .array(
                        records.map {
                            [
                                "version": .int(Int64($0.version)), "is_given": .bool($0.isGiven), "source": .string($0.source),
                                "recorded_at": .string($0.at.iso8601),
                            ]
                        })
                ])
            },
        ]
    }

    private func reply(_ person: UserID) async throws -> Reply {
        .json(value: [
            "consents": .array(
                try await standings(of: person).map {
                    [
                        "purpose": .string($0.purpose.name), "version": .int(Int64($0.purpose.version)), "is_given": .bool($0.isGiven),
                        "recorded_at": $0.last.map { .string($0.at.iso8601) } ?? .null,
                    ]
                })
        ])
    }
}
