import HTTPEdge
import Store
import Vocabulary

extension Compliance {
    private static let path = "/api/v1/compliance/access-reviews"
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let id = Schema.string(max: 36, format: .uuid)
    private static let item = Schema.object([
        SchemaField("membership_id", id), SchemaField("user_id", id), SchemaField("role", .string(max: 64), "When the review was opened"),
        SchemaField("decision", .choice(AccessReview.Decision.allCases.map(\.rawValue))), SchemaField("decided_at", time, optional: true),
        SchemaField("decided_by", id, optional: true),
    ])
    private static let header = [
        SchemaField("id", id), SchemaField("opened_at", time), SchemaField("opened_by", id),
        SchemaField("signed_off_at", time, optional: true), SchemaField("signed_off_by", id, optional: true),
    ]
    private static let review = Schema.named(
        "AccessReview", .object(header + [SchemaField("items", .array(item, max: mostMembers))]))

    func reviewRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "compliance.access_reviews", summary: "Reviews of access, newest first.",
                access: .permission(CompliancePermissions.read), query: QueryField.paging,
                answers: [RouteAnswer(200, "The reviews", .page("reviews", of: .object(Self.header)))]
            ) { call in
                try await look(call)
                let page = try call.page()
                let found = try await reviews(
                    try call.caller().tenant, before: page.after.flatMap { AccessReview.ID($0) }, limit: page.limit + 1)
                return call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "reviews") { review in
                    guard case .object(var members) = Self.json(review, items: []) else { return .null }
                    members["items"] = nil
                    return .object(members)
                }
            },
            Route(
                .get, "\(Self.path)/{id}", name: "compliance.access_review", summary: "One review with every member in it.",
                access: .permission(CompliancePermissions.read), answers: [RouteAnswer(200, "The review", Self.review)]
            ) { call in
                try await look(call)
                return try await shown(try call.id("id"), call)
            },
            Route(
                .post, Self.path, name: "compliance.open_access_review", summary: "Opens a review of who has what role now.",
                access: .permission(CompliancePermissions.review), answers: [RouteAnswer(201, "The review", Self.review)],
                problems: [ComplianceProblems.reviewOpen.with(["review_id": ""]), ComplianceProblems.tooManyMembers], creates: true
            ) { call in try await shown(try await openReview(try call.caller(), call.act), call, status: 201) },
            Route(
                .post, "\(Self.path)/{id}/decisions", name: "compliance.decide_access",
                summary: "Confirms a member in its role, or removes it: then its membership, sessions and leases end now.",
                access: .permission(CompliancePermissions.review),
                request: .object([SchemaField("membership_id", Self.id), SchemaField("decision", .choice(["confirmed", "removed"]))]),
                answers: [RouteAnswer(200, "The review", Self.review)],
                problems: [
                    ComplianceProblems.reviewSigned, ComplianceProblems.reviewDecided, ComplianceProblems.roleChanged.with(["role": ""]),
                ] + Self.removalProblems
            ) { call in
                guard let membership = call.json?["membership_id"]?.string.flatMap({ MembershipID($0) }),
                    let decision = call.json?["decision"]?.string.flatMap(AccessReview.Decision.init)
                else { throw CommonProblems.notFound }
                try await decide(membership, decision, in: try call.id("id"), try call.caller(), call.act)
                return try await shown(try call.id("id"), call)
            },
            Route(
                .post, "\(Self.path)/{id}/sign-off", name: "compliance.sign_off_access_review",
                summary: "Signs the review off: from then on it is evidence and changes no more.",
                access: .permission(CompliancePermissions.review), answers: [RouteAnswer(200, "The review", Self.review)],
                problems: [ComplianceProblems.reviewSigned, ComplianceProblems.reviewUndecided.with(["undecided": 1])]
            ) { call in
                try await signOff(try call.id("id"), try call.caller(), call.act)
                return try await shown(try call.id("id"), call)
            },
        ]
    }

    private func shown(_ id: AccessReview.ID, _ call: Call, status: Int = 200) async throws -> Reply {
        let (review, items) = try await review(id, try call.caller().tenant)
        return .json(value: Self.json(review, items: items), status: status)
    }
}
