import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension People {
    private static let invitations = "/api/v1/invitations"

    func invitationRoutes() -> [Route] {
        [
            Route(
                .get, Self.invitations, name: "invitations.list", summary: "The tenant's invitations, answered or not.",
                access: .permission(TenancyPermissions.invite), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("invitations", of: PeopleWire.invitation))]
            ) { call in
                let page = try call.page()
                let found = try await invitations(
                    try call.caller().tenant, after: page.after.flatMap(InvitationID.init), limit: page.limit)
                return try call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "invitations") {
                    try json($0, call)
                }
            },
            Route(
                .post, Self.invitations, name: "invitations.create",
                summary: "Invites an address to a role below the caller's own. Answers the same whether or not it belongs to an account.",
                access: .permission(TenancyPermissions.invite),
                request: .object([
                    SchemaField("email", .string(min: 3, max: 254, format: .email)), SchemaField("role", PeopleWire.role),
                    PeopleWire.endsAt, PeopleWire.scopeField,
                ]), answers: [RouteAnswer(201, "The invitation; its link goes by mail alone", PeopleWire.invitation)],
                problems: [
                    TenancyProblems.rankTooLow, TenancyProblems.endRequired, TenancyProblems.ownerUnbounded, PeopleProblems.alreadyMember,
                    PeopleProblems.alreadyInvited, PeopleProblems.tooManyInvitations,
                ], creates: true
            ) { call in
                let form = InvitationForm(
                    email: call.json?["email"]?.string ?? "", role: Role(rawValue: call.json?["role"]?.string ?? ""),
                    scope: PeopleWire.scope(call).over(nil), endsAt: try PeopleWire.time(call, "ends_at").over(nil))
                return .json(value: try json(try await invite(form, by: try call.caller(), call.act), call), status: 201)
            },
            Route(
                .get, "\(Self.invitations)/{id}", name: "invitations.get", summary: "One invitation.",
                access: .permission(TenancyPermissions.invite), answers: [RouteAnswer(200, "The invitation", PeopleWire.invitation)],
                problems: [CommonProblems.notFound]
            ) { call in .json(value: try json(try await invitation(try call.id("id"), of: try call.caller().tenant), call)) },
            Route(
                .post, "\(Self.invitations)/{id}/resend", name: "invitations.resend",
                summary: "Mails a new link with a whole term; the link before becomes worthless. A minute must lie between two.",
                access: .permission(TenancyPermissions.invite), answers: [RouteAnswer(200, "The invitation", PeopleWire.invitation)],
                problems: [
                    CommonProblems.notFound, PeopleProblems.settled, TenancyProblems.rankTooLow, CommonProblems.rateLimited,
                    TenancyProblems.endRequired,
                ]
            ) { call in .json(value: try json(try await resend(try call.id("id"), by: try call.caller(), call.act), call)) },
            Route(
                .delete, "\(Self.invitations)/{id}", name: "invitations.revoke",
                summary: "Takes an invitation back: its link is worthless.",
                access: .permission(TenancyPermissions.invite), answers: [RouteAnswer(204, "Taken back.")],
                problems: [CommonProblems.notFound, PeopleProblems.settled, TenancyProblems.rankTooLow]
            ) { call in
                try await revoke(try call.id("id"), by: try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    func answerRoutes() -> [Route] {
        let token = SchemaField("token", .string(min: 1, max: 200), "Of the mailed link")
        return [
            Route(
                .post, "\(Self.invitations)/look", name: "invitations.look", summary: "What the holder of a link is invited to.",
                access: .proof, limit: .signup, request: .object([token]),
                answers: [
                    RouteAnswer(
                        200, "The invitation, as its addressee sees it",
                        .object([
                            SchemaField("organization", .string(max: 200)), SchemaField("email", .string(max: 254)),
                            SchemaField("role", PeopleWire.role), SchemaField("ends_at", .nullable(PeopleWire.time)),
                            SchemaField("expires_at", PeopleWire.time),
                            SchemaField("has_account", .boolean, "The token alone accepts; else it needs a password and names"),
                        ]))
                ], problems: [IdentityProblems.linkInvalid], clue: .secret("token")
            ) { call in
                let seen = try await look(at: call.json?["token"]?.string ?? "", now: call.act.now)
                return .json(value: [
                    "organization": .string(seen.organization), "email": .string(seen.email), "role": .string(seen.role.rawValue),
                    "ends_at": PeopleWire.json(seen.endsAt), "expires_at": .string(seen.expiresAt.iso8601),
                    "has_account": .bool(seen.hasAccount),
                ])
            },
            Route(
                .post, "\(Self.invitations)/accept", name: "invitations.accept",
                summary:
                    "Makes whoever has the invited address a member: an existing account by the token alone, a new one with a password.",
                access: .proof, limit: .signup,
                request: .object([
                    token, SchemaField("password", .string(max: 1_024), optional: true),
                    SchemaField("first_name", .string(max: 100), optional: true),
                    SchemaField("last_name", .string(max: 100), optional: true),
                ]),
                answers: [
                    RouteAnswer(
                        200, "A member; sign in",
                        .object([
                            SchemaField("tenant_id", PeopleWire.uuid), SchemaField("membership_id", PeopleWire.uuid),
                            SchemaField("role", PeopleWire.role), SchemaField("email", .string(max: 254)),
                        ]))
                ],
                problems: [
                    IdentityProblems.linkInvalid, PeopleProblems.accountNeeded, PeopleProblems.alreadyMember, IdentityProblems.passwordWeak,
                    PeopleProblems.otherRegion, RegionProblems.directoryUnavailable,
                ], clue: .secret("token")
            ) { call in
                let answer = InvitationAnswer(
                    token: call.json?["token"]?.string ?? "", password: call.json?["password"]?.string,
                    firstName: call.json?["first_name"]?.string, lastName: call.json?["last_name"]?.string)
                let (account, membership) = try await accept(answer, call.act)
                return .json(value: [
                    "tenant_id": .string(membership.tenant.description), "membership_id": .string(membership.id.description),
                    "role": .string(membership.role.rawValue), "email": .string(account.email),
                ])
            },
        ]
    }

    private func json(_ invitation: Invitation, _ call: Call) throws -> JSONValue {
        PeopleWire.json(invitation, try address(of: invitation), now: call.act.now)
    }
}
