import HTTPEdge
import Vocabulary

extension Projects {
    static let path = "/api/v1/projects"
    static let time = Schema.string(max: 40, format: .dateTime)
    private static let name = Schema.string(min: 1, max: 400)
    private static let summary = Schema.string(max: 4_000)
    private static let project = Schema.named(
        "Project",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("name", .string(max: 400)),
            SchemaField("summary", .string(max: 4_000)),
            SchemaField("state", .choice(Project.State.allCases.map(\.rawValue))),
            SchemaField("reach", .choice(["read", "write", "full"]), "How far the caller gets in it"),
            SchemaField("created_by", .string(max: 36, format: .uuid)), SchemaField("created_at", time), SchemaField("changed_at", time),
            SchemaField("purge_at", .nullable(time), "Of a deleted one: until then it can be restored"),
        ]))
    private static let shares = Schema.named(
        "ProjectShares",
        .object([
            SchemaField(
                "shares",
                .array(
                    .object([
                        SchemaField("target", .string(max: 50), "everyone, team:ID or member:ID"),
                        SchemaField("level", .choice(ProjectShare.Level.allCases.map(\.rawValue))),
                    ]), max: Projects.mostShares + 1))
        ]))
    private static let moves: [(name: String, summary: String)] = [
        ("archive", "Archives a project: its files stay readable and change no more."), ("reopen", "Goes on with an archived project."),
        ("restore", "Brings a deleted project back, with its files."),
    ]

    package func routes() -> [Route] { readRoutes() + changeRoutes() + shareRoutes() + fileRoutes() + uploadRoutes() + blobRoutes() }

    private func readRoutes() -> [Route] {
        [
            Route(
                .get, Self.path, name: "projects.list", summary: "The projects within the caller's reach.",
                access: .permission(ProjectPermissions.read),
                query: QueryField.paging + [QueryField("deleted", .boolean, "true: deleted ones too, for those who may restore them")],
                answers: [RouteAnswer(200, "A page of projects", .page("projects", of: Self.project))]
            ) { call in
                let page = try call.page()
                let found = try await list(
                    try call.caller(), after: page.after.flatMap { Project.ID($0) }, limit: page.limit + 1,
                    withDeleted: call.query["deleted"] == "true", call.act)
                return call.reply(Page(reading: found, limit: page.limit) { "\($0.project.id)" }, named: "projects", Self.json)
            },
            Route(
                .get, "\(Self.path)/{id}", name: "projects.get", summary: "One project.", access: .permission(ProjectPermissions.read),
                answers: [RouteAnswer(200, "The project", Self.project)]
            ) { call in .json(value: Self.json(try await get(try call.id("id"), try call.caller(), call.act))) },
            Route(
                .get, "/api/v1/files/usage", name: "files.usage", summary: "What the tenant's projects and files take, and may take.",
                access: .permission(ProjectPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "Usage",
                        .named(
                            "ProjectUsage",
                            .object([
                                SchemaField("projects", .integer(0...Int64.max)),
                                SchemaField("max_projects", .nullable(.integer(0...Int64.max)), "null: without limit"),
                                SchemaField("stored_bytes", .integer(0...Int64.max)),
                                SchemaField("reserved_bytes", .integer(0...Int64.max), "Declared by uploads under way"),
                                SchemaField("max_bytes", .nullable(.integer(0...Int64.max))),
                            ])))
                ]
            ) { call in
                let (usage, allowed) = try await usage(try call.caller(), call.act)
                return .json(value: [
                    "projects": .int(Int64(usage.projects)), "max_projects": allowed.projects.map { .int($0) } ?? .null,
                    "stored_bytes": .int(usage.storedBytes), "reserved_bytes": .int(usage.reservedBytes),
                    "max_bytes": allowed.bytes.map { .int($0) } ?? .null,
                ])
            },
        ]
    }

    private func changeRoutes() -> [Route] {
        let state = ProjectProblems.wrongState.with(["state": "archived"])
        return [
            Route(
                .post, Self.path, name: "projects.create", summary: "Makes a project.", access: .permission(ProjectPermissions.manage),
                request: .object([SchemaField("name", Self.name), SchemaField("summary", Self.summary, optional: true)]),
                answers: [RouteAnswer(201, "The project", Self.project)], problems: [ProjectProblems.projectsFull, ProjectProblems.closed],
                creates: true
            ) { call in
                let made = try await create(
                    name: call.json?["name"]?.string ?? "", summary: call.json?["summary"]?.string ?? "", try call.caller(), call.act)
                return .json(value: Self.json(made), status: 201)
            },
            Route(
                .patch, "\(Self.path)/{id}", name: "projects.change", summary: "Renames or describes a project; what is left out stays.",
                access: .permission(ProjectPermissions.manage),
                request: .object([SchemaField("name", Self.name, optional: true), SchemaField("summary", Self.summary, optional: true)]),
                answers: [RouteAnswer(200, "The project", Self.project)], problems: [ProjectProblems.readOnly, ProjectProblems.notActive]
            ) { call in
                let changed = try await describe(
                    try call.id("id"), name: call.json?["name"]?.string, summary: call.json?["summary"]?.string, try call.caller(), call.act
                )
                return .json(value: Self.json(changed))
            },
            Route(
                .delete, "\(Self.path)/{id}", name: "projects.delete", summary: "Deletes a project; for some days it can be restored.",
                access: .permission(ProjectPermissions.manage), answers: [RouteAnswer(200, "The project", Self.project)],
                problems: [ProjectProblems.readOnly, state]
            ) { call in .json(value: Self.json(try await move(try call.id("id"), "delete", try call.caller(), call.act))) },
        ]
            + Self.moves.map { name, summary in
                Route(
                    .post, "\(Self.path)/{id}/\(name)", name: "projects.\(name)", summary: summary,
                    access: .permission(ProjectPermissions.manage), answers: [RouteAnswer(200, "The project", Self.project)],
                    problems: [ProjectProblems.readOnly, state, ProjectProblems.projectsFull, ProjectProblems.closed]
                ) { call in .json(value: Self.json(try await move(try call.id("id"), name, try call.caller(), call.act))) }
            }
    }

    private func shareRoutes() -> [Route] {
        [
            Route(
                .get, "\(Self.path)/{id}/shares", name: "projects.shares", summary: "With whom a project is shared.",
                access: .permission(ProjectPermissions.read), answers: [RouteAnswer(200, "The shares", Self.shares)],
                problems: [ProjectProblems.readOnly]
            ) { call in .json(value: Self.json(try await shares(try call.id("id"), try call.caller(), call.act))) },
            Route(
                .put, "\(Self.path)/{id}/shares/{target}", name: "projects.share",
                summary: "Shares a project with everyone, a team or a member, or changes how far.",
                access: .permission(ProjectPermissions.manage),
                request: .object([SchemaField("level", .choice(ProjectShare.Level.allCases.map(\.rawValue)))]),
                answers: [RouteAnswer(200, "The shares", Self.shares)],
                problems: [ProjectProblems.readOnly, ProjectProblems.notActive, ProjectProblems.tooManyShares]
            ) { call in
                let level = call.json?["level"]?.string.flatMap { ProjectShare.Level(rawValue: $0) } ?? .read
                return .json(
                    value: Self.json(try await share(try call.id("id"), with: Self.target(call), level, try call.caller(), call.act)))
            },
            Route(
                .delete, "\(Self.path)/{id}/shares/{target}", name: "projects.unshare", summary: "Ends a share.",
                access: .permission(ProjectPermissions.manage), answers: [RouteAnswer(200, "The shares", Self.shares)],
                problems: [ProjectProblems.readOnly, ProjectProblems.notActive]
            ) { call in
                .json(value: Self.json(try await share(try call.id("id"), with: Self.target(call), nil, try call.caller(), call.act)))
            },
        ]
    }

    private static func target(_ call: Call) throws(Problem) -> ProjectShare.Target {
        guard let target = ProjectShare.Target(call.parameters["target"] ?? "") else { throw CommonProblems.notFound }
        return target
    }
    private static func json(_ seen: Seen) -> JSONValue {
        let project = seen.project
        return [
            "id": .string("\(project.id)"), "name": .string(project.name), "summary": .string(project.summary),
            "state": .string(project.state.rawValue), "reach": .string("\(seen.reach)"), "created_by": .string("\(project.createdBy)"),
            "created_at": .string(project.createdAt.iso8601), "changed_at": .string(project.changedAt.iso8601),
            "purge_at": project.purgeAt.map { .string($0.iso8601) } ?? .null,
        ]
    }
    private static func json(_ shares: [ProjectShare]) -> JSONValue {
        ["shares": .array(shares.map { ["target": .string($0.target.text), "level": .string($0.level.rawValue)] })]
    }
}
