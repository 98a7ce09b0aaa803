import Foundation
import HTTPEdge
import Identity
import Vocabulary

/// Single sign-on as an administrator of a tenant sets it up: domains, connections, the test, the requirement.
extension Console {
    var ssoPages: [Route] { [ssoHome, ssoConnection] + ssoActions + ssoDomains }

    private func administrator(_ call: Call, _ permission: Permission = FederationPermissions.write) async throws -> Principal {
        let caller = try call.caller()
        try await authorizer.require(permission, of: caller, act: call.act)
        return caller
    }

    private var ssoHome: Route {
        route(.get, "/sso", "sso_home", "Single sign-on of the own organization.") { call in
            let caller = try await administrator(call, FederationPermissions.read)
            let federation = services.federation
            let required = try await federation.requirement(of: caller.tenant)
            let connections = try await federation.connections(of: caller.tenant)
            let domains = try await federation.domains(of: caller.tenant)
            return try page(
                "sso", frame("Single sign-on", call),
                [
                    "hasConnections": !connections.isEmpty, "hasDomains": !domains.isEmpty, "isRequired": required != nil,
                    "connections": connections.map {
                        [
                            "id": $0.id.description, "label": $0.label, "state": $0.state.rawValue,
                            "required": $0.id == required ? "members must use it" : "",
                        ]
                    },
                    "domains": domains.map {
                        [
                            "domain": $0.domain, "record": $0.recordName, "value": $0.challenge, "isOpen": $0.verifiedAt == nil,
                            "standing": $0.verifiedAt.map { "verified \(Spans.minute($0))" } ?? "not verified",
                        ] as [String: Any]
                    }, "kinds": federation.kinds(for: caller.tenant).map(\.plugin),
                ])
        }
    }

    private var ssoConnection: Route {
        route(.get, "/sso/{id}", "sso_connection", "One connection.") { call in
            let caller = try await administrator(call, FederationPermissions.read)
            let federation = services.federation
            let connection = try await federation.connection(call.id("id"), of: caller.tenant)
            let shown = try federation.shown(connection)
            return try page(
                "sso_connection", frame(connection.label, call),
                [
                    "id": connection.id.description, "label": connection.label, "state": connection.state.rawValue,
                    "redirect": try federation.isDirectory(connection) ? [] : [federation.redirectAddress(of: connection)],
                    "wasTested": call.query["tested"] == "yes",
                    "failure": call.query["failed"].flatMap { federation.failure(report: $0, of: connection.id) } ?? "",
                    "hasFailed": call.query["failed"] != nil, "document": try federation.documentAddress(of: connection) ?? "",
                    "isTested": connection.isTested, "canEnable": connection.isTested && connection.state != .enabled,
                    "isEnabled": connection.state == .enabled,
                    "settings": shown.settings.sorted { $0.key < $1.key }.map { ["name": $0.key, "value": $0.value] },
                    "secrets": shown.secrets,
                ])
        }
    }

    /// The fields of a kind of provider, as a form.
    private func draftPage(_ plugin: String, _ caller: Principal) throws -> PageForm {
        guard let kind = services.federation.kinds(for: caller.tenant).first(where: { $0.plugin == plugin }) else {
            throw CommonProblems.notFound
        }
        let fields = kind.fields.map { field in
            FormField(
                name: field.name, label: field.label, type: field.kind == .secret ? "password" : "text",
                hint: field.summary + (field.choices.isEmpty ? "" : " One of: \(field.choices.joined(separator: ", "))."),
                maxLength: field.maxBytes, isOptional: !field.isRequired)
        }
        return PageForm(
            heading: "A new connection", intro: ["It signs nobody in until you have tested and enabled it."], action: "/sso/new",
            fields: [FormField(name: "label", label: "Name", hint: "What people see.", maxLength: 80)] + fields, button: "Keep the draft")
    }

    static let atHome = RouteProof(isSensitive: true, back: "/sso")

    private var ssoActions: [Route] {
        [
            route(.get, "/sso/new/{provider}", "sso_new_form", "Set a provider up.") { call in
                let caller = try await administrator(call)
                let plugin = call.parameters["provider"] ?? ""
                return try form(try draftPage(plugin, caller), call, hidden: ["provider": plugin])
            },
            route(.post, "/sso/new", "sso_new", "Set a provider up.", proof: Self.atHome) { call in
                let caller = try await administrator(call)
                let sent = try SentForm(call)
                let page = try draftPage(sent["provider"], caller)
                let values = page.fields.dropFirst().reduce(into: [String: String]()) { $0[$1.name] = sent[$1.name] }
                do {
                    let made = try await services.federation.create(
                        ConnectionForm(label: sent["label"], values: values), plugin: sent["provider"], in: caller.tenant, call.act)
                    return .redirect(to: "/sso/\(made.id)")
                } catch let problem as Problem where problem.status < 500 {
                    return try form(page, call, sent: sent, problem: problem, hidden: ["provider": sent["provider"]])
                }
            },
            route(.post, "/sso/{id}/test", "sso_test", "Sign in through it once.", proof: Self.atHome) { call in
                let caller = try await administrator(call)
                let id: ConnectionID = try call.id("id")
                let found = try await services.federation.inspect(id, in: caller.tenant, call.act)
                let departure = try await services.federation.beginTest(
                    id, by: caller, browser: call.cookie(Federation.flowCookie(isSecure: call.isSecure)), call.act)
                guard departure.form.isEmpty else { return departure.reply(call) }
                return try message(
                    "The provider answers", ["It signs as \(found.issuer). Now sign in there once: that is the test."] + found.warnings,
                    call,
                    links: [("Sign in there", departure.address)]
                ).setting(Federation.flowCookie(departure, call))
            },
            acting("enable", "Let people in through it.") { try await services.federation.setEnabled(true, $0, in: $1.tenant, $2) },
            acting("disable", "Let nobody in through it.") { try await services.federation.setEnabled(false, $0, in: $1.tenant, $2) },
            acting("require", "Members must use it.") { _ = try await services.federation.require($0, in: $1.tenant, $2) },
            acting("remove", "Remove it.") { try await services.federation.drop($0, in: $1.tenant, $2) },
            route(.post, "/sso/release", "sso_release", "Members may sign in any way.", proof: Self.atHome) { call in
                try await services.federation.release(in: try await administrator(call).tenant, call.act)
                return .redirect(to: "/sso")
            },
        ]
    }

    private func acting(
        _ name: String, _ summary: String, _ work: @escaping @Sendable (ConnectionID, Principal, Act) async throws -> Void
    ) -> Route {
        route(.post, "/sso/{id}/\(name)", "sso_\(name)", summary, proof: Self.atHome) { call in
            try await work(call.id("id"), try await administrator(call), call.act)
            return .redirect(to: "/sso")
        }
    }

    private var ssoDomains: [Route] {
        [
            route(.post, "/sso/domains/add", "sso_domain_add", "Add a domain.", proof: Self.atHome) { call in
                let caller = try await administrator(call)
                _ = try await services.federation.add(domain: try SentForm(call)["domain"], to: caller.tenant, call.act)
                return .redirect(to: "/sso")
            },
            route(.post, "/sso/domains/verify", "sso_domain_verify", "Look its record up.", limit: .login, proof: Self.atHome) { call in
                let caller = try await administrator(call)
                _ = try await services.federation.verify(domain: try SentForm(call)["domain"], of: caller.tenant, call.act)
                return .redirect(to: "/sso")
            },
            route(.post, "/sso/domains/remove", "sso_domain_remove", "Forget a domain.", proof: Self.atHome) { call in
                let caller = try await administrator(call)
                try await services.federation.drop(domain: try SentForm(call)["domain"], of: caller.tenant, call.act)
                return .redirect(to: "/sso")
            },
        ]
    }
}
