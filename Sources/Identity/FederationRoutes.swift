import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

/// The ways that a browser takes: away to a provider, and back.
extension Federation {
    package func routes() -> [Route] {
        browserRoutes + postedRoutes + openRoutes + linkRoutes + deviceRoutes + connectionRoutes + domainRoutes + operatorRoutes
            + directoryRoutes
    }

    /// The cookie that binds a flow to its browser.
    package static func flowCookie(isSecure: Bool) -> String { isSecure ? "__Host-coditect_flow" : "coditect_flow" }
    package static func flowCookie(_ departure: Departure, _ call: Call) -> SetCookie {
        SetCookie(flowCookie(isSecure: call.isSecure), departure.cookie, maxAge: departure.life, isSecure: call.isSecure)
    }
    private static let page = [
        RouteAnswer(303, "On to the provider, or back to the platform's pages.")
    ]

    private var browserRoutes: [Route] {
        [
            Route(
                .get, "/api/v1/auth/oauth/{provider}/start", name: "auth.oauth_start",
                summary: "Sends the browser to a provider that the platform offers.",
                access: .page, answers: Self.page, problems: [CommonProblems.notFound, FederationProblems.unavailable]
            ) { call in
                let departure = try await begin(
                    offered: call.parameters["provider"] ?? "", next: call.query["next"],
                    browser: call.cookie(Self.flowCookie(isSecure: call.isSecure)), call.act)
                return departure.reply(call)
            },
            Route(
                .get, "/api/v1/auth/oauth/{provider}/callback", name: "auth.oauth_callback",
                summary: "Takes the browser back from that provider.",
                access: .page, answers: Self.page, problems: Self.arrivalProblems
            ) { call in try await arrive(call.parameters["provider"] ?? "", call, parameters: call.query, method: "GET") },
            Route(
                .get, "/api/v1/auth/sso/{connection}/start", name: "auth.sso_start",
                summary: "Sends the browser to a tenant's own provider.",
                access: .page, answers: Self.page, problems: [CommonProblems.notFound, FederationProblems.unavailable]
            ) { call in
                let departure = try await begin(
                    sso: call.id("connection"), next: call.query["next"],
                    browser: call.cookie(Self.flowCookie(isSecure: call.isSecure)), call.act)
                return departure.reply(call)
            },
            Route(
                .get, "/api/v1/auth/sso/{connection}/callback", name: "auth.sso_callback",
                summary: "Takes the browser back from that provider.",
                access: .page, answers: Self.page, problems: Self.arrivalProblems
            ) { call in
                let id: ConnectionID = try call.id("connection")
                return try await arrive(id.description, call, parameters: call.query, method: "GET")
            },
        ]
    }

    static let arrivalProblems = [
        FederationProblems.refused, FederationProblems.declined, FederationProblems.unavailable, FederationProblems.addressUnverified,
        FederationProblems.notAdmitted, FederationProblems.ssoRequired.with(["sso_path": "/api/v1/auth/sso/…/start"]),
        FederationProblems.linkTaken, CommonProblems.policyDenied, IdentityProblems.accountDeactivated,
        IdentityProblems.processingRestricted, IdentityProblems.emailUnverified,
        IdentityProblems.noMembership, CommonProblems.addressNotAllowed,
    ]

    func arrive(_ place: String, _ call: Call, parameters: [String: String], method: String) async throws -> Reply {
        let arrival = try await complete(
            place, parameters: parameters, method: method, browser: call.cookie(Self.flowCookie(isSecure: call.isSecure)),
            from: Device(call.header("user-agent")), call.act)
        switch arrival {
        case .signedIn(let grant, let next):
            return .redirect(to: next).setting(
                SetCookie(
                    Cookies.session(isSecure: call.isSecure), grant.cookie, maxAge: grant.expiresAt - call.act.now, isSecure: call.isSecure)
            )
        case .secondFactorDue(let token, let next):
            let life = settings.seconds(FactorSettings.stepSeconds)
            return Factors.onToSecondStep(token, next: next, isSecure: call.isSecure, life: life)
        case .linked: return .redirect(to: "/account/sign-in")
        case .mailed: return .redirect(to: "/sign-in/confirm")
        case .tested(let id): return .redirect(to: "/sso/\(id)?tested=yes")
        case .testFailed(let id, let report): return .redirect(to: "/sso/\(id)?failed=\(report)")
        }
    }

    // MARK: For everybody

    private var openRoutes: [Route] {
        [
            Route(
                .get, "/api/v1/auth/oauth", name: "auth.oauth_providers", summary: "The providers that the platform offers to everybody.",
                access: .open,
                answers: [
                    RouteAnswer(
                        200, "All of them",
                        .object([
                            SchemaField(
                                "providers",
                                .array(
                                    .object([
                                        SchemaField("id", .string(max: 40)), SchemaField("label", .string(max: 80)),
                                        SchemaField("start_url", .string(max: 500)),
                                    ]), max: 64))
                        ]))
                ]
            ) { _ in
                .json(value: [
                    "providers": .array(
                        offers().map { offer in
                            let url = "\(parts.origin())/api/v1/auth/oauth/\(offer.id)/start"
                            return ["id": .string(offer.id), "label": .string(offer.label), "start_url": .string(url)]
                        })
                ])
            },
            Route(
                .post, "/api/v1/auth/sso/discover", name: "auth.sso_discover",
                summary: "Where people of a mail domain sign in. Says nothing of whether anybody has the address.", access: .open,
                limit: .login,
                request: .object([SchemaField("email", .string(min: 3, max: 254))]),
                answers: [
                    RouteAnswer(
                        200, "Null: with password or an offered provider", .object([SchemaField("start_url", .nullable(.string(max: 500)))])
                    )
                ]
            ) { call in
                let id = try await connection(forMail: call.json?["email"]?.string ?? "")
                return .json(value: ["start_url": id.map { .string("\(parts.origin())/api/v1/auth/sso/\($0)/start") } ?? .null])
            },
        ]
    }

    // MARK: The own links

    private var linkRoutes: [Route] {
        let time = Schema.string(max: 40, format: .dateTime)
        return [
            Route(
                .get, "/api/v1/auth/links", name: "auth.links", summary: "The providers that sign the caller in.", access: .session,
                answers: [
                    RouteAnswer(
                        200, "All of them",
                        .object([
                            SchemaField(
                                "links",
                                .array(
                                    .object([
                                        SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("label", .string(max: 80)),
                                        SchemaField("created_at", time), SchemaField("last_used_at", time),
                                    ]), max: 100))
                        ]))
                ]
            ) { call in
                .json(value: [
                    "links": .array(
                        try await links(of: call.caller().user).map {
                            [
                                "id": .string($0.id.description), "label": .string($0.label), "created_at": .string($0.createdAt.iso8601),
                                "last_used_at": .string($0.lastUsedAt.iso8601),
                            ]
                        })
                ])
            },
            Route(
                .delete, "/api/v1/auth/links/{id}", name: "auth.unlink", summary: "Forgets one; refused for the last way in.",
                access: .session, proof: .sensitive, answers: [RouteAnswer(204, "Forgotten.")],
                problems: [CommonProblems.notFound, FederationProblems.lastWayIn, FederationProblems.sessionBound]
            ) { call in
                try await unlink(call.id("id"), of: call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    // MARK: Devices

    private var deviceRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/device", name: "auth.device_authorize",
                summary: "Begins a sign-in that is finished in a browser elsewhere (RFC 8628).", access: .open, limit: .login,
                request: .object([]),
                answers: [
                    RouteAnswer(
                        200, "Show user_code and verification_uri; keep device_code.",
                        .object([
                            SchemaField("device_code", .string(max: 100)), SchemaField("user_code", .string(max: 20)),
                            SchemaField("verification_uri", .string(max: 500)), SchemaField("verification_uri_complete", .string(max: 500)),
                            SchemaField("expires_in", .integer(1...86_400)), SchemaField("interval", .integer(1...600)),
                        ]))
                ]
            ) { call in
                let grant = try await authorizeDevice(Device(call.headers["user-agent"]), call.act)
                var reply = Reply.json(value: [
                    "device_code": .string(grant.deviceCode), "user_code": .string(grant.userCode),
                    "verification_uri": .string(grant.verificationAddress),
                    "verification_uri_complete": .string("\(grant.verificationAddress)?user_code=\(grant.userCode)"),
                    "expires_in": .int(grant.expiresIn), "interval": .int(Int64(grant.interval)),
                ])
                reply.headers.append(("cache-control", "no-store"))
                return reply
            },
            Route(
                .post, "/api/v1/auth/device/token", name: "auth.device_token",
                summary: "Asks whether somebody has answered; then the tokens.",
                access: .proof,
                request: .object([
                    SchemaField("device_code", .string(min: 1, max: 100)),
                    SchemaField(
                        "grant_type", .choice(["urn:ietf:params:oauth:grant-type:device_code"]), "As RFC 8628 has it; may be left out",
                        optional: true),
                ]),
                answers: [RouteAnswer(200, "Tokens.", IdentitySchema.tokenReply)],
                problems: [
                    FederationProblems.pending, FederationProblems.slowDown, FederationProblems.denied, FederationProblems.expired,
                    CommonProblems.addressNotAllowed,
                ]
            ) { call in
                try .json(
                    TokenReply(
                        try await redeemDevice(
                            call.json?["device_code"]?.string ?? "", from: Device(call.headers["user-agent"]), call.act)))
            },
        ]
    }

    // MARK: Operators

    private var operatorRoutes: [Route] {
        let time = Schema.string(max: 40, format: .dateTime)
        return [
            Route(
                .post, "/api/v1/admin/sessions/revoke", name: "admin.revoke_sessions",
                summary: "Ends every session that one key of a provider opened in a span of time, and lists what was done with each.",
                access: .operatorOnly,
                request: .object([
                    SchemaField("issued_by", .string(min: 1, max: 600), "As sessions remember it: oidc:THUMBPRINT"),
                    SchemaField("from", time), SchemaField("to", time, "Not included"),
                    SchemaField("trial", .boolean, "Lists and ends nothing", optional: true),
                ]),
                answers: [RouteAnswer(200, "The sessions.", .object([SchemaField("sessions", .array(.any, max: Self.mostSessions))]))]
            ) { call in
                guard let key = call.json?["issued_by"]?.string, let from = call.json?["from"]?.string.flatMap(Timestamp.init(iso8601:)),
                    let to = call.json?["to"]?.string.flatMap(Timestamp.init(iso8601:)), from < to
                else { throw CommonProblems.invalid("from", "and to are times, the earlier first") }
                let found = try await revoke(
                    issuedBy: key, from: from, to: to, isTrial: call.json?["trial"]?.bool ?? false, call.act)
                return .json(value: ["sessions": .array(found.map(\.json))])
            }
        ]
    }
}

extension Federation.IssuedSession {
    package var json: JSONValue {
        [
            "id": .string(id.description), "user_id": .string(user.description), "tenant_id": .string(tenant.description),
            "factor": .string(factor), "was_active": .bool(wasActive), "created_at": .string(createdAt.iso8601),
            "last_used_at": .string(lastUsedAt.iso8601), "assertion": assertion.map { .string($0) } ?? .null,
            "acts": .array(
                acts.map {
                    [
                        "at": .string($0.at.iso8601), "action": .string($0.action), "subject": .string($0.subject),
                        "outcome": .string($0.outcome),
                    ]
                }),
        ]
    }
}
