import HTTPEdge
import Vocabulary

extension Webhooks {
    private static let path = "/api/v1/webhooks"
    private static let url = SchemaField("url", .string(min: 8, max: 2_000, format: .uri), "https:// and a public address")
    private static let events = SchemaField(
        "events", .array(.string(min: 1, max: 100), max: WebhookEndpoint.mostEvents), "Kinds of events, `license.*`, or `*`")
    private static let description = SchemaField("description", .string(max: 500), optional: true)
    private static let secret = SchemaField("secret", .string(max: 100), "Signs every message (Standard Webhooks); shown this once")
    private static let time = Schema.string(max: 40, format: .dateTime)

    private static let endpointFields = [
        SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("url", .string(max: 2_000)), events,
        SchemaField("description", .string(max: 500)), SchemaField("state", .choice(WebhookEndpoint.State.allCases.map(\.rawValue))),
        SchemaField("disabled_reason", .nullable(.string(max: 1_000))),
        SchemaField("previous_secret_until", .nullable(time), "Until when the secret before the present one signs too"),
        SchemaField("failing_since", .nullable(time)), SchemaField("created_at", time),
    ]
    private static let endpoint = Schema.named("Webhook", .object(endpointFields))
    private static let created = Schema.object([SchemaField("webhook", endpoint), secret])
    private static let deliveryFields = [
        SchemaField("message_id", .string(max: 64), "As in the header webhook-id"), SchemaField("type", .string(max: 100)),
        SchemaField("state", .choice(MessageDelivery.State.allCases.map(\.rawValue))),
        SchemaField("attempts", .integer(0...Int64.max)), SchemaField("next_attempt_at", .nullable(time)), SchemaField("created_at", time),
    ]
    private static let delivery = Schema.named("WebhookDelivery", .object(deliveryFields))
    private static let attempt = Schema.object([
        SchemaField("attempt", .integer(1...Int64.max)), SchemaField("at", time), SchemaField("milliseconds", .integer(0...Int64.max)),
        SchemaField("status", .nullable(.integer(0...999))), SchemaField("answer", .nullable(.string(max: 1_000)), "Its beginning"),
        SchemaField("failure", .nullable(.string(max: 1_000)), "Why there was no answer"),
    ])

    package func routes() -> [Route] { endpointRoutes() + changeRoutes() + deliveryRoutes() }

    private func endpointRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "webhooks.list", summary: "The organisation's webhooks.",
                access: .permission(WebhookPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "All of them",
                        .object([SchemaField("webhooks", .array(Self.endpoint, max: WebhookEndpoint.mostPerTenant))]))
                ]
            ) { call in .json(value: ["webhooks": .array(try await endpoints(try call.caller().tenant).map(Self.json))]) },
            Route(
                .get, "\(Self.path)/event-types", name: "webhooks.event_types", summary: "What a webhook can hear of.",
                access: .permission(WebhookPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "The kinds of events",
                        .object([
                            SchemaField(
                                "event_types",
                                .array(
                                    .object([SchemaField("name", .string(max: 100)), SchemaField("summary", .string(max: 500))]), max: 200))
                        ]))
                ]
            ) { _ in
                .json(value: [
                    "event_types": .array(WebhookEventType.all.map { ["name": .string($0.name), "summary": .string($0.summary)] })
                ])
            },
            Route(
                .post, Self.path, name: "webhooks.create", summary: "Adds a webhook; the answer shows its secret, once.",
                access: .permission(WebhookPermissions.write), request: .object([Self.url, Self.events, Self.description]),
                answers: [RouteAnswer(201, "The webhook and its secret", Self.created)],
                problems: [WebhookProblems.address, WebhookProblems.tooMany], creates: true
            ) { call in
                let made = try await create(
                    url: call.json?["url"]?.string ?? "", events: Self.names(call) ?? [],
                    description: call.json?["description"]?.string ?? "", try call.caller().tenant, call.act)
                return .json(value: ["webhook": Self.json(made.endpoint), "secret": .string(made.secret)], status: 201)
            },
            Route(
                .get, "\(Self.path)/{id}", name: "webhooks.get", summary: "One webhook.", access: .permission(WebhookPermissions.read),
                answers: [RouteAnswer(200, "The webhook", Self.endpoint)], problems: [CommonProblems.notFound]
            ) { call in .json(value: Self.json(try await endpoint(try call.id("id"), try call.caller().tenant))) },
        ]
    }

    private func changeRoutes() -> [Route] {
        [
            Route(
                .patch, "\(Self.path)/{id}", name: "webhooks.change", summary: "Changes a webhook; what is left out stays.",
                access: .permission(WebhookPermissions.write),
                request: .object([
                    SchemaField("url", Self.url.schema, optional: true), SchemaField("events", Self.events.schema, optional: true),
                    Self.description, SchemaField("enabled", .boolean, "Off: what waits is given up; replay it later", optional: true),
                ]), answers: [RouteAnswer(200, "The webhook", Self.endpoint)],
                problems: [WebhookProblems.address, CommonProblems.notFound]
            ) { call in
                let change = Change(
                    url: call.json?["url"]?.string, events: Self.names(call), description: call.json?["description"]?.string,
                    isEnabled: call.json?["enabled"]?.bool)
                return .json(value: Self.json(try await self.change(try call.id("id"), change, try call.caller().tenant, call.act)))
            },
            Route(
                .delete, "\(Self.path)/{id}", name: "webhooks.delete", summary: "Removes a webhook and its log.",
                access: .permission(WebhookPermissions.write),
                answers: [RouteAnswer(200, "Removed", .object([SchemaField("status", .choice(["removed"]))]))],
                problems: [CommonProblems.notFound]
            ) { call in
                try await drop(try call.id("id"), try call.caller().tenant, call.act)
                return .json(value: ["status": "removed"])
            },
            Route(
                .post, "\(Self.path)/{id}/rotate-secret", name: "webhooks.rotate_secret",
                summary: "A new secret; for a while messages are signed with the one before too.",
                access: .permission(WebhookPermissions.write),
                request: .object([
                    SchemaField("overlap_hours", .integer(0...168), "How long the one before signs too; 24 where not said", optional: true)
                ]), answers: [RouteAnswer(200, "The new secret", .object([Self.secret]))], problems: [CommonProblems.notFound]
            ) { call in
                let overlap = Duration.hours(call.json?["overlap_hours"]?.int ?? 24)
                let secret = try await rotate(try call.id("id"), overlap: overlap, try call.caller().tenant, call.act)
                return .json(value: ["secret": .string(secret)])
            },
            Route(
                .post, "\(Self.path)/{id}/test", name: "webhooks.test", summary: "Sends a webhook.test to this endpoint.",
                access: .permission(WebhookPermissions.write),
                answers: [RouteAnswer(202, "Under way", .object([SchemaField("message_id", .string(max: 64))]))],
                problems: [CommonProblems.notFound, WebhookProblems.disabled]
            ) { call in
                let id = try await test(try call.id("id"), try call.caller().tenant, call.act)
                return .json(value: ["message_id": .string(WebhookMessage.name(id))], status: 202)
            },
            Route(
                .post, "\(Self.path)/{id}/replay", name: "webhooks.replay",
                summary: "Sends again what happened between two moments: what failed, or everything.",
                access: .permission(WebhookPermissions.write),
                request: .object([
                    SchemaField("since", Self.time), SchemaField("until", Self.time, "Now where not said", optional: true),
                    SchemaField(
                        "all", .boolean, "Also what was delivered, and what came before the webhook was there", optional: true),
                ]),
                answers: [
                    RouteAnswer(
                        202, "Under way",
                        .object([
                            SchemaField("messages", .integer(0...Int64(Self.mostReplayed))),
                            SchemaField("more", .boolean, "There are more than one replay takes: ask again from a later moment"),
                        ]))
                ], problems: [CommonProblems.notFound, WebhookProblems.disabled]
            ) { call in
                guard let since = call.json?["since"]?.string.flatMap({ Timestamp(iso8601: $0) }) else {
                    throw CommonProblems.invalid("since", "must be a moment as 2026-01-31T12:00:00Z")
                }
                let until = call.json?["until"]?.string.flatMap { Timestamp(iso8601: $0) } ?? call.act.now
                let (count, isCut) = try await replay(
                    try call.id("id"), from: since, to: until, all: call.json?["all"]?.bool ?? false, try call.caller().tenant, call.act)
                return .json(value: ["messages": .int(Int64(count)), "more": .bool(isCut)], status: 202)
            },
        ]
    }

    private func deliveryRoutes() -> [Route] {
        [
            Route(
                .get, "\(Self.path)/{id}/deliveries", name: "webhooks.deliveries", summary: "The delivery log, newest first.",
                access: .permission(WebhookPermissions.read),
                query: QueryField.paging + [
                    QueryField("state", .choice(MessageDelivery.State.allCases.map(\.rawValue)), "Only those")
                ], answers: [RouteAnswer(200, "A page of them", .page("deliveries", of: Self.delivery))],
                problems: [CommonProblems.notFound]
            ) { call in
                let page = try call.page()
                let state = call.query["state"].flatMap { MessageDelivery.State(rawValue: $0) }
                let found = try await deliveries(
                    try call.id("id"), state: state, after: page.after, limit: page.limit + 1, try call.caller().tenant)
                return call.reply(
                    Page(reading: found, limit: page.limit) { $0.message.description }, named: "deliveries", Self.json)
            },
            Route(
                .get, "\(Self.path)/{id}/deliveries/{message}", name: "webhooks.delivery",
                summary: "One message: what was sent, and what came of each attempt.", access: .permission(WebhookPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "The message",
                        .object(
                            Self.deliveryFields + [
                                SchemaField("body", .string(max: 65_536), "As it is sent and signed"),
                                SchemaField("log", .array(Self.attempt, max: 100), "Newest first"),
                            ]))
                ], problems: [CommonProblems.notFound]
            ) { call in
                guard let message = WebhookMessage.id(call.parameters["message"] ?? "") else { throw CommonProblems.notFound }
                let told = try await delivery(try call.id("id"), message, try call.caller().tenant)
                guard case .object(var members) = Self.json(told.delivery) else { throw CommonProblems.notFound }
                members["body"] = .string(told.body)
                members["log"] = .array(told.attempts.map(Self.json))
                return .json(value: .object(members))
            },
        ]
    }

    private static func names(_ call: Call) -> [String]? { call.json?["events"]?.array?.compactMap(\.string) }
    private static func text(_ time: Timestamp?) -> JSONValue { time.map { .string($0.iso8601) } ?? .null }

    private static func json(_ endpoint: WebhookEndpoint) -> JSONValue {
        [
            "id": .string(endpoint.id.description), "url": .string(endpoint.url), "events": .array(endpoint.events.map { .string($0) }),
            "description": .string(endpoint.description), "state": .string(endpoint.state.rawValue),
            "disabled_reason": endpoint.disabledReason.map { .string($0) } ?? .null, "previous_secret_until": text(endpoint.previousUntil),
            "failing_since": text(endpoint.failingSince), "created_at": text(endpoint.createdAt),
        ]
    }

    private static func json(_ delivery: MessageDelivery) -> JSONValue {
        [
            "message_id": .string(WebhookMessage.name(delivery.message)), "type": .string(delivery.type),
            "state": .string(delivery.state.rawValue), "attempts": .int(Int64(delivery.attempts)), "next_attempt_at": text(delivery.nextAt),
            "created_at": text(delivery.createdAt),
        ]
    }

    private static func json(_ attempt: WebhookAttempt) -> JSONValue {
        [
            "attempt": .int(Int64(attempt.number)), "at": text(attempt.at), "milliseconds": .int(Int64(attempt.milliseconds)),
            "status": attempt.status.map { .int(Int64($0)) } ?? .null, "answer": attempt.answer.map { .string($0) } ?? .null,
            "failure": attempt.failure.map { .string($0) } ?? .null,
        ]
    }
}
