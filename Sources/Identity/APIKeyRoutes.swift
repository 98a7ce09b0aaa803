import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension APIKeys {
    private static let path = "/api/v1/api-keys"
    private static let fields = [
        SchemaField("id", PeopleWire.uuid), SchemaField("owner_id", PeopleWire.uuid, "The user for whom it acts"),
        SchemaField("name", .string(max: 100)), SchemaField("prefix", .string(max: 12), "The beginning of the key; tells keys apart"),
        SchemaField("permissions", .array(.string(max: 100), max: 200)),
        SchemaField("state", .choice(APIKey.State.allCases.map(\.rawValue))),
        SchemaField("created_at", PeopleWire.time), SchemaField("expires_at", PeopleWire.time),
        SchemaField("rotated_at", .nullable(PeopleWire.time)), SchemaField("last_used_at", .nullable(PeopleWire.time)),
        SchemaField("previous_until", .nullable(PeopleWire.time), "Until when the key before the last rotation works"),
    ]
    private static let key = Schema.named("APIKey", .object(fields))
    private static let made = Schema.object([
        SchemaField("api_key", key), SchemaField("secret", .string(max: 100), "The whole key, this once: send it as Bearer"),
    ])

    package func routes() -> [Route] { ownRoutes() + managerRoutes() }

    private func ownRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "api_keys.list", summary: "The caller's API keys in this tenant.",
                access: .permission(APIKeyPermissions.own), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("api_keys", of: Self.key))]
            ) { call in try await page(call, owner: try call.caller().user) },
            Route(
                .post, Self.path, name: "api_keys.create", summary: "Makes a key that acts as the caller, at most; shows its secret once.",
                access: .permission(APIKeyPermissions.own),
                request: .object([
                    SchemaField("name", .string(min: 1, max: 100)),
                    SchemaField("permissions", .array(.string(min: 3, max: 100), max: 200), "What it may be used for"),
                    SchemaField("expires_in_days", .integer(1...3_650), "90 where not said", optional: true),
                ]), answers: [RouteAnswer(201, "The key", Self.made)], problems: [APIKeyProblems.tooMany]
            ) { call in
                let name = try TenantName.read(call.json?["name"]?.string ?? "", "name", max: 100)
                let permissions = call.json?["permissions"]?.array?.compactMap(\.string) ?? []
                let made = try await create(
                    name: name, permissions: permissions, days: Int(call.json?["expires_in_days"]?.int ?? 90), for: try call.caller(),
                    call.act)
                return .json(value: Self.json(made, call.act.now), status: 201)
            },
            Route(
                .post, "\(Self.path)/{id}/rotate", name: "api_keys.rotate",
                summary: "Gives a key another secret; the one before works on for a while, a day where not said.",
                access: .permission(APIKeyPermissions.own),
                request: .object([SchemaField("overlap_hours", .integer(0...168), "24 where not said", optional: true)]),
                answers: [RouteAnswer(200, "The key", Self.made)], problems: [CommonProblems.notFound, APIKeyProblems.over]
            ) { call in
                let made = try await rotate(
                    try call.id("id"), overlap: .hours(call.json?["overlap_hours"]?.int ?? 24), for: try call.caller(), call.act)
                return .json(value: Self.json(made, call.act.now))
            },
            Route(
                .delete, "\(Self.path)/{id}", name: "api_keys.revoke", summary: "Ends one of the caller's keys, at once.",
                access: .permission(APIKeyPermissions.own), answers: [RouteAnswer(204, "Ended.")],
                problems: [CommonProblems.notFound, APIKeyProblems.over]
            ) { call in
                try await revoke(try call.id("id"), anybody: false, try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    private func managerRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/orgs/current/api-keys", name: "api_keys.list_all", summary: "The API keys of every member.",
                access: .permission(APIKeyPermissions.manage), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("api_keys", of: Self.key))]
            ) { call in try await page(call, owner: nil) },
            Route(
                .delete, "/api/v1/orgs/current/api-keys/{id}", name: "api_keys.revoke_any", summary: "Ends any member's key, at once.",
                access: .permission(APIKeyPermissions.manage), answers: [RouteAnswer(204, "Ended.")],
                problems: [CommonProblems.notFound, APIKeyProblems.over]
            ) { call in
                try await revoke(try call.id("id"), anybody: true, try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    private func page(_ call: Call, owner: UserID?) async throws -> Reply {
        let page = try call.page()
        let found = try await list(try call.caller().tenant, owner: owner, after: page.after.flatMap(APIKeyID.init), limit: page.limit)
        return call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "api_keys") {
            Self.json($0, call.act.now)
        }
    }
    private static func json(_ made: Made, _ now: Timestamp) -> JSONValue {
        ["api_key": json(made.key, now), "secret": .string(made.text)]
    }
    private static func json(_ key: APIKey, _ now: Timestamp) -> JSONValue {
        [
            "id": .string(key.id.description), "owner_id": .string(key.owner.description), "name": .string(key.name),
            "prefix": .string(key.prefix), "permissions": .array(key.permissions.map { .string($0) }),
            "state": .string(key.state(at: now).rawValue), "created_at": .string(key.createdAt.iso8601),
            "expires_at": .string(key.expiresAt.iso8601), "rotated_at": PeopleWire.json(key.rotatedAt),
            "last_used_at": PeopleWire.json(key.lastUsedAt), "previous_until": PeopleWire.json(key.previousUntil),
        ]
    }
}
