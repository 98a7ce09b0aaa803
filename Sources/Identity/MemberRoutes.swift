import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension People {
    private static let members = "/api/v1/memberships"

    package func routes() -> [Route] { memberRoutes() + leavingRoutes() + organisationRoutes() + invitationRoutes() + answerRoutes() }

    private func memberRoutes() -> [Route] {
        [
            Route(
                .get, Self.members, name: "memberships.list", summary: "Who belongs to the tenant.",
                access: .permission(TenancyPermissions.read), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("memberships", of: PeopleWire.member))]
            ) { call in
                let page = try call.page()
                let found = try await members(
                    try call.caller().tenant, after: page.after.flatMap(MembershipID.init), limit: page.limit, now: call.act.now)
                return call.reply(
                    Page(reading: found, limit: page.limit) { $0.membership.id.description }, named: "memberships", PeopleWire.json)
            },
            Route(
                .get, "\(Self.members)/{id}", name: "memberships.get", summary: "One member.",
                access: .permission(TenancyPermissions.read), answers: [RouteAnswer(200, "The member", PeopleWire.member)],
                problems: [CommonProblems.notFound]
            ) { call in
                .json(value: PeopleWire.json(try await member(try call.id("id"), of: try call.caller().tenant, now: call.act.now)))
            },
            Route(
                .patch, "\(Self.members)/{id}", name: "memberships.change",
                summary: "Changes role, end or scope of a member below the caller's own role; what is left out stays.",
                access: .permission(TenancyPermissions.manage),
                request: .object([
                    SchemaField("role", PeopleWire.role, optional: true), PeopleWire.endsAt, PeopleWire.scopeField,
                ]), answers: [RouteAnswer(200, "The member", PeopleWire.member)],
                problems: [
                    CommonProblems.notFound, TenancyProblems.lastOwner, TenancyProblems.rankTooLow, TenancyProblems.endRequired,
                    TenancyProblems.ownerUnbounded,
                ]
            ) { call in
                let wanted = MemberChange(
                    role: call.json?["role"]?.string.map(Role.init(rawValue:)), endsAt: try PeopleWire.time(call, "ends_at"),
                    scope: PeopleWire.scope(call))
                return .json(value: PeopleWire.json(try await change(try call.id("id"), wanted, by: try call.caller(), call.act)))
            },
            Route(
                .delete, "\(Self.members)/{id}", name: "memberships.remove",
                summary: "Ends a membership below the caller's own role: sessions, keys and leases in this tenant end with it.",
                access: .permission(TenancyPermissions.manage), answers: [RouteAnswer(204, "Ended.")],
                problems: [CommonProblems.notFound, TenancyProblems.lastOwner, TenancyProblems.rankTooLow]
            ) { call in
                try await remove(try call.id("id"), by: try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    private func leavingRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/orgs/current/leave", name: "orgs.leave",
                summary:
                    "Ends the caller's own membership in this tenant: now, or when the operator's notice is over. The last owner cannot.",
                access: .session,
                answers: [
                    RouteAnswer(204, "Left."),
                    RouteAnswer(
                        202, "Ends then; until then everything is as before",
                        .object([SchemaField("ends_at", .string(max: 40, format: .dateTime))])),
                ], problems: [CommonProblems.notFound, TenancyProblems.lastOwner]
            ) { call in
                guard let endsAt = try await leave(try call.caller(), call.act) else { return Reply(status: 204) }
                return .json(value: ["ends_at": .string(endsAt.iso8601)], status: 202)
            }
        ]
    }

    private func organisationRoutes() -> [Route] {
        let name = Schema.object([SchemaField("name", .string(min: 1, max: 200))])
        return [
            Route(
                .get, "/api/v1/orgs", name: "orgs.list", summary: "The tenants that the caller belongs to.", access: .session,
                answers: [
                    RouteAnswer(
                        200, "All of them",
                        .object([
                            SchemaField(
                                "orgs",
                                .array(
                                    .object([
                                        SchemaField("id", PeopleWire.uuid), SchemaField("name", .string(max: 200)),
                                        SchemaField("role", PeopleWire.role), SchemaField("ends_at", .nullable(PeopleWire.time)),
                                    ]), max: 10_000))
                        ]))
                ]
            ) { call in
                let found = try await tenancy.tenants(of: try call.caller().user, now: call.act.now)
                return .json(value: [
                    "orgs": .array(
                        found.map {
                            [
                                "id": .string($0.tenant.id.description), "name": .string($0.tenant.name),
                                "role": .string($0.standing.membership.role.rawValue),
                                "ends_at": PeopleWire.json($0.standing.membership.endsAt),
                            ]
                        })
                ])
            },
            Route(
                .post, "/api/v1/orgs", name: "orgs.create",
                summary: "Founds another organisation of the caller's. POST /auth/switch speaks for it.", access: .session, request: name,
                answers: [RouteAnswer(201, "Founded", .object([SchemaField("id", PeopleWire.uuid)]))],
                problems: [PeopleProblems.tooManyTenants], creates: true
            ) { call in
                let name = try TenantName.read(call.json?["name"]?.string ?? "", "name")
                return .json(value: ["id": .string(try await found(name, by: try call.caller(), call.act).description)], status: 201)
            },
            Route(
                .patch, "/api/v1/orgs/current", name: "orgs.rename", summary: "Gives the tenant another name.",
                access: .permission(TenancyPermissions.tenantWrite), request: name, answers: [RouteAnswer(204, "Renamed.")],
                problems: [CommonProblems.notFound]
            ) { call in
                let name = try TenantName.read(call.json?["name"]?.string ?? "", "name")
                try await tenancy.rename(try call.caller().tenant, to: name, call.act)
                return Reply(status: 204)
            },
        ]
    }
}
