import Foundation
import HTTPEdge
import Vocabulary

extension Teams {
    private static let path = "/api/v1/teams"
    private static let team = Schema.named(
        "Team",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("name", .string(max: 100)),
            SchemaField("members", .integer(0...1_000_000), "How many"),
            SchemaField("created_at", .string(max: 40, format: .dateTime)),
        ]))
    private static let body = Schema.object([SchemaField("name", .string(min: 1, max: 100))])

    package func routes() -> [Route] { teamRoutes() + memberRoutes() }

    private func teamRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "teams.list", summary: "The tenant's teams, by name.", access: .permission(TenancyPermissions.read),
                answers: [RouteAnswer(200, "All of them", .object([SchemaField("teams", .array(Self.team, max: Team.mostPerTenant))]))]
            ) { call in .json(value: ["teams": .array(try await list(try call.caller().tenant).map(Self.json))]) },
            Route(
                .post, Self.path, name: "teams.create", summary: "Makes a team.", access: .permission(TenancyPermissions.manage),
                request: Self.body, answers: [RouteAnswer(201, "The team", Self.team)],
                problems: [TenancyProblems.teamNameTaken, TenancyProblems.tooManyTeams], creates: true
            ) { call in .json(value: Self.json(try await create(Self.name(call), try call.caller().tenant, call.act)), status: 201) },
            Route(
                .patch, "\(Self.path)/{id}", name: "teams.rename", summary: "Gives a team another name.",
                access: .permission(TenancyPermissions.manage), request: Self.body, answers: [RouteAnswer(200, "The team", Self.team)],
                problems: [CommonProblems.notFound, TenancyProblems.teamNameTaken]
            ) { call in
                .json(value: Self.json(try await rename(try call.id("id"), to: Self.name(call), try call.caller().tenant, call.act)))
            },
            Route(
                .delete, "\(Self.path)/{id}", name: "teams.delete", summary: "Removes a team; its members stay members.",
                access: .permission(TenancyPermissions.manage), answers: [RouteAnswer(204, "Removed.")],
                problems: [CommonProblems.notFound]
            ) { call in
                try await remove(try call.id("id"), try call.caller().tenant, call.act)
                return Reply(status: 204)
            },
        ]
    }

    private func memberRoutes() -> [Route] {
        let members = "\(Self.path)/{id}/members"
        return [
            Route(
                .get, members, name: "teams.members", summary: "Who is in a team.", access: .permission(TenancyPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "Their memberships",
                        .object([SchemaField("membership_ids", .array(.string(max: 36, format: .uuid), max: 100_000))]))
                ], problems: [CommonProblems.notFound]
            ) { call in
                let found = try await self.members(of: try call.id("id"), try call.caller().tenant)
                return .json(value: ["membership_ids": .array(found.map { .string($0.description) })])
            },
            Route(
                .put, "\(members)/{membership}", name: "teams.add_member", summary: "Puts a member into a team; twice is harmless.",
                access: .permission(TenancyPermissions.manage), answers: [RouteAnswer(204, "In it.")], problems: [CommonProblems.notFound]
            ) { call in
                try await add(try call.id("membership"), to: try call.id("id"), try call.caller().tenant, call.act)
                return Reply(status: 204)
            },
            Route(
                .delete, "\(members)/{membership}", name: "teams.remove_member", summary: "Takes a member out of a team.",
                access: .permission(TenancyPermissions.manage), answers: [RouteAnswer(204, "Out of it.")],
                problems: [CommonProblems.notFound]
            ) { call in
                try await take(try call.id("membership"), from: try call.id("id"), try call.caller().tenant, call.act)
                return Reply(status: 204)
            },
        ]
    }

    private static func name(_ call: Call) throws(Problem) -> String {
        try TenantName.read(call.json?["name"]?.string ?? "", "name", max: 100)
    }
    private static func json(_ team: Team) -> JSONValue {
        [
            "id": .string(team.id.description), "name": .string(team.name), "members": .int(Int64(team.members)),
            "created_at": .string(team.createdAt.iso8601),
        ]
    }
}
