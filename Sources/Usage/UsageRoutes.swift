import HTTPEdge
import Vocabulary

extension Usage {
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let meter = Schema.string(min: 1, max: 64, pattern: "^[a-z][a-z0-9_]*$")
    private static let record = Schema.object([
        SchemaField("key", .string(min: 1, max: 100), "Names the use: told again under the same key it counts once"),
        SchemaField("meter", meter, "A quota of the tenant's tier, such as ai_requests"),
        SchemaField("quantity", .integer(1...UsageRecord.mostUnits), "1 if absent", optional: true),
        SchemaField("occurred_at", time, "When it was used; now if absent", optional: true),
    ])
    private static let outcome = Schema.object([
        SchemaField("key", .string(max: 100)), SchemaField("status", .choice(UsageOutcome.Status.allCases.map(\.rawValue))),
        SchemaField("error", .choice(UsageOutcome.Refusal.allCases.map(\.rawValue)), "Why it is refused", optional: true),
        SchemaField("reason", .string(max: 64), "A policy's own word", optional: true),
    ])
    private static let reading = Schema.named(
        "MeterReading",
        .object([
            SchemaField("meter", .string(max: 64)), SchemaField("used", .integer(0...Int64.max)),
            SchemaField("limit", .nullable(.integer(0...Int64.max)), "Null: without limit"),
            SchemaField("soft_limit", .nullable(.integer(0...Int64.max)), "From here on owners are told"),
            SchemaField("period_start", time), SchemaField("period_end", time, "Then it counts from zero again"),
            SchemaField("state", .choice(UsagePeriod.State.allCases.map(\.rawValue)), "closing: over, and still taking what is late"),
        ]))
    private static let readings = Schema.object([SchemaField("meters", .array(reading, max: 100))])

    package func routes() -> [Route] { [reportRoute, readRoute, historyRoute] }

    private struct Body: Decodable {
        struct Record: Decodable {
            let key: String
            let meter: String
            let quantity: Int64?
            let occurredAt: Timestamp?
            enum CodingKeys: String, CodingKey {
                case key, meter, quantity
                case occurredAt = "occurred_at"
            }
        }
        let records: [Record]
    }

    private var reportRoute: Route {
        Route(
            .post, "/api/v1/billing/usage", name: "billing.report_usage",
            summary:
                "Reports uses of quotas, in any order and as often as need be: each key counts once, and each record is answered by itself.",
            access: .permission(UsagePermissions.write),
            request: .object([SchemaField("records", .array(Self.record, max: UsageRecord.mostInBatch))]),
            answers: [
                RouteAnswer(
                    200, "What became of each, in the order of the request",
                    .object([SchemaField("records", .array(Self.outcome, max: UsageRecord.mostInBatch))]))
            ], maxBodyBytes: 262_144
        ) { call in
            let caller = try call.caller()
            let records = try call.decode(Body.self).records.map {
                UsageRecord(
                    key: $0.key, meter: $0.meter, quantity: $0.quantity ?? 1, occurredAt: $0.occurredAt ?? call.act.now,
                    isDated: $0.occurredAt != nil)
            }
            let outcomes = try await report(records, tenant: caller.tenant, call.act)
            return .json(value: ["records": .array(outcomes.map(Self.json))])
        }
    }

    private var readRoute: Route {
        Route(
            .get, "/api/v1/billing/usage", name: "billing.usage", summary: "What was used of each quota in its period of now.",
            access: .permission(UsagePermissions.read), answers: [RouteAnswer(200, "By name", Self.readings)]
        ) { call in
            let all = try await readings(of: try call.caller().tenant, now: call.act.now)
            return .json(value: ["meters": .array(all.map(Self.json))])
        }
    }

    private var historyRoute: Route {
        Route(
            .get, "/api/v1/billing/usage/{meter}", name: "billing.usage_history",
            summary: "The newest periods of one quota in which anything was used.",
            access: .permission(UsagePermissions.read), answers: [RouteAnswer(200, "At most 100, the newest first", Self.readings)]
        ) { call in
            let all = try await history(of: call.parameters["meter"] ?? "", try call.caller().tenant, now: call.act.now)
            return .json(value: ["meters": .array(all.map(Self.json))])
        }
    }

    private static func json(_ outcome: UsageOutcome) -> JSONValue {
        var members: [String: JSONValue] = ["key": .string(outcome.key), "status": .string(outcome.status.rawValue)]
        if let refusal = outcome.refusal { members["error"] = .string(refusal.rawValue) }
        if let reason = outcome.reason { members["reason"] = .string(reason) }
        return .object(members)
    }
    private static func json(_ reading: MeterReading) -> JSONValue {
        [
            "meter": .string(reading.meter), "used": .int(reading.used), "limit": reading.limit.map { .int($0) } ?? .null,
            "soft_limit": reading.softLimit.map { .int($0) } ?? .null, "period_start": .string(reading.period.start.iso8601),
            "period_end": .string(reading.period.end.iso8601), "state": .string(reading.state.rawValue),
        ]
    }
}
