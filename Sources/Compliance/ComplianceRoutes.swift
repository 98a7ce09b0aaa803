import HTTPEdge
import PluginKit
import Store
import Tenancy
import Vocabulary

/// The same questions for a tenant's own controls and for the platform's.
private struct ComplianceDoor: Sendable {
    let prefix: String
    let name: String
    let whose: String
    let read: Permission
    let run: Permission
    let isPlatform: Bool

    static let tenant = ComplianceDoor(
        prefix: "/api/v1/compliance", name: "compliance", whose: "the tenant's", read: CompliancePermissions.read,
        run: CompliancePermissions.run, isPlatform: false)
    static let platform = ComplianceDoor(
        prefix: "/api/v1/admin/compliance", name: "platform_compliance", whose: "the platform's own",
        read: CompliancePermissions.readPlatform, run: CompliancePermissions.runPlatform, isPlatform: true)
}

extension Compliance {
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let id = Schema.string(max: 36, format: .uuid)
    static let run = Schema.named(
        "ComplianceRun",
        .object([
            SchemaField("id", id), SchemaField("framework", .string(max: 40)), SchemaField("edition", .string(max: 200)),
            SchemaField("plugin", .string(max: 200), "Id, version and beginning of the library's digest of the plugin that answered"),
            SchemaField("cause", .choice(["schedule", "request"])), SchemaField("at", time), SchemaField("passed", .integer(0...500)),
            SchemaField("failed", .integer(0...500)), SchemaField("not_evaluated", .integer(0...500)),
            SchemaField("framework_failed", .integer(0...500), "Of those not evaluated: where the framework itself failed"),
        ]))
    private static let result = Schema.named(
        "ControlResult",
        .object([
            SchemaField("control", .string(max: 32)), SchemaField("outcome", .choice(ControlOutcome.allCases.map(\.rawValue))),
            SchemaField("said_by", .choice(["framework", "failure"]), "failure: the framework failed and has said nothing"),
            SchemaField("reason", .string(max: 600)), SchemaField("since", time, "Since when the outcome is what it is"),
            SchemaField(
                "facts",
                .array(
                    .object([SchemaField("kind", .string(max: 64)), SchemaField("name", .string(max: 64)), SchemaField("value", .any)]),
                    max: 50), "What the outcome rests on, as it stands in the evidence"),
            SchemaField("missing", .array(.string(max: 300), max: 20), "What would be needed where nothing was evaluated"),
        ]))
    private static let control = Schema.named(
        "Control",
        .object([
            SchemaField("id", .string(max: 32)), SchemaField("title", .string(max: 200)), SchemaField("criterion", .string(max: 1_000)),
            SchemaField(
                "reads",
                .array(
                    .object([
                        SchemaField("kind", .string(max: 64)), SchemaField("version", .integer(0...Int64.max)),
                        SchemaField("max_age_seconds", .integer(0...Int64.max)),
                    ]), max: 8), "Evidence that it is judged from"),
            SchemaField("missing", .array(.string(max: 300), max: 20), "What somebody has to show, where no evidence is collected"),
        ]))
    private static let standing = Schema.object([
        SchemaField("control", control), SchemaField("result", result, "Absent where it was never evaluated", optional: true),
    ])
    private static let framework = Schema.object([
        SchemaField("id", .string(max: 40)), SchemaField("title", .string(max: 200)), SchemaField("edition", .string(max: 200)),
        SchemaField("plugin", .string(max: 200)), SchemaField("controls", .integer(1...500)),
        SchemaField("last_run", run, "Absent where it was never run", optional: true),
    ])
    private static let bundle = Schema.named(
        "ComplianceExport",
        .object([
            SchemaField("files", .map(.string(max: 16_777_216)), "Texts by name"),
            SchemaField("manifest", .string(max: 65_536), "RFC 8785: scope, run, and of each file its size and SHA-256"),
            SchemaField("key_id", .string(max: 100), "A key of /.well-known/coditect/license-keys.json"),
            SchemaField("algorithm", .choice(["ed25519"])), SchemaField("signed_prefix", .string(max: 64), "Stands before the manifest"),
            SchemaField("signature", .string(max: 200), "base64url, over prefix and manifest"),
        ]))

    package func routes() -> [Route] {
        [ComplianceDoor.tenant, .platform].flatMap { readRoutes($0) + [runRoute($0), exportRoute($0)] } + reviewRoutes()
    }

    private func scope(_ call: Call, _ door: ComplianceDoor) async throws -> ComplianceScope {
        guard !door.isPlatform else { return .platform }
        try await look(call)
        return .tenant(try call.caller().tenant)
    }

    /// An auditor whose scope names projects sees nothing of the tenant as a whole; every read of an auditor is journalled.
    package func look(_ call: Call) async throws {
        let caller = try call.caller()
        guard caller.role == Role.auditor.rawValue else { return }
        let scope = try await tenancy.standing(of: caller.user, in: caller.tenant)?.membership.scope
        guard scope?.contains("compliance") ?? true else { throw CommonProblems.forbidden }
        let act = call.act
        try await store.tenant(caller.tenant) { [path = call.path] db in
            try db.journal(JournalEntry("compliance.read", subject: "route:\(path.prefix(200))"), act)
        }
    }

    private func readRoutes(_ door: ComplianceDoor) -> [Route] {
        [
            Route(
                .get, "\(door.prefix)/frameworks", name: "\(door.name).frameworks",
                summary: "The frameworks that are installed, and how \(door.whose) controls stood last.",
                access: .permission(door.read),
                answers: [RouteAnswer(200, "The frameworks", .object([SchemaField("frameworks", .array(Self.framework, max: 100))]))]
            ) { call in
                let scope = try await scope(call, door)
                var all: [JSONValue] = []
                for offered in frameworks.offered {
                    var members: [String: JSONValue] = [
                        "id": .string(offered.about.id), "title": .string(offered.about.title), "edition": .string(offered.about.edition),
                        "plugin": .string("\(offered.plugin) \(offered.version)"), "controls": .int(Int64(offered.about.controls.count)),
                    ]
                    if let run = try await lastRun(offered.about.id, scope) { members["last_run"] = Self.json(run) }
                    all.append(.object(members))
                }
                return .json(value: ["frameworks": .array(all)])
            },
            Route(
                .get, "\(door.prefix)/frameworks/{framework}/controls", name: "\(door.name).controls",
                summary: "Every control of a framework with \(door.whose) last result.", access: .permission(door.read),
                answers: [RouteAnswer(200, "The controls", Self.standings("controls"))], problems: [ComplianceProblems.noFramework]
            ) { call in
                let (run, controls) = try await standing(call.parameters["framework"] ?? "", try await scope(call, door))
                return .json(value: Self.json(run, controls, "controls"))
            },
            Route(
                .get, "\(door.prefix)/frameworks/{framework}/gaps", name: "\(door.name).gaps",
                summary: "What fails or is not evaluated of \(door.whose) controls, why, and since when; failures first.",
                access: .permission(door.read), answers: [RouteAnswer(200, "The gaps", Self.standings("gaps"))],
                problems: [ComplianceProblems.noFramework]
            ) { call in
                let (run, gaps) = try await gaps(call.parameters["framework"] ?? "", try await scope(call, door))
                return .json(value: Self.json(run, gaps, "gaps"))
            },
            Route(
                .get, "\(door.prefix)/frameworks/{framework}/controls/{control}", name: "\(door.name).history",
                summary: "One control and what was said of it at each run, newest first.", access: .permission(door.read),
                query: QueryField.paging,
                answers: [
                    RouteAnswer(
                        200, "The control",
                        .object([
                            SchemaField("control", Self.control),
                            SchemaField(
                                "history",
                                .array(
                                    .object([
                                        SchemaField("run_id", Self.id), SchemaField("at", Self.time), SchemaField("result", Self.result),
                                    ]), max: 100)),
                            SchemaField(
                                "next_cursor", .nullable(.string(max: 1_024)), "Send as cursor for the next page; null on the last"),
                        ]))
                ], problems: [ComplianceProblems.noFramework]
            ) { call in
                try await historyPage(call, door)
            },
        ]
    }

    private func historyPage(_ call: Call, _ door: ComplianceDoor) async throws -> Reply {
        let page = try call.page()
        let before = page.after.flatMap { ComplianceRun.ID($0) }
        let whose = try await scope(call, door)
        let (control, framework) = (call.parameters["control"] ?? "", call.parameters["framework"] ?? "")
        let (about, past) = try await history(control, framework, whose, before: before, limit: page.limit + 1)
        return try Self.historyReply(call, about, past, limit: page.limit)
    }

    private static func historyReply(
        _ call: Call, _ control: ControlDescription, _ past: [Past], limit: Int
    ) throws -> Reply {
        let shown = Page(reading: past, limit: limit) { $0.run.description }
        let listed = call.reply(shown, named: "history") {
            ["run_id": .string($0.run.description), "at": .string($0.at.iso8601), "result": json($0.result)]
        }
        guard var members = try JSONReader.read(listed.body).object else { throw CommonProblems.internal }
        members["control"] = json(control)
        return .json(value: .object(members))
    }

    private static func standings(_ name: String) -> Schema {
        .object([
            SchemaField("run", Self.run, "Absent where it was never run", optional: true), SchemaField(name, .array(standing, max: 500)),
        ])
    }
    private static func json(_ run: ComplianceRun?, _ standings: [Standing], _ name: String) -> JSONValue {
        var members: [String: JSONValue] = [
            name: .array(
                standings.map { item in
                    var members: [String: JSONValue] = ["control": json(item.control)]
                    if let result = item.result { members["result"] = json(result) }
                    return .object(members)
                })
        ]
        if let run { members["run"] = json(run) }
        return .object(members)
    }

    private func runRoute(_ door: ComplianceDoor) -> Route {
        Route(
            .post, "\(door.prefix)/frameworks/{framework}/run", name: "\(door.name).run",
            summary: "Collects evidence and has \(door.whose) controls evaluated now.", access: .permission(door.run),
            answers: [RouteAnswer(201, "The run", Self.run)],
            problems: [ComplianceProblems.noFramework, ComplianceProblems.tooSoon.with(["retry_after": 1])], creates: true
        ) { call in
            let run = try await runNow(call.parameters["framework"] ?? "", try await scope(call, door), call.act)
            return .json(value: Self.json(run), status: 201)
        }
    }

    private func exportRoute(_ door: ComplianceDoor) -> Route {
        Route(
            .get, "\(door.prefix)/frameworks/{framework}/export", name: "\(door.name).export",
            summary: "The last run with evidence, history and reviews of access, under a signed list of hashes that anyone can check.",
            access: .permission(door.read), answers: [RouteAnswer(200, "The export", Self.bundle)],
            problems: [ComplianceProblems.noFramework, ComplianceProblems.nothingYet]
        ) { call in
            let scope = try await scope(call, door)
            let framework = call.parameters["framework"] ?? ""
            _ = try offered(framework)
            return .json(value: Self.json(try await export(framework, scope, call.act)))
        }
    }
}
