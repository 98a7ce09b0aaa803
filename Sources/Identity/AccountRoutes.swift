import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension Identity {
    private static let users = "/api/v1/admin/users"
    private static let line: [SchemaField] = [
        SchemaField("id", PeopleWire.uuid), SchemaField("status", .choice(UserAccount.Status.allCases.map(\.rawValue))),
        SchemaField("platform_role", .nullable(.string(max: 64))), SchemaField("home_tenant_id", PeopleWire.uuid),
        SchemaField("is_verified", .boolean), SchemaField("created_at", PeopleWire.time),
    ]
    private static let summary = Schema.named("AccountSummary", .object(line))
    private static let account = Schema.named(
        "Account",
        .object(
            line + [
                SchemaField("email", .string(max: 254)), SchemaField("name", .string(max: 300)),
                SchemaField("closed_by", .nullable(.choice(["person", "staff"])), "Who deactivated it, and so who opens it again"),
                SchemaField("live_sessions", .integer(0...1_000_000)), SchemaField("has_second_factor", .boolean),
                SchemaField(
                    "memberships",
                    .array(
                        .object([
                            SchemaField("tenant_id", PeopleWire.uuid), SchemaField("membership_id", PeopleWire.uuid),
                            SchemaField("role", PeopleWire.role), SchemaField("ends_at", .nullable(PeopleWire.time)),
                        ]), max: 10_000)),
            ]))
    private static let why = Schema.object([SchemaField("reason", .string(min: 10, max: 500), "Into the journals of tenant and platform")])

    package func accountRoutes() -> [Route] { readingRoutes + changingRoutes + [reactivation] }

    /// Whoever closed the own account.
    private var reactivation: Route {
        Route(
            .post, "/api/v1/auth/reactivate", name: "auth.reactivate",
            summary: "Opens the own account again that its person deactivated; then sign in. Answers a stranger as signing in does.",
            access: .open, limit: .login,
            request: .object([SchemaField("email", .string(min: 1, max: 1_024)), SchemaField("password", .string(min: 1, max: 1_024))]),
            answers: [RouteAnswer(204, "Open.")],
            problems: [
                IdentityProblems.credentialsInvalid, IdentityProblems.accountDeactivated, IdentityProblems.accountLocked,
                IdentityProblems.signInSlowed,
            ], clue: .signIn("email")
        ) { call in
            try await reactivate(
                email: call.json?["email"]?.string ?? "", password: call.json?["password"]?.string ?? "", call.act)
            return Reply(status: 204)
        }
    }

    private var readingRoutes: [Route] {
        [
            Route(
                .get, Self.users, name: "admin.users.list", summary: "Every account, the newest first; nothing that says who it is.",
                access: .permission(StaffPermissions.users), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("users", of: Self.summary))]
            ) { call in
                let page = try call.page()
                let found = try await accounts(after: page.after.flatMap(UserID.init), limit: page.limit, call.act)
                return call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "users") { .object(Self.json($0)) }
            },
            Route(
                .post, "\(Self.users)/search", name: "admin.users.search",
                summary: "The account with exactly this address. That staff looked stands in the platform's journal.",
                access: .permission(StaffPermissions.users), request: .object([SchemaField("email", .string(min: 3, max: 254))]),
                answers: [RouteAnswer(200, "One or none", .object([SchemaField("users", .array(Self.summary, max: 1))]))]
            ) { call in
                let found = try await find(email: call.json?["email"]?.string ?? "", call.act)
                return .json(value: ["users": .array(found.map { [.object(Self.json($0))] } ?? [])])
            },
            Route(
                .get, "\(Self.users)/{id}", name: "admin.users.get",
                summary: "One account. That staff looked stands in the journal of the person's own tenant.",
                access: .permission(StaffPermissions.users), answers: [RouteAnswer(200, "The account", Self.account)],
                problems: [CommonProblems.notFound]
            ) { call in .json(value: Self.json(try await file(of: try call.id("id"), call.act))) },
        ]
    }

    private var changingRoutes: [Route] {
        let problems = [CommonProblems.notFound, AccountProblems.untouchable]
        return [
            Route(
                .post, "\(Self.users)/{id}/deactivate", name: "admin.users.deactivate",
                summary: "Deactivates an account: its sessions, keys and seats end, and only staff opens it again.",
                access: .permission(StaffPermissions.users), request: Self.why, answers: [RouteAnswer(204, "Deactivated.")],
                problems: problems + [TenancyProblems.lastOwner]
            ) { call in
                try await deactivate(try call.id("id"), reason: try Self.reason(call), by: try call.caller(), call.act)
                return Reply(status: 204)
            },
            Route(
                .post, "\(Self.users)/{id}/reactivate", name: "admin.users.reactivate",
                summary: "Opens an account again, whoever deactivated it; the person gets a mail.",
                access: .permission(StaffPermissions.users), request: Self.why, answers: [RouteAnswer(204, "Open.")], problems: problems
            ) { call in
                try await reactivate(try call.id("id"), reason: try Self.reason(call), by: try call.caller(), call.act)
                return Reply(status: 204)
            },
            Route(
                .post, "\(Self.users)/{id}/sign-out", name: "admin.users.sign_out", summary: "Ends every session of an account.",
                access: .permission(StaffPermissions.users), request: Self.why,
                answers: [RouteAnswer(200, "Ended.", .object([SchemaField("ended_sessions", .integer(0...1_000_000))]))], problems: problems
            ) { call in
                let ended = try await signOutEverywhere(
                    try call.id("id"), reason: try Self.reason(call), by: try call.caller(), call.act)
                return .json(value: ["ended_sessions": .int(Int64(ended))])
            },
        ]
    }

    private static func reason(_ call: Call) throws -> String {
        try TenantName.read(call.json?["reason"]?.string ?? "", "reason", max: 500)
    }

    private static func json(_ line: AccountLine) -> [String: JSONValue] {
        [
            "id": .string(line.id.description), "status": .string(line.status.rawValue),
            "platform_role": line.platformRole.map { .string($0) } ?? .null, "home_tenant_id": .string(line.homeTenant.description),
            "is_verified": .bool(line.isVerified), "created_at": .string(line.createdAt.iso8601),
        ]
    }
    private static func json(_ file: AccountFile) -> JSONValue {
        let account = file.account
        var members = json(
            AccountLine(
                id: account.id, status: account.status, platformRole: account.platformRole?.rawValue, homeTenant: account.homeTenant,
                isVerified: account.isVerified, createdAt: account.createdAt))
        members["email"] = .string(account.email)
        members["name"] = .string(account.name)
        members["closed_by"] = file.closedBy.map { .string($0) } ?? .null
        members["live_sessions"] = .int(Int64(file.sessions))
        members["has_second_factor"] = .bool(file.hasFactor)
        members["memberships"] = .array(
            file.places.map { place in
                [
                    "tenant_id": .string(place.membership.tenant.description), "membership_id": .string(place.membership.id.description),
                    "role": .string(place.membership.role.rawValue), "ends_at": PeopleWire.json(place.membership.endsAt),
                ]
            })
        return .object(members)
    }
}
