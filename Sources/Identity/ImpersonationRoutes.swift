import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension Identity {
    private static let impersonation = Schema.named(
        "Impersonation",
        .object([
            SchemaField("id", PeopleWire.uuid), SchemaField("staff_id", PeopleWire.uuid, "Who acts"),
            SchemaField("user_id", PeopleWire.uuid, "In whose place"), SchemaField("tenant_id", PeopleWire.uuid),
            SchemaField("reason", .string(max: 500)), SchemaField("created_at", PeopleWire.time),
            SchemaField("expires_at", PeopleWire.time),
            SchemaField("is_live", .boolean, "False as soon as one of its causes has ended"),
        ]))
    private static let list = Schema.object([SchemaField("impersonations", .array(impersonation, max: 200))])

    package func impersonationRoutes() -> [Route] { staffRoutes + tenantRoutes }

    private var staffRoutes: [Route] {
        let path = "/api/v1/admin/impersonations"
        return [
            Route(
                .post, path, name: "impersonations.start",
                summary: "Acts in a member's place from now on, for a reason and a time that the tenant sees; its owners get a mail.",
                access: .permission(ImpersonationPermissions.act),
                request: .object([
                    SchemaField("user_id", PeopleWire.uuid), SchemaField("tenant_id", PeopleWire.uuid),
                    SchemaField("reason", .string(min: 10, max: 500), "Shown to the tenant"),
                    SchemaField("minutes", .integer(1...60), "30 where not said", optional: true),
                    SchemaField("survives_suspension", .boolean, "Goes on while the tenant is suspended", optional: true),
                ]),
                answers: [
                    RouteAnswer(
                        201, "A token for that time; it can change no credentials, memberships or keys",
                        .object([
                            SchemaField("id", PeopleWire.uuid), SchemaField("access_token", .string(max: 8_000)),
                            SchemaField("expires_at", PeopleWire.time),
                        ]))
                ], problems: [CommonProblems.notFound, ImpersonationProblems.protected]
            ) { call in
                guard let user = call.json?["user_id"]?.string.flatMap(UserID.init),
                    let tenant = call.json?["tenant_id"]?.string.flatMap(TenantID.init)
                else { throw CommonProblems.notFound }
                let minutes = Int(call.json?["minutes"]?.int ?? 30)
                let form = ImpersonationForm(
                    user: user, tenant: tenant, reason: try TenantName.read(call.json?["reason"]?.string ?? "", "reason", max: 500),
                    minutes: minutes, survivesSuspension: call.json?["survives_suspension"]?.bool ?? false)
                let grant = try await impersonate(form, by: try call.caller(), call.act)
                return .json(
                    value: [
                        "id": .string(grant.session.description), "access_token": .string(grant.access.text),
                        "expires_at": .string((call.act.now + .minutes(Int64(minutes))).iso8601),
                    ], status: 201)
            },
            Route(
                .get, path, name: "impersonations.list", summary: "In whose place the caller acted, the newest first.",
                access: .permission(ImpersonationPermissions.act), answers: [RouteAnswer(200, "At most 200", Self.list)]
            ) { call in Self.reply(try await impersonations(of: nil, by: try call.caller().user, now: call.act.now)) },
            Route(
                .delete, "\(path)/{id}", name: "impersonations.end", summary: "Ends one of the caller's impersonations.",
                access: .permission(ImpersonationPermissions.act), answers: [RouteAnswer(204, "Ended.")],
                problems: [CommonProblems.notFound]
            ) { call in
                try await endImpersonation(try call.id("id"), of: nil, by: try call.caller().user, call.act)
                return Reply(status: 204)
            },
            Route(
                .put, "/api/v1/admin/users/{id}/platform-role", name: "admin.appoint",
                summary: "Gives or, with null, takes a platform role; everything done with it ends at once.",
                access: .permission(ImpersonationPermissions.appoint),
                request: .object([SchemaField("role", .nullable(.choice(Role.ofPlatform.map(\.rawValue))))]),
                answers: [RouteAnswer(204, "Done.")], problems: [CommonProblems.notFound, ImpersonationProblems.notAppointable]
            ) { call in
                try await appoint(
                    try call.id("id"), to: call.json?["role"]?.string.map(Role.init(rawValue:)), by: try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    private var tenantRoutes: [Route] {
        let path = "/api/v1/orgs/current/impersonations"
        return [
            Route(
                .get, path, name: "orgs.impersonations", summary: "When staff acted in a member's place, and why; the newest first.",
                access: .permission(TenancyPermissions.tenantRead), answers: [RouteAnswer(200, "At most 200", Self.list)]
            ) { call in Self.reply(try await impersonations(of: try call.caller().tenant, by: nil, now: call.act.now)) },
            Route(
                .delete, "\(path)/{id}", name: "orgs.end_impersonation", summary: "Ends an impersonation in this tenant, at once.",
                access: .permission(TenancyPermissions.tenantWrite), answers: [RouteAnswer(204, "Ended.")],
                problems: [CommonProblems.notFound]
            ) { call in
                try await endImpersonation(try call.id("id"), of: try call.caller().tenant, by: nil, call.act)
                return Reply(status: 204)
            },
        ]
    }

    private static func reply(_ found: [(Impersonation, isLive: Bool)]) -> Reply {
        .json(value: [
            "impersonations": .array(
                found.map { one, isLive in
                    [
                        "id": .string(one.session.description), "staff_id": .string(one.staff.description),
                        "user_id": .string(one.user.description), "tenant_id": .string(one.tenant.description),
                        "reason": .string(one.reason), "created_at": .string(one.createdAt.iso8601),
                        "expires_at": .string(one.expiresAt.iso8601), "is_live": .bool(isLive),
                    ]
                })
        ])
    }
}
