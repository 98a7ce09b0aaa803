import HTTPEdge
import Tenancy
import Vocabulary

extension Offboarding {
    private static let member = Schema.named(
        "MemberLeaving",
        .object([
            SchemaField("id", uuid), SchemaField("membership_id", uuid), SchemaField("user_id", uuid),
            SchemaField("role", .string(max: 64), "The one that the member had"),
            SchemaField("cause", .choice(MemberLeaving.Cause.allCases.map(\.rawValue))),
            SchemaField("state", .choice(MemberLeaving.State.allCases.map(\.rawValue))), SchemaField("ended_at", time),
            SchemaField("kept_until", .nullable(time), "Until then the workstation sleeps with everything on it; null: there is none"),
            SchemaField("is_handed_over", .boolean, "Owners may start and enter the workstation once it is kept"),
            SchemaField(
                "steps",
                .array(
                    .object([
                        SchemaField("phase", .choice(LeavingStep.Phase.allCases.map(\.rawValue))), SchemaField("step", .string(max: 64)),
                        SchemaField("done_at", .nullable(time)),
                    ]), max: 100)),
        ]))

    func memberRoutes() -> [Route] {
        [
            Route(
                .get, "\(Self.path)/members", name: "offboarding.members",
                summary: "Members who left while the organisation stays: what was ended, and what is kept of theirs until when.",
                access: .permission(TenancyPermissions.manage), query: QueryField.paging,
                answers: [RouteAnswer(200, "The newest first", .page("members", of: Self.member))]
            ) { call in
                let page = try call.page()
                let after = try page.after.map { text in
                    guard let id = MemberLeaving.ID(text) else { throw CommonProblems.invalid("cursor", "is none of this list") }
                    return id
                }
                let found = try await memberLeavings(of: try call.caller().tenant, after: after, limit: page.limit)
                return call.reply(Page(reading: found, limit: page.limit) { $0.leaving.id.description }, named: "members", Self.json)
            }
        ]
    }

    private static func json(_ progress: MemberProgress) -> JSONValue {
        let leaving = progress.leaving
        return [
            "id": .string(leaving.id.description), "membership_id": .string(leaving.membership.description),
            "user_id": .string(leaving.user.description), "role": .string(leaving.role), "cause": .string(leaving.cause.rawValue),
            "state": .string(leaving.state.rawValue), "ended_at": .string(leaving.endedAt.iso8601),
            "kept_until": leaving.keptUntil.map { .string($0.iso8601) } ?? .null, "is_handed_over": .bool(leaving.isHandedOver),
            "steps": .array(
                progress.steps.map { step in
                    [
                        "phase": .string(step.phase.rawValue), "step": .string(step.name),
                        "done_at": step.doneAt.map { .string($0.iso8601) } ?? .null,
                    ]
                }),
        ]
    }
}
