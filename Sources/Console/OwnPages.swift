import Foundation
import HTTPEdge
import Identity
import Tenancy
import Vocabulary

/// API keys and sessions of the caller, and the networks of the own organization.
extension Console {
    private static let keys = "/account/keys"
    private static let sessions = "/account/sessions"
    private static let networks = "/networks"

    var ownPages: [Route] { keyPages + sessionPages + networkPages }

    // MARK: API keys

    private var keyPages: [Route] {
        let proof = RouteProof(isSensitive: true, back: Self.keys)
        return [
            route(.get, Self.keys, "keys", "The caller's API keys.") { call in
                try desk(try await keyDesk(try await holder(of: APIKeyPermissions.own, call), call), call)
            },
            route(.post, "\(Self.keys)/create", "keys_create", "Make an API key; its secret is shown once.", proof: proof) { call in
                let caller = try await holder(of: APIKeyPermissions.own, call)
                let sent = try SentForm(call)
                let made = try await services.apiKeys.create(
                    name: try TenantName.read(sent["name"], "name", max: 80),
                    permissions: sent["permissions"].split(whereSeparator: \.isWhitespace).prefix(200).map(String.init),
                    days: Int(sent["days"]) ?? 0, for: caller, call.act)
                return try await shown(made, caller, call)
            },
            route(.post, "\(Self.keys)/{id}/rotate", "keys_rotate", "Give an API key another secret.", proof: proof) { call in
                let caller = try await holder(of: APIKeyPermissions.own, call)
                return try await shown(
                    try await services.apiKeys.rotate(try call.id("id"), overlap: .hours(24), for: caller, call.act), caller, call)
            },
            route(.post, "\(Self.keys)/{id}/revoke", "keys_revoke", "End an API key.", proof: proof) { call in
                try await services.apiKeys.revoke(
                    try call.id("id"), anybody: false, try await holder(of: APIKeyPermissions.own, call), call.act)
                return .redirect(to: Self.keys)
            },
        ]
    }

    private func shown(_ made: APIKeys.Made, _ caller: Principal, _ call: Call) async throws -> Reply {
        var desk = try await keyDesk(caller, call)
        desk.shownOnce = ("The secret of \(made.key.name)", made.text)
        return try self.desk(desk, call)
    }

    private func keyDesk(_ caller: Principal, _ call: Call) async throws -> Desk {
        let held = try await services.apiKeys.list(caller.tenant, owner: caller.user, after: nil, limit: 100)
        let live = held.filter { $0.state(at: call.act.now) == .active }
        return Desk(
            heading: "Your API keys",
            intro: ["A key does what you may do and it names, and nothing more. A rotated key's secret before works for a day."],
            tables: [
                Desk.Table(
                    anchor: "keys", caption: "Keys", columns: ["Name", "Begins with", "Permissions", "Last used", "Until"],
                    rows: live.map { key in
                        Desk.Row(
                            cells: [
                                key.name, key.prefix, key.permissions.joined(separator: " "), key.lastUsedAt.map(Spans.minute) ?? "never",
                                Spans.minute(key.expiresAt),
                            ],
                            acts: [
                                Desk.Way(words: "Rotate", target: "\(Self.keys)/\(key.id)/rotate", whom: key.name),
                                Desk.Way(words: "Revoke", target: "\(Self.keys)/\(key.id)/revoke", whom: key.name),
                            ])
                    })
            ],
            forms: [
                Desk.Form(
                    anchor: "new", title: "A new key", action: "\(Self.keys)/create",
                    fields: [
                        FormField(name: "name", label: "Name", hint: "What uses it.", maxLength: 80),
                        FormField(
                            name: "permissions", label: "Permissions", hint: "With spaces between, such as licenses:read seats:acquire.",
                            maxLength: 1_000),
                        FormField(name: "days", label: "Days", type: "number", hint: "How long it lives.", maxLength: 4),
                    ], values: ["days": "90"], button: "Make the key")
            ], elsewhere: Self.deskWays)
    }

    // MARK: Sessions

    private var sessionPages: [Route] {
        [
            route(.get, Self.sessions, "sessions", "Where the caller is signed in.", proof: .enrolment) { call in
                let caller = try call.caller()
                let found = try await services.identity.sessions(of: caller.user, now: call.act.now)
                return try desk(
                    Desk(
                        heading: "Your sessions",
                        intro: ["Where you are signed in now. End what you do not know, then change your password."],
                        tables: [
                            Desk.Table(
                                anchor: "sessions", caption: "Sessions", columns: ["Device", "Address", "Since", "Last used"],
                                rows: found.map { session in
                                    let device = session.device ?? "not named"
                                    let isThis = session.id == caller.session
                                    return Desk.Row(
                                        cells: [
                                            isThis ? device + " (this one)" : device, session.address ?? "",
                                            Spans.minute(session.createdAt),
                                            Spans.minute(session.lastUsedAt),
                                        ],
                                        acts: isThis
                                            ? [] : [Desk.Way(words: "End", target: "\(Self.sessions)/\(session.id)/end", whom: device)])
                                })
                        ], elsewhere: Self.deskWays + [("Sign out everywhere", "/account/sign-in")]), call)
            },
            route(.post, "\(Self.sessions)/{id}/end", "session_end", "End one of the caller's sessions.", proof: .enrolment) { call in
                try await services.identity.revoke(try call.id("id"), of: try call.caller(), call.act)
                return .redirect(to: Self.sessions)
            },
        ]
    }

    // MARK: Networks

    private var networkPages: [Route] {
        let proof = RouteProof(isSensitive: true, back: Self.networks)
        return [
            route(.get, Self.networks, "networks", "From which networks the organization lets its people in.") { call in
                let caller = try await holder(of: TenancyPermissions.tenantRead, call)
                let writes = try await may(TenancyPermissions.tenantWrite, caller, call)
                let rule = try await services.tenancy.addressRule(of: caller.tenant)
                var desk = Desk(heading: "Networks", elsewhere: Self.deskWays)
                desk.intro = [
                    rule == nil
                        ? "Your organization lets its people in from anywhere."
                        : "Your organization lets its people in from these networks alone.",
                    "You come from \(call.act.address ?? "an unknown address").",
                ]
                if let until = rule?.liftedUntil, call.act.now < until {
                    desk.intro.append("Staff suspended the list until \(Spans.minute(until)).")
                }
                if let rule {
                    desk.tables = [
                        Desk.Table(
                            anchor: "list", caption: "Networks", columns: ["Network"],
                            rows: rule.networks.map { Desk.Row(cells: [$0.description]) })
                    ]
                }
                if writes { desk.forms = Self.networkForms(rule) }
                return try self.desk(desk, call)
            },
            route(.post, "\(Self.networks)/set", "networks_set", "Let people in from these networks alone.", proof: proof) { call in
                let caller = try await holder(of: TenancyPermissions.tenantWrite, call)
                let sent = try SentForm(call)
                let networks = try AddressRule.read(sent["networks"].split(whereSeparator: \.isWhitespace).prefix(1_000).map(String.init))
                // What a form cannot say twice, it cannot do by mistake: who must be kept out goes through the API.
                _ = try await services.tenancy.allow(
                    networks, coversLicenseKeys: sent["keys"] == "yes", confirmed: false, in: caller.tenant, call.act)
                return .redirect(to: Self.networks)
            },
            route(.post, "\(Self.networks)/clear", "networks_clear", "Let people in from anywhere.", proof: proof) { call in
                try await services.tenancy.allowAnywhere(in: try await holder(of: TenancyPermissions.tenantWrite, call).tenant, call.act)
                return .redirect(to: Self.networks)
            },
        ]
    }

    private static func networkForms(_ rule: AddressRule?) -> [Desk.Form] {
        let fields = [
            FormField(
                name: "networks", label: "Networks", hint: "Addresses or prefixes, one a line: 203.0.113.0/24 or 2001:db8:40::/48.",
                maxLength: 8_000),
            FormField(
                name: "keys", label: "Licence keys too", hint: "Write yes, and keys alone open nothing from elsewhere.", maxLength: 3,
                isOptional: true),
        ]
        let values = [
            "networks": rule?.networks.map(\.description).joined(separator: "\n") ?? "",
            "keys": rule?.coversLicenseKeys == true ? "yes" : "",
        ]
        let set = Desk.Form(
            anchor: "set", title: "Let people in from these alone", action: "\(networks)/set", fields: fields, values: values,
            button: "Keep the list")
        let clear = Desk.Form(
            anchor: "clear", title: "From anywhere", action: "\(networks)/clear", fields: [], button: "Let people in from anywhere")
        return rule == nil ? [set] : [set, clear]
    }
}
