import HTTPEdge
import Vocabulary

extension TenantPolicies {
    private static let hash = Schema.string(min: 64, max: 64, format: .hex)
    private static let replaces = SchemaField(
        "replaces", .string(max: 64, format: .hex), "The version in force, as the caller has seen it; empty for none")
    private static let files = Schema.map(.string(max: 65_536))
    private static let version = Schema.named(
        "TenantPolicyVersion",
        .object([
            SchemaField("policy_hash", .string(max: 64), "SHA-256 of the content: the same content is the same version"),
            SchemaField("hooks", .array(.string(max: 64), max: 64), "Hooks that it answers"),
            SchemaField("tests", .integer(0...Int64.max), "Tests that came with it, all passed"), SchemaField("note", .string(max: 500)),
            SchemaField("bytes", .integer(0...Int64.max)), SchemaField("uploaded_at", .string(max: 40, format: .dateTime)),
            SchemaField("uploaded_by", .string(max: 36, format: .uuid)), SchemaField("in_force", .boolean),
        ]))
    private static let failure = Schema.object([
        SchemaField("at", .string(max: 40, format: .dateTime)), SchemaField("decision_id", .string(max: 36, format: .uuid)),
        SchemaField("hook", .string(max: 64)), SchemaField("message", .string(max: 4_000), "File, line and what went wrong"),
    ])
    private static let standing = Schema.named(
        "TenantPolicyStanding",
        .object([
            SchemaField("policy_hash", .string(max: 64), "The version in force; empty for none"),
            SchemaField("versions", .array(version, max: TenantPolicyVersion.mostKept + 1), "Newest first"),
            SchemaField(
                "report",
                .object([
                    SchemaField("asked", .integer(0...Int64.max)), SchemaField("denied", .integer(0...Int64.max)),
                    SchemaField("failed", .integer(0...Int64.max), "A policy that fails denies"),
                    SchemaField("last_failure", failure, optional: true),
                ]), "Since the version in force went live, or since the server's start; absent where none is", optional: true),
        ]))
    private static let refusals = [
        TenantPolicyProblems.refused.with(["findings": ["policies/init.lua:2: there is no policy access/hours; there are: none"]]),
        TenantPolicyProblems.switchedOff, TenantPolicyProblems.notContained, CommonProblems.unavailable,
    ]

    package func routes() -> [Route] { readRoutes() + writeRoutes() }

    private func readRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/orgs/current/policies", name: "tenant_policies.standing",
                summary: "The tenant's own policies: which version is in force, how it does, and which are kept.",
                access: .permission(TenantPolicyPermissions.read), answers: [RouteAnswer(200, "The policies", Self.standing)]
            ) { call in .json(value: Self.json(try await standing(try call.caller().tenant))) },
            Route(
                .get, "/api/v1/orgs/current/policies/{hash}", name: "tenant_policies.get", summary: "One version with its files.",
                access: .permission(TenantPolicyPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "The version",
                        .object([
                            SchemaField("version", Self.version), SchemaField("files", Self.files, "Texts by path"),
                        ]))
                ], problems: [TenantPolicyProblems.unknown]
            ) { call in
                let tenant = try call.caller().tenant
                let (found, files) = try await version(Self.hash(call.parameters["hash"]), tenant)
                let current = try await standing(tenant).inForce
                return .json(value: [
                    "version": Self.json(found, inForce: current), "files": .object(files.mapValues { .string($0) }),
                ])
            },
        ]
    }

    private func writeRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/orgs/current/policies", name: "tenant_policies.upload",
                summary: "Checks, tests and keeps policies; they are in force only once they are activated.",
                access: .permission(TenantPolicyPermissions.write),
                request: .object([
                    SchemaField("files", Self.files, "Texts by path: init.lua, feature/rule/policy.lua, feature/rule/policy_test.lua"),
                    SchemaField("note", .string(max: 500), "What has changed and why", optional: true),
                ]), answers: [RouteAnswer(201, "The version", Self.version)], problems: Self.refusals, creates: true,
                maxBodyBytes: 262_144
            ) { call in
                let caller = try call.caller()
                guard case .object(let members)? = call.json?["files"] else { throw CommonProblems.malformed }
                let found = try await upload(
                    members.compactMapValues(\.string), note: call.json?["note"]?.string ?? "", by: caller, call.act)
                let current = try await standing(caller.tenant).inForce
                return .json(value: Self.json(found, inForce: current), status: 201)
            },
            Route(
                .post, "/api/v1/orgs/current/policies/activate", name: "tenant_policies.activate",
                summary: "Puts a kept version in force, an earlier one too, in the place of the one that the caller has seen.",
                access: .permission(TenantPolicyPermissions.write),
                request: .object([SchemaField("policy_hash", Self.hash), Self.replaces]),
                answers: [RouteAnswer(200, "The policies", Self.standing)],
                problems: Self.refusals + [TenantPolicyProblems.moved.with(["policy_hash": ""]), TenantPolicyProblems.unknown]
            ) { call in
                let tenant = try call.caller().tenant
                try await change(
                    to: Self.hash(call.json?["policy_hash"]?.string), replacing: call.json?["replaces"]?.string ?? "", tenant, call.act)
                return .json(value: Self.json(try await standing(tenant)))
            },
            Route(
                .post, "/api/v1/orgs/current/policies/deactivate", name: "tenant_policies.deactivate",
                summary: "Puts the tenant's own policies out of force.", access: .permission(TenantPolicyPermissions.write),
                request: .object([Self.replaces]), answers: [RouteAnswer(200, "The policies", Self.standing)],
                problems: [TenantPolicyProblems.moved.with(["policy_hash": ""])]
            ) { call in
                let tenant = try call.caller().tenant
                try await change(to: nil, replacing: call.json?["replaces"]?.string ?? "", tenant, call.act)
                return .json(value: Self.json(try await standing(tenant)))
            },
            Route(
                .delete, "/api/v1/orgs/current/policies/{hash}", name: "tenant_policies.delete",
                summary: "Drops a version that is not in force.",
                access: .permission(TenantPolicyPermissions.write),
                answers: [RouteAnswer(200, "The policies", Self.standing)],
                problems: [TenantPolicyProblems.unknown, TenantPolicyProblems.inUse]
            ) { call in
                let tenant = try call.caller().tenant
                try await drop(Self.hash(call.parameters["hash"]), tenant, call.act)
                return .json(value: Self.json(try await standing(tenant)))
            },
        ]
    }

    /// In small letters, as hashes are kept.
    private static func hash(_ text: String?) throws -> String {
        guard let text, text.utf8.count == 64 else { throw TenantPolicyProblems.unknown }
        return text.lowercased()
    }

    private static func json(_ standing: Standing) -> JSONValue {
        var members: [String: JSONValue] = [
            "policy_hash": .string(standing.inForce ?? ""),
            "versions": .array(standing.versions.map { json($0, inForce: standing.inForce) }),
        ]
        if let report = standing.report {
            var told: [String: JSONValue] = [
                "asked": .int(Int64(report.asked)), "denied": .int(Int64(report.denied)), "failed": .int(Int64(report.failed)),
            ]
            if let last = report.lastFailure {
                told["last_failure"] = [
                    "at": .string(last.at.iso8601), "decision_id": .string(last.decision.description), "hook": .string(last.hook),
                    "message": .string(String(last.message.prefix(4_000))),
                ]
            }
            members["report"] = .object(told)
        }
        return .object(members)
    }

    private static func json(_ version: TenantPolicyVersion, inForce: String?) -> JSONValue {
        [
            "policy_hash": .string(version.hash), "hooks": .array(version.hooks.map { .string($0) }), "tests": .int(Int64(version.tests)),
            "note": .string(version.note), "bytes": .int(Int64(version.bytes)), "uploaded_at": .string(version.uploadedAt.iso8601),
            "uploaded_by": .string(version.uploadedBy.description), "in_force": .bool(version.hash == inForce),
        ]
    }
}
