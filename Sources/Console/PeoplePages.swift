import Foundation
import HTTPEdge
import Identity
import Tenancy
import Vocabulary

/// Members of the own organization, and who is invited.
extension Console {
    private static let home = "/people"
    private static let back = RouteProof(isSensitive: true, back: home)
    private static let roleHint = "One of: \(Role.ofTenant.map(\.rawValue).joined(separator: ", "))."
    private static let lastDay = FormField(
        name: "last_day", label: "Last day", type: "date", hint: "In UTC. Contractors and auditors need one.", maxLength: 10,
        isOptional: true)
    private static let scope = FormField(
        name: "scope", label: "Projects", hint: "Project ids with spaces between; empty: as far as the role goes.", maxLength: 1_000,
        isOptional: true)

    var peoplePages: [Route] { [peopleHome, peopleInvite, memberPage, memberChange, memberRemove] + peopleInvitations }

    private var peopleHome: Route {
        route(.get, Self.home, "people", "Members of the own organization, and who is invited.") { call in
            let caller = try await holder(of: TenancyPermissions.read, call)
            let (manages, invites) = (
                try await may(TenancyPermissions.manage, caller, call), try await may(TenancyPermissions.invite, caller, call)
            )
            let members = try await services.people.members(caller.tenant, after: nil, limit: 100, now: call.act.now)
            var desk = Desk(heading: "Members", elsewhere: Self.deskWays)
            desk.tables.append(
                Desk.Table(
                    anchor: "members", caption: "Members", columns: ["Name", "Email", "Role", "Until"],
                    rows: members.prefix(100).map { member in
                        let id = member.membership.id
                        return Desk.Row(
                            cells: [
                                member.name, member.email, member.membership.role.rawValue,
                                member.membership.endsAt.map(Spans.minute) ?? "no end",
                            ], ways: manages ? [Desk.Way(words: "Change", target: "\(Self.home)/\(id)", whom: member.name)] : [])
                    }))
            if members.count > 100 { desk.intro.append("The first 100 are shown; GET /api/v1/memberships lists all.") }
            if invites {
                desk.tables.append(try await invitationTable(caller, call))
                desk.forms.append(
                    Desk.Form(
                        anchor: "invite", title: "Invite somebody", action: "\(Self.home)/invite",
                        fields: [
                            .email, FormField(name: "role", label: "Role", hint: Self.roleHint, maxLength: 64), Self.lastDay, Self.scope,
                        ], button: "Send the invitation"))
            }
            return try self.desk(desk, call)
        }
    }

    private func invitationTable(_ caller: Principal, _ call: Call) async throws -> Desk.Table {
        let all = try await services.people.invitations(caller.tenant, after: nil, limit: 100)
        let open = all.filter { $0.status(at: call.act.now) == .pending }
        return Desk.Table(
            anchor: "invitations", caption: "Open invitations", columns: ["Email", "Role", "Answer until"],
            rows: try open.map { invitation in
                let email = try services.people.address(of: invitation)
                let path = "\(Self.home)/invitations/\(invitation.id)"
                return Desk.Row(
                    cells: [email, invitation.role.rawValue, Spans.minute(invitation.expiresAt)],
                    acts: [
                        Desk.Way(words: "Send again", target: "\(path)/resend", whom: email),
                        Desk.Way(words: "Take back", target: "\(path)/revoke", whom: email),
                    ])
            })
    }

    private var peopleInvite: Route {
        route(.post, "\(Self.home)/invite", "people_invite", "Invite somebody.") { call in
            let caller = try await holder(of: TenancyPermissions.invite, call)
            let sent = try SentForm(call)
            let form = InvitationForm(
                email: sent["email"], role: Role(rawValue: sent["role"]), scope: Self.projects(sent), endsAt: try Self.end(sent))
            _ = try await services.people.invite(form, by: caller, call.act)
            return .redirect(to: Self.home)
        }
    }

    private var peopleInvitations: [Route] {
        [
            route(.post, "\(Self.home)/invitations/{id}/resend", "people_resend", "Send an invitation again.") { call in
                let caller = try await holder(of: TenancyPermissions.invite, call)
                _ = try await services.people.resend(try call.id("id"), by: caller, call.act)
                return .redirect(to: Self.home)
            },
            route(.post, "\(Self.home)/invitations/{id}/revoke", "people_revoke", "Take an invitation back.") { call in
                try await services.people.revoke(try call.id("id"), by: try await holder(of: TenancyPermissions.invite, call), call.act)
                return .redirect(to: Self.home)
            },
        ]
    }

    // MARK: One member

    private var memberPage: Route {
        route(.get, "\(Self.home)/{id}", "member", "One member of the own organization.") { call in
            let caller = try await holder(of: TenancyPermissions.manage, call)
            let member = try await services.people.member(try call.id("id"), of: caller.tenant, now: call.act.now)
            let place = member.membership
            let path = "\(Self.home)/\(place.id)"
            // The end is exclusive: a member whose time is over at midnight has the day before as the last.
            let values = [
                "role": place.role.rawValue, "last_day": place.endsAt.map { String(($0 - .microseconds(1)).iso8601.prefix(10)) } ?? "",
                "scope": place.scope?.joined(separator: " ") ?? "",
            ]
            return try desk(
                Desk(
                    heading: member.name, intro: ["\(member.email), member since \(Spans.minute(member.since))."],
                    forms: [
                        Desk.Form(
                            anchor: "change", title: "Change", action: "\(path)/change",
                            fields: [FormField(name: "role", label: "Role", hint: Self.roleHint, maxLength: 64), Self.lastDay, Self.scope],
                            values: values, button: "Change it"),
                        Desk.Form(
                            anchor: "remove", title: "End the membership", action: "\(path)/remove", fields: [],
                            button: "End it now, with sessions, keys and seats"),
                    ], elsewhere: Self.deskWays), call)
        }
    }

    private var memberChange: Route {
        route(.post, "\(Self.home)/{id}/change", "member_change", "Change a member's role, end or projects.", proof: Self.back) { call in
            let caller = try await holder(of: TenancyPermissions.manage, call)
            let sent = try SentForm(call)
            let wanted = MemberChange(
                role: Role(rawValue: sent["role"]), endsAt: .set(try Self.end(sent)), scope: .set(Self.projects(sent)))
            _ = try await services.people.change(try call.id("id"), wanted, by: caller, call.act)
            return .redirect(to: Self.home)
        }
    }
    private var memberRemove: Route {
        route(.post, "\(Self.home)/{id}/remove", "member_remove", "End a membership.", proof: Self.back) { call in
            try await services.people.remove(try call.id("id"), by: try await holder(of: TenancyPermissions.manage, call), call.act)
            return .redirect(to: Self.home)
        }
    }

    // MARK: Reading

    /// The end of the last day, in UTC; none where nothing was said.
    static func end(_ sent: SentForm) throws(Problem) -> Timestamp? { try beginning("last_day", sent).map { $0 + .days(1) } }
    /// The beginning of a day, in UTC.
    static func beginning(_ name: String, _ sent: SentForm) throws(Problem) -> Timestamp? {
        guard let day = sent.optional(name) else { return nil }
        guard day.utf8.count == 10, let midnight = Timestamp(iso8601: day + "T00:00:00Z") else {
            throw CommonProblems.invalid(name, "is not a day such as 2027-01-31")
        }
        return midnight
    }
    /// Bounded like the API's list.
    static func projects(_ sent: SentForm) -> [String]? {
        guard let text = sent.optional("scope") else { return nil }
        return Set(text.split(whereSeparator: \.isWhitespace).prefix(500).map { String($0.prefix(100)) }).sorted()
    }
}
