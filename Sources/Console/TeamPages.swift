import HTTPEdge
import Identity
import Vocabulary

/// Teams of the own organization.
extension Console {
    private static let teams = "/teams"
    private static let teamName = FormField(name: "name", label: "Name", maxLength: 100)

    var teamPages: [Route] {
        [
            teamsPage, teamPage,
            acting("\(Self.teams)/create", "team_create", "Make a team.") { call in
                let made = try await ask("teams.create", call, body: ["name": .string(try SentForm(call)["name"])])
                return .redirect(to: "\(Self.teams)/\(made.text("id"))")
            },
            asking("\(Self.teams)/{id}/rename", "team_rename", "Give a team another name.", "teams.rename", on: Self.teamPath) { sent in
                ["name": .string(sent["name"])]
            },
            asking("\(Self.teams)/{id}/delete", "team_delete", "Remove a team.", "teams.delete", on: { _ in Self.teams }),
            acting("\(Self.teams)/{id}/members", "team_add", "Put a member into a team.") { call in
                let parameters = ["id": call.parameters["id"] ?? "", "membership": try SentForm(call)["member"]]
                _ = try await ask("teams.add_member", call, parameters)
                return .redirect(to: try Self.teamPath(call))
            },
            asking(
                "\(Self.teams)/{id}/members/{membership}/remove", "team_take", "Take a member out of a team.", "teams.remove_member",
                on: Self.teamPath),
        ]
    }

    private static func teamPath(_ call: Call) throws -> String {
        let id: TeamID = try call.id("id")
        return "\(teams)/\(id)"
    }

    private var teamsPage: Route {
        route(.get, Self.teams, "teams", "Teams of the own organization.") { call in
            let found = try await ask("teams.list", call)
            var desk = Desk(
                heading: "Teams", intro: ["Projects can be shared with a team; who is in it has them."],
                tables: [
                    Desk.Table(
                        anchor: "teams", caption: "Teams", columns: ["Name", "Members", "Since"],
                        rows: found.list("teams").map { one in
                            Desk.Row(
                                cells: [one.text("name"), one.text("members"), one.moment("created_at")],
                                ways: [Desk.Way(words: "Open", target: "\(Self.teams)/\(one.text("id"))", whom: one.text("name"))])
                        })
                ], elsewhere: Self.deskWays)
            if try await may(ask: "teams.create", of: call) {
                desk.forms.append(
                    Desk.Form(
                        anchor: "new", title: "A new team", action: "\(Self.teams)/create", fields: [Self.teamName], button: "Make the team"
                    ))
            }
            return try self.desk(desk, call)
        }
    }

    private var teamPage: Route {
        route(.get, "\(Self.teams)/{id}", "team", "One team and who is in it.") { call in
            let path = try Self.teamPath(call)
            let caller = try call.caller()
            let id = call.parameters["id"]?.lowercased() ?? ""
            guard let team = try await ask("teams.list", call).list("teams").first(where: { $0.text("id") == id }) else {
                throw CommonProblems.notFound
            }
            let inside = Set(try await ask("teams.members", call, ["id": id]).list("membership_ids").compactMap(\.string))
            let members = try await services.people.members(caller.tenant, after: nil, limit: 500, now: call.act.now)
            let manages = try await may(ask: "teams.add_member", of: call)
            var desk = Desk(
                heading: team.text("name"),
                tables: [
                    Desk.Table(
                        anchor: "members", caption: "In this team", columns: ["Name", "Email", "Role"],
                        rows: members.filter { inside.contains($0.membership.id.description) }.map { member in
                            let target = "\(path)/members/\(member.membership.id)/remove"
                            return Desk.Row(
                                cells: [member.name, member.email, member.membership.role.rawValue],
                                acts: manages ? [Desk.Way(words: "Take out", target: target, whom: member.name)] : [])
                        })
                ], elsewhere: [("All teams", Self.teams)] + Self.deskWays)
            let others = members.filter { !inside.contains($0.membership.id.description) }
            if manages {
                if !others.isEmpty {
                    let options = others.map { FormField.Option(value: $0.membership.id.description, words: "\($0.name), \($0.email)") }
                    desk.forms.append(
                        Desk.Form(
                            anchor: "add", title: "Put somebody in", action: "\(path)/members",
                            fields: [FormField(name: "member", label: "Member", options: options)], button: "Put in"))
                }
                desk.forms += [
                    Desk.Form(
                        anchor: "rename", title: "Another name", action: "\(path)/rename", fields: [Self.teamName],
                        values: ["name": team.text("name")], button: "Rename it"),
                    Desk.Form(
                        anchor: "delete", title: "Remove the team", action: "\(path)/delete", fields: [],
                        button: "Remove it; its members stay members"),
                ]
            }
            return try self.desk(desk, call)
        }
    }
}
