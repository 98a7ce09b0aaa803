import HTTPEdge
import Vocabulary

extension Provisioning {
    private static let path = "/api/v1/workstations"
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let id = Schema.string(max: 36, format: .uuid)

    private static let workstation = Schema.named(
        "Workstation",
        .object([
            SchemaField("id", id), SchemaField("user_id", id), SchemaField("state", .choice(Workstation.State.allCases.map(\.rawValue))),
            SchemaField("wish", .choice(Workstation.Wish.allCases.map(\.rawValue)), "What it should come to"),
            SchemaField("machine_type", .string(max: 64)), SchemaField("disk_bytes", .integer(0...Int64.max)),
            SchemaField("idle_timeout_seconds", .integer(0...Int64.max)),
            SchemaField("note", .string(max: 500), "Why it waits or failed"), SchemaField("active_at", time),
            SchemaField("stops_at", .nullable(time), "Unless it is used before"),
            SchemaField("retry_at", .nullable(time)),
            SchemaField("work", .nullable(.choice(Workstation.Work.allCases.map(\.rawValue))), "What is being worked off"),
            SchemaField(
                "steps", .array(.object([SchemaField("name", .string(max: 1_024)), SchemaField("at", time)]), max: 32),
                "Those that are done, of the work at hand or of the last"),
            SchemaField("created_at", time), SchemaField("changed_at", time),
        ]))
    private static let plan = Schema.named(
        "ProvisioningPlan",
        .object([
            SchemaField("id", id), SchemaField("cause", .choice(SetupPlan.Cause.allCases.map(\.rawValue))),
            SchemaField("tier", .string(max: 64)), SchemaField("state", .choice(SetupPlan.State.allCases.map(\.rawValue))),
            SchemaField("note", .string(max: 500)), SchemaField("namespace", .nullable(.string(max: 63))),
            SchemaField("disk_bytes", .nullable(.integer(0...Int64.max)), "For all workstations together; null: no limit"),
            SchemaField("first_key_waits", .boolean, "The first API key was not shown yet"),
            SchemaField(
                "steps",
                .array(
                    .object([
                        SchemaField("action", .string(max: 64)),
                        SchemaField("state", .choice(SetupPlan.Step.State.allCases.map(\.rawValue))), SchemaField("at", .nullable(time)),
                    ]), max: 32)),
            SchemaField("created_at", time), SchemaField("finished_at", .nullable(time)),
        ]))

    package func routes() -> [Route] { ownRoutes() + changeRoutes() + tenantRoutes() + staffRoutes() }

    private func ownRoutes() -> [Route] {
        [
            Route(
                .get, "\(Self.path)/own", name: "workstations.own", summary: "The caller's workstation, and how far it is.",
                access: .permission(ProvisioningPermissions.use), answers: [RouteAnswer(200, "It", Self.workstation)],
                problems: [CommonProblems.notFound]
            ) { call in
                let caller = try call.caller()
                guard let own = try await own(caller.user, caller.tenant) else { throw CommonProblems.notFound }
                return .json(value: own.json)
            },
            Route(
                .post, "\(Self.path)/{id}/activity", name: "workstations.activity",
                summary: "Tells that the caller's workstation is in use, so that it does not stop.",
                access: .permission(ProvisioningPermissions.use), answers: [RouteAnswer(204, "Noted")], problems: [CommonProblems.notFound]
            ) { call in
                let caller = try call.caller()
                try await touch(try call.id("id"), of: caller.user, caller.tenant, call.act)
                return Reply(status: 204)
            },
            Route(
                .post, "\(Self.path)/{id}/enter", name: "workstations.enter",
                summary: "Where the caller's workstation is reached, and with which token; counts as use.",
                access: .permission(ProvisioningPermissions.use),
                answers: [
                    RouteAnswer(
                        200, "The way in",
                        .object([SchemaField("address", .string(max: 2_000)), SchemaField("token", .string(max: 1_000))]))
                ], problems: [CommonProblems.notFound, ProvisioningProblems.notRunning]
            ) { call in
                let caller = try call.caller()
                let entrance = try await enter(try call.id("id"), of: caller.user, caller.tenant, call.act)
                var reply = Reply.json(value: ["address": .string(entrance.address), "token": .string(entrance.token)])
                reply.headers.append(("cache-control", "no-store"))
                return reply
            },
            change(
                "start", "Starts the caller's workstation.", ProvisioningPermissions.use,
                [ProvisioningProblems.suspended, ProvisioningProblems.failed.with(["note": "full"])]
            ) { id, call in
                try await start(id, of: try call.caller().user, try call.caller().tenant, call.act)
            },
            change("stop", "Stops the caller's workstation; what is on it stays.", ProvisioningPermissions.use, []) { id, call in
                try await stop(id, of: try call.caller().user, try call.caller().tenant, call.act)
            },
        ]
    }

    private func changeRoutes() -> [Route] {
        [
            change("halt", "Stops any member's workstation.", ProvisioningPermissions.manage, []) { id, call in
                try await stop(id, of: nil, try call.caller().tenant, call.act)
            },
            change(
                "retry", "Has a workstation that failed tried once more.", ProvisioningPermissions.manage, [ProvisioningProblems.notFailed]
            ) { id, call in try await retry(id, of: nil, try call.caller().tenant, call.act) },
        ]
    }

    private func change(
        _ verb: String, _ summary: String, _ permission: Permission, _ problems: [Problem],
        _ act: @escaping @Sendable (Workstation.ID, Call) async throws -> Shown
    ) -> Route {
        Route(
            .post, "\(Self.path)/{id}/\(verb)", name: "workstations.\(verb)", summary: summary, access: .permission(permission),
            answers: [RouteAnswer(202, "How it is now; it goes on by itself", Self.workstation)],
            problems: [CommonProblems.notFound] + problems
        ) { call in .json(value: try await act(try call.id("id"), call).json, status: 202) }
    }

    private func tenantRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "workstations.list", summary: "Every member's workstation.",
                access: .permission(ProvisioningPermissions.manage), query: QueryField.paging,
                answers: [RouteAnswer(200, "A page of them", .page("workstations", of: Self.workstation))]
            ) { call in
                let page = try call.page()
                let after = try page.after.map { text in
                    guard let id = Workstation.ID(text) else { throw CommonProblems.invalid("cursor", "is none of this list") }
                    return id
                }
                let found = try await list(try call.caller().tenant, after: after, limit: page.limit)
                return call.reply(
                    Page(reading: found, limit: page.limit) { $0.workstation.id.description }, named: "workstations", \.json)
            },
            Route(
                .get, "\(Self.path)/plan", name: "workstations.plan", summary: "What is being set up for the organization, step by step.",
                access: .permission(ProvisioningPermissions.manage), answers: [RouteAnswer(200, "The latest plan", Self.plan)],
                problems: [CommonProblems.notFound]
            ) { call in
                guard let progress = try await progress(try call.caller().tenant) else { throw CommonProblems.notFound }
                return .json(value: progress.json)
            },
            Route(
                .post, "\(Self.path)/plan/retry", name: "workstations.retry_plan", summary: "Has a plan that failed begun anew.",
                access: .permission(ProvisioningPermissions.manage), answers: [RouteAnswer(202, "Under way")],
                problems: [CommonProblems.notFound, ProvisioningProblems.notFailed]
            ) { call in
                try await retryPlan(try call.caller().tenant, call.act)
                return Reply(status: 202)
            },
            Route(
                .post, "\(Self.path)/first-key", name: "workstations.first_key",
                summary: "The organization's first API key, this once, to the owner for whom it was made.", access: .session,
                answers: [
                    RouteAnswer(200, "The key", .object([SchemaField("id", Self.id), SchemaField("key", .string(max: 200))]))
                ], problems: [CommonProblems.notFound]
            ) { call in
                let caller = try call.caller()
                guard caller.bounds.delegation == nil else { throw CommonProblems.notFound }
                let key = try await takeFirstKey(caller.user, caller.tenant, call.act)
                var reply = Reply.json(value: ["id": .string(key.id.description), "key": .string(key.text)])
                reply.headers.append(("cache-control", "no-store"))
                return reply
            },
        ]
    }

    private func staffRoutes() -> [Route] {
        let path = "/api/v1/admin/tenants/{id}/workstations"
        return [
            Route(
                .get, path, name: "admin.workstations.list", summary: "Any tenant's plan and workstations, the first five hundred.",
                access: .permission(ProvisioningPermissions.staff),
                answers: [
                    RouteAnswer(
                        200, "How it stands",
                        .object([
                            SchemaField("plan", .nullable(Self.plan)), SchemaField("workstations", .array(Self.workstation, max: 500)),
                        ]))
                ]
            ) { call in
                let tenant: TenantID = try call.id("id")
                let all = try await list(tenant, limit: 499)
                return .json(value: [
                    "plan": try await progress(tenant)?.json ?? .null, "workstations": .array(all.prefix(500).map(\.json)),
                ])
            },
            Route(
                .post, "\(path)/review", name: "admin.workstations.review",
                summary: "Looks at the tenant now: what its licence and members should have, and what is there.",
                access: .permission(ProvisioningPermissions.staff), answers: [RouteAnswer(202, "Looked; it goes on by itself")]
            ) { call in
                try await review(try call.id("id"), call.act)
                return Reply(status: 202)
            },
            Route(
                .post, "\(path)/{workstation}/retry", name: "admin.workstations.retry",
                summary: "Has a tenant's workstation that failed tried once more.", access: .permission(ProvisioningPermissions.staff),
                answers: [RouteAnswer(202, "How it is now", Self.workstation)],
                problems: [CommonProblems.notFound, ProvisioningProblems.notFailed]
            ) { call in
                .json(value: try await retry(try call.id("workstation"), of: nil, try call.id("id"), call.act).json, status: 202)
            },
        ]
    }
}
