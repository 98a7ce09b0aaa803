import Compliance
import HTTPEdge
import Store
import Vocabulary

extension RetentionBook {
    private static let path = "/api/v1/retention"
    private static let adminPath = "/api/v1/admin/retention"
    private static let time = Offboarding.time
    private static let text = Schema.string(max: 500)
    private static let kindSchema = Schema.named(
        "RetentionKind",
        .object([
            SchemaField("kind", .string(max: 64)), SchemaField("summary", text),
            SchemaField("whose", .choice(RetentionKind.Owner.allCases.map(\.rawValue))),
            SchemaField("tables", .array(.string(max: 64), max: 50)),
            SchemaField(
                "duties",
                .array(
                    .object([
                        SchemaField("ground", .choice(RetentionDuty.Ground.allCases.map(\.rawValue))), SchemaField("why", text),
                        SchemaField("from", text, "What begins its time"),
                        SchemaField("seconds", .nullable(.integer(0...Int64.max)), "With the settings in force; 0: until that very moment"),
                        SchemaField("lasts", .nullable(.choice(RetentionLength.Lifetime.allCases.map(\.rawValue)))),
                        SchemaField("settings", .array(.string(max: 100), max: 5), "Which say how long"),
                    ]), max: 10), "The longest wins"),
            SchemaField("then", .choice(RetentionKind.End.allCases.map(\.rawValue))),
            SchemaField("by", .nullable(.string(max: 100)), "The job that enforces it; null: what ends its owner does"),
            SchemaField("is_bound_by_legal_holds", .boolean), SchemaField("not_bound_because", .nullable(text)),
            SchemaField("can_be_lengthened", .boolean, "By a duty that one organisation has"),
            SchemaField("can_be_explained", .boolean, "One record by its id"),
        ]))
    private static let keepSchema = Schema.object([
        SchemaField("id", Offboarding.uuid), SchemaField("kind", .string(max: 64), "* for everything: a legal hold"),
        SchemaField("days", .nullable(.integer(1...36_500)), "Null: until it is taken back"), SchemaField("why", text),
        SchemaField("since", time),
    ])
    private static let keepsSchema = SchemaField("kept_longer", .array(keepSchema, max: 200), "Legal holds, and duties of its own")
    private static let explained = [
        RouteAnswer(
            200, "Each reason with its end, and the longest",
            .named(
                "RetentionExplained",
                .object([
                    SchemaField("kind", .string(max: 64)), SchemaField("id", .string(max: 300)),
                    SchemaField("tenant_id", .nullable(Offboarding.uuid)),
                    SchemaField("stays_until", .nullable(time), "Null: no moment is known yet"), SchemaField("is_held", .boolean),
                    SchemaField(
                        "reasons",
                        .array(
                            .object([
                                SchemaField(
                                    "ground",
                                    .choice(
                                        [RetentionVerdict.hold, RetentionVerdict.own] + RetentionDuty.Ground.allCases.map(\.rawValue))),
                                SchemaField("why", text), SchemaField("from", text), SchemaField("begins_at", .nullable(time)),
                                SchemaField("until", .nullable(time)),
                                SchemaField("open", .nullable(text), "What ends it, where no moment is known"),
                                SchemaField("is_longest", .boolean),
                            ]), max: 210)),
                    SchemaField("then", .choice(RetentionKind.End.allCases.map(\.rawValue))),
                    SchemaField("by", .nullable(.string(max: 100))),
                    SchemaField("taken_at", .nullable(time), "When the job takes it, as it stands now"),
                ])))
    ]
    private static let asked = [
        QueryField("kind", .string(min: 1, max: 64), "As the table names it"),
        QueryField("id", .string(min: 1, max: 300), "Of the record; parts with a colon between them"),
    ]
    private static let refusals = [
        OffboardingProblems.noKind, OffboardingProblems.notByRecord, OffboardingProblems.whoseRecord, CommonProblems.notFound,
    ]

    package func routes() -> [Route] { ownRoutes() + staffRoutes() + dutyRoutes() }

    private func explain(_ call: Call, tenant: TenantID?, isOwn: Bool) async throws -> Reply {
        guard let kind = call.query["kind"], let id = call.query["id"] else { throw CommonProblems.invalid("kind", "and id must be said") }
        return .json(value: try await explain(kind, id, tenant: tenant, isOwn: isOwn).json)
    }

    private func ownRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "retention.table",
                summary: "How long each kind of the organisation's own records stays and why, and what of it is kept longer.",
                access: .permission(CompliancePermissions.read),
                answers: [
                    RouteAnswer(
                        200, "The table", .object([SchemaField("kinds", .array(Self.kindSchema, max: 200)), Self.keepsSchema]))
                ]
            ) { call in
                try await compliance.look(call)
                return .json(
                    value: [
                        "kinds": .array(kinds.filter { $0.owner == .tenant }.map { $0.json(floor.settings) }),
                        "kept_longer": .array(try await keeps(of: try call.caller().tenant).map(\.json)),
                    ])
            },
            Route(
                .get, "\(Self.path)/explain", name: "retention.explain",
                summary: "Until when one of the organisation's own records stays, and why.",
                access: .permission(CompliancePermissions.read), query: Self.asked, answers: Self.explained, problems: Self.refusals
            ) { call in
                try await compliance.look(call)
                return try await explain(call, tenant: try call.caller().tenant, isOwn: true)
            },
        ]
    }

    private func staffRoutes() -> [Route] {
        [
            Route(
                .get, Self.adminPath, name: "admin.retention", summary: "How long every kind of record stays and why, as it is set now.",
                access: .permission(OffboardingPermissions.staff),
                answers: [RouteAnswer(200, "The table", .object([SchemaField("kinds", .array(Self.kindSchema, max: 200))]))]
            ) { _ in .json(value: ["kinds": .array(kinds.map { $0.json(floor.settings) })]) },
            Route(
                .get, "\(Self.adminPath)/explain", name: "admin.retention.explain",
                summary: "Until when one record stays, why, and when the job takes it.", access: .permission(OffboardingPermissions.staff),
                query: Self.asked + [QueryField("tenant", .string(max: 36, format: .uuid), "Whose, where its id alone does not say")],
                answers: Self.explained, problems: Self.refusals
            ) { call in
                let tenant = try call.query["tenant"].map { text -> TenantID in
                    guard let tenant = TenantID(text) else { throw CommonProblems.notFound }
                    return tenant
                }
                return try await explain(call, tenant: tenant, isOwn: false)
            },
        ]
    }

    private func keepsReply(_ tenant: TenantID, status: Int = 200) async throws -> Reply {
        .json(value: ["kept_longer": .array(try await keeps(of: tenant).map(\.json))], status: status)
    }

    private func dutyRoutes() -> [Route] {
        let path = "\(Self.adminPath)/{tenant}/duties"
        let answer = Schema.object([Self.keepsSchema])
        return [
            Route(
                .get, path, name: "admin.retention.duties", summary: "What of a tenant's records is kept longer, and why.",
                access: .permission(OffboardingPermissions.staff), answers: [RouteAnswer(200, "Holds and duties", answer)],
                problems: [CommonProblems.notFound]
            ) { call in
                let tenant: TenantID = try call.id("tenant")
                guard try await tenancy.tenant(tenant) != nil else { throw CommonProblems.notFound }
                return try await keepsReply(tenant)
            },
            Route(
                .post, path, name: "admin.retention.oblige",
                summary:
                    "Keeps a kind of a tenant's records for so many days at least: a duty that others do not have, like HIPAA's six years.",
                access: .permission(OffboardingPermissions.staff),
                request: .object([
                    SchemaField("kind", .string(min: 1, max: 64)),
                    SchemaField("days", .integer(1...36_500), "From where the kind's time begins"),
                    SchemaField("why", .string(min: 10, max: 500), "Which law or contract asks for it"),
                ]), answers: [RouteAnswer(201, "Holds and duties", answer)],
                problems: [
                    CommonProblems.notFound, OffboardingProblems.noKind, OffboardingProblems.notLengthened,
                    OffboardingProblems.tooManyDuties,
                ], creates: true
            ) { call in
                let tenant: TenantID = try call.id("tenant")
                _ = try await oblige(
                    tenant, call.json?["kind"]?.string ?? "", days: Int(call.json?["days"]?.int ?? 1),
                    why: call.json?["why"]?.string ?? "", call.act)
                return try await keepsReply(tenant, status: 201)
            },
            Route(
                .delete, "\(path)/{id}", name: "admin.retention.release",
                summary: "Takes a duty back; what it alone kept goes with the next round. A legal hold is lifted where it was placed.",
                access: .permission(OffboardingPermissions.staff), answers: [RouteAnswer(200, "Holds and duties", answer)],
                problems: [CommonProblems.notFound]
            ) { call in
                let tenant: TenantID = try call.id("tenant")
                try await release(try call.id("id"), of: tenant, call.act)
                return try await keepsReply(tenant)
            },
        ]
    }
}
