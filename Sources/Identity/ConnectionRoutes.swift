import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

/// What a tenant's administrator sets up.
extension Federation {
    private static let path = "/api/v1/sso"
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let roles = Schema.choice(TenantConnection.roles.map(\.rawValue))
    private static let rules = Schema.array(
        .object([SchemaField("group", .string(min: 1, max: 200)), SchemaField("role", roles)]), max: TenantConnection.mostRules)
    private static let formFields = [
        SchemaField("label", .string(min: 1, max: 80), "What people see"),
        SchemaField("settings", .map(.string(max: 16_384)), "By the provider's fields; a secret that is left out stays"),
        SchemaField("admits", .boolean, "Whether somebody who is no member becomes one", optional: true),
        SchemaField("default_role", roles, "As what", optional: true),
        SchemaField("role_map", rules, "By group; the first that fits counts", optional: true),
    ]
    private static let connection = Schema.named(
        "SSOConnection",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("provider", .string(max: 40)),
            SchemaField("label", .string(max: 80)),
            SchemaField("state", .choice(TenantConnection.State.allCases.map(\.rawValue))),
            SchemaField("settings", .map(.string(max: 16_384))),
            SchemaField("secrets", .array(.string(max: 40), max: 40), "Names of those that are set"), SchemaField("admits", .boolean),
            SchemaField("default_role", roles), SchemaField("role_map", rules),
            SchemaField("redirect_uri", .string(max: 500), "To be registered with the provider"),
            SchemaField("start_url", .string(max: 500)), SchemaField("tested_at", .nullable(time)), SchemaField("is_required", .boolean),
            SchemaField("created_at", time),
        ]))
    private static let domain = Schema.named(
        "SSODomain",
        .object([
            SchemaField("domain", .string(max: 253)), SchemaField("record_name", .string(max: 300)),
            SchemaField("record_value", .string(max: 100)), SchemaField("verified_at", .nullable(time)),
        ]))

    private func json(_ connection: TenantConnection) async throws -> JSONValue {
        let shown = try shown(connection)
        let required = try await requirement(of: connection.tenant)
        return [
            "id": .string(connection.id.description), "provider": .string(connection.plugin), "label": .string(connection.label),
            "state": .string(connection.state.rawValue), "settings": .object(shown.settings.mapValues { .string($0) }),
            "secrets": .array(shown.secrets.map { .string($0) }), "admits": .bool(connection.admits),
            "default_role": .string(connection.defaultRole.rawValue),
            "role_map": .array(connection.roleMap.map { ["group": .string($0.group), "role": .string($0.role)] }),
            "redirect_uri": .string(try redirectAddress(of: connection)),
            "start_url": .string("\(parts.origin())/api/v1/auth/sso/\(connection.id)/start"),
            "tested_at": connection.isTested ? connection.testedAt.map { .string($0.iso8601) } ?? .null : .null,
            "is_required": .bool(required == connection.id), "created_at": .string(connection.createdAt.iso8601),
        ]
    }
    private static func json(_ domain: TenantDomain) -> JSONValue {
        [
            "domain": .string(domain.domain), "record_name": .string(domain.recordName), "record_value": .string(domain.challenge),
            "verified_at": domain.verifiedAt.map { .string($0.iso8601) } ?? .null,
        ]
    }
    private static func form(_ call: Call) -> ConnectionForm {
        let rules = call.json?["role_map"]?.array?.compactMap { rule -> TenantConnection.RoleRule? in
            guard let group = rule["group"]?.string, let role = rule["role"]?.string else { return nil }
            return TenantConnection.RoleRule(group: group, role: role)
        }
        return ConnectionForm(
            label: call.json?["label"]?.string ?? "", values: call.json?["settings"]?.object?.compactMapValues(\.string) ?? [:],
            admits: call.json?["admits"]?.bool ?? true, defaultRole: call.json?["default_role"]?.string ?? Role.developer.rawValue,
            roleMap: rules ?? [])
    }

    var connectionRoutes: [Route] { readingRoutes + changingRoutes + requirementRoutes }

    private var readingRoutes: [Route] {
        [
            Route(
                .get, "\(Self.path)/providers", name: "sso.providers",
                summary: "What kinds of provider can be set up, and what each needs.",
                access: .permission(FederationPermissions.read),
                answers: [RouteAnswer(200, "The kinds", .object([SchemaField("providers", .array(.any, max: 64))]))]
            ) { call in
                .json(value: [
                    "providers": .array(
                        kinds(for: try call.caller().tenant).map { kind in
                            [
                                "id": .string(kind.plugin),
                                "fields": .array(
                                    kind.fields.map { field in
                                        [
                                            "name": .string(field.name), "label": .string(field.label), "summary": .string(field.summary),
                                            "kind": .string(field.kind.rawValue), "is_required": .bool(field.isRequired),
                                            "choices": .array(field.choices.map { .string($0) }),
                                        ]
                                    }),
                            ]
                        })
                ])
            },
            Route(
                .get, "\(Self.path)/connections", name: "sso.connections", summary: "The organization's identity providers.",
                access: .permission(FederationPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "All of them",
                        .object([SchemaField("connections", .array(Self.connection, max: TenantConnection.mostPerTenant))]))
                ]
            ) { call in
                var shown: [JSONValue] = []
                for connection in try await connections(of: try call.caller().tenant) { shown.append(try await json(connection)) }
                return .json(value: ["connections": .array(shown)])
            },
            Route(
                .get, "\(Self.path)/connections/{id}", name: "sso.connection", summary: "One of them.",
                access: .permission(FederationPermissions.read), answers: [RouteAnswer(200, "The connection", Self.connection)],
                problems: [CommonProblems.notFound]
            ) { call in .json(value: try await json(try await connection(call.id("id"), of: call.caller().tenant))) },
        ]
    }

    private var changingRoutes: [Route] {
        let one = "\(Self.path)/connections/{id}"
        let write = RouteAccess.permission(FederationPermissions.write)
        let found = [RouteAnswer(200, "The connection", Self.connection)]
        return [
            Route(
                .post, "\(Self.path)/connections", name: "sso.create_connection", summary: "Sets a provider up, as a draft.", access: write,
                request: .object([SchemaField("provider", .string(min: 1, max: 40))] + Self.formFields),
                answers: [RouteAnswer(201, "The draft", Self.connection)], problems: [FederationProblems.tooMany]
            ) { call in
                let made = try await create(
                    Self.form(call), plugin: call.json?["provider"]?.string ?? "", in: try call.caller().tenant, call.act)
                return .json(value: try await json(made), status: 201)
            },
            Route(
                .put, one, name: "sso.change_connection",
                summary: "Changes it. What changes whom to believe makes it a draft again, which signs nobody in until it is tested.",
                access: write, request: .object(Self.formFields), answers: found,
                problems: [CommonProblems.notFound, FederationProblems.inUse]
            ) { call in
                .json(value: try await json(try await change(call.id("id"), Self.form(call), in: call.caller().tenant, call.act)))
            },
            Route(
                .delete, one, name: "sso.drop_connection", summary: "Removes it; nobody signs in through it any more.", access: write,
                answers: [RouteAnswer(204, "Removed.")], problems: [CommonProblems.notFound, FederationProblems.inUse]
            ) { call in
                try await drop(call.id("id"), in: call.caller().tenant, call.act)
                return Reply(status: 204)
            },
            Route(
                .post, "\(one)/inspect", name: "sso.inspect_connection", summary: "Asks the provider whether this can work.", access: write,
                answers: [
                    RouteAnswer(
                        200, "What it says",
                        .object([
                            SchemaField("issuer", .string(max: 600)), SchemaField("keys", .array(.string(max: 600), max: 100)),
                            SchemaField("warnings", .array(.string(max: 400), max: 16)),
                            SchemaField("document", .nullable(.string(max: 70_000))),
                        ]))
                ],
                problems: [
                    CommonProblems.notFound, FederationProblems.connectionFaulty.with(["reason": "…"]), FederationProblems.unavailable,
                ]
            ) { call in
                let found = try await inspect(call.id("id"), in: call.caller().tenant, call.act)
                return .json(value: [
                    "issuer": .string(found.issuer), "keys": .array(found.keys.map { .string($0) }),
                    "warnings": .array(found.warnings.map { .string($0) }), "document": found.document.map { .string($0) } ?? .null,
                ])
            },
            Route(
                .post, "\(one)/enable", name: "sso.enable_connection", summary: "Lets people in through it, once it is tested.",
                access: write,
                answers: found, problems: [CommonProblems.notFound, FederationProblems.untested]
            ) { call in
                try await setEnabled(true, call.id("id"), in: call.caller().tenant, call.act)
                return .json(value: try await json(try await connection(call.id("id"), of: call.caller().tenant)))
            },
            Route(
                .post, "\(one)/disable", name: "sso.disable_connection", summary: "Lets nobody in through it any more.", access: write,
                answers: found, problems: [CommonProblems.notFound, FederationProblems.inUse]
            ) { call in
                try await setEnabled(false, call.id("id"), in: call.caller().tenant, call.act)
                return .json(value: try await json(try await connection(call.id("id"), of: call.caller().tenant)))
            },
        ]
    }

    private var requirementRoutes: [Route] {
        let write = RouteAccess.permission(FederationPermissions.write)
        return [
            Route(
                .post, "\(Self.path)/connections/{id}/require", name: "sso.require",
                summary: "From now on members sign in through it alone; owners keep every way in. Ends the members' other sessions.",
                access: write,
                answers: [RouteAnswer(200, "Required", .object([SchemaField("sessions_ended", .integer(0...Int64.max))]))],
                problems: [CommonProblems.notFound, FederationProblems.untested, FederationProblems.domainUnverified]
            ) { call in
                let ended = try await require(call.id("id"), in: call.caller().tenant, call.act)
                return .json(value: ["sessions_ended": .int(Int64(ended))])
            },
            Route(
                .delete, "\(Self.path)/requirement", name: "sso.release", summary: "Members may sign in any way again.", access: write,
                answers: [RouteAnswer(204, "Lifted.")]
            ) { call in
                try await release(in: call.caller().tenant, call.act)
                return Reply(status: 204)
            },
        ]
    }

    var domainRoutes: [Route] {
        let write = RouteAccess.permission(FederationPermissions.write)
        let found = [RouteAnswer(200, "The domain", Self.domain)]
        return [
            Route(
                .get, "\(Self.path)/domains", name: "sso.domains", summary: "The organization's mail domains.",
                access: .permission(FederationPermissions.read),
                answers: [
                    RouteAnswer(
                        200, "All of them", .object([SchemaField("domains", .array(Self.domain, max: TenantDomain.mostPerTenant))]))
                ]
            ) { call in .json(value: ["domains": .array(try await domains(of: try call.caller().tenant).map(Self.json))]) },
            Route(
                .post, "\(Self.path)/domains", name: "sso.add_domain",
                summary: "Adds a domain; the answer says what its TXT record must hold.",
                access: write, request: .object([SchemaField("domain", .string(min: 3, max: 253))]), answers: found,
                problems: [FederationProblems.tooMany]
            ) { call in
                .json(value: Self.json(try await add(domain: call.json?["domain"]?.string ?? "", to: call.caller().tenant, call.act)))
            },
            Route(
                .post, "\(Self.path)/domains/{domain}/verify", name: "sso.verify_domain", summary: "Looks the TXT record up now.",
                access: write,
                limit: .login, answers: found,
                problems: [
                    CommonProblems.notFound, FederationProblems.recordMissing.with(["record": "_coditect-challenge.example.com"]),
                    FederationProblems.domainTaken,
                ]
            ) { call in
                .json(value: Self.json(try await verify(domain: call.parameters["domain"] ?? "", of: call.caller().tenant, call.act)))
            },
            Route(
                .delete, "\(Self.path)/domains/{domain}", name: "sso.drop_domain",
                summary: "Forgets a domain: the provider vouches for its addresses no more.", access: write,
                answers: [RouteAnswer(204, "Forgotten.")], problems: [CommonProblems.notFound, FederationProblems.domainUnverified]
            ) { call in
                try await drop(domain: call.parameters["domain"] ?? "", of: call.caller().tenant, call.act)
                return Reply(status: 204)
            },
        ]
    }
}
