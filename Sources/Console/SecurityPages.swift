import Foundation
import HTTPEdge
import Identity
import Tenancy
import Vocabulary

/// Second factors: setting them up, proving them at sign-in, and proving them again before a change that matters.
extension Console {
    var securityPages: [Route] { ownFactorPages + appPages + passkeyPages + confirmPages + secondStepPages + passkeySignInPages }
    private static let home = "/account/security"
    private static let changing = RouteProof(isSensitive: true, isForEnrolment: true, back: home)
    private var factors: Factors { services.factors }

    private static let code = FormField(
        name: "code", label: "Code", autocomplete: "one-time-code", hint: "Six digits, as the app shows them now", maxLength: 32)
    private static let either = FormField(
        name: "code", label: "Code", autocomplete: "one-time-code", hint: "Six digits from your app, or one of your recovery codes",
        maxLength: 64)

    // MARK: What there is

    private var ownFactorPages: [Route] {
        [
            route(.get, Self.home, "security", "The caller's second factors.", proof: .enrolment) { call in
                let caller = try call.caller()
                let own = try await factors.overview(caller)
                var values: [String: Any] = [
                    "knowsPasskeys": factors.hasPasskeys, "hasPasskeys": !own.passkeys.isEmpty,
                    "passkeys": own.passkeys.map {
                        [
                            "id": $0.id.description, "label": $0.label, "isSuspect": $0.isSuspect, "since": Spans.minute($0.createdAt),
                            "used": $0.lastUsedAt.map(Spans.minute) ?? "never",
                        ] as [String: Any]
                    },
                ]
                if let since = own.totpSince { values["app"] = ["since": Spans.minute(since)] }
                if own.hasFactor { values["recovery"] = ["left": own.recoveryCodesLeft] }
                if caller.bounds.proof == .enrolling {
                    values["demand"] = "You need a second factor here. Set one up, and you can go on."
                } else if let from = own.requiredFrom, !own.hasFactor {
                    values["demand"] = "Your organization requires a second factor. Set one up before \(Spans.minute(from))."
                }
                if try await may(TenancyPermissions.tenantWrite, caller, call) {
                    var rule: [String: Any] = [:]
                    if let from = own.requiredFrom { rule["from"] = Spans.minute(from) }
                    values["rule"] = rule
                }
                return try page("security", frame("Your second factor", call), values)
            },
            route(.post, "\(Self.home)/codes", "recovery_codes", "New recovery codes.", proof: Self.changing) { call in
                try codes(try await factors.renewRecoveryCodes(try call.caller(), call.act), call)
            },
            route(.post, "\(Self.home)/rule", "require_factor", "Require a second factor of every member.", proof: Self.changing) { call in
                try await rule(graceDays: 14, call)
            },
            route(.post, "\(Self.home)/rule/release", "release_factor", "Require it no longer.", proof: Self.changing) { call in
                try await rule(graceDays: nil, call)
            },
        ]
    }
    private func rule(graceDays: Int?, _ call: Call) async throws -> Reply {
        let caller = try call.caller()
        try await authorizer.require(TenancyPermissions.tenantWrite, of: caller, act: call.act)
        try await factors.require(graceDays: graceDays, in: caller.tenant, call.act)
        return .redirect(to: Self.home)
    }
    /// Those that were just made; none where the person has some already.
    private func codes(_ codes: [String], _ call: Call) throws -> Reply {
        codes.isEmpty ? .redirect(to: Self.home) : try page("codes", frame("Keep your recovery codes", call), ["codes": codes])
    }

    // MARK: An authenticator app

    private static let confirmForm = PageForm(
        heading: "Set up an authenticator app", intro: ["Enter the code that the app shows now."], action: "\(home)/app/confirm",
        fields: [code], button: "Confirm", after: [("Lost the picture?", "Begin again", home)])

    private var appPages: [Route] {
        [
            route(.post, "\(Self.home)/app", "begin_app", "Set up an authenticator app.", proof: Self.changing) { call in
                let enrolment = try await factors.beginTOTP(try call.caller(), call.act)
                var values: [String: Any] = ["secret": enrolment.secret, "fields": [Self.code.shown(nil, nil)]]
                if let drawing = QRCode(enrolment.address) { values["drawing"] = ["path": drawing.path, "span": drawing.span] }
                return try page("app", frame("Set up an authenticator app", call), values)
            },
            route(.post, "\(Self.home)/app/confirm", "confirm_app", "The app's first code.", proof: Self.changing) { call in
                let sent = try SentForm(call)
                do {
                    return try codes(try await factors.confirmTOTP(sent["code"], try call.caller(), call.act), call)
                } catch let problem as Problem where problem.status == 422 || problem.status == 429 {
                    return try form(Self.confirmForm, call, problem: problem)
                }
            },
            route(.post, "\(Self.home)/app/remove", "remove_app", "Forget the app.", proof: Self.changing) { call in
                try await factors.removeTOTP(try call.caller(), call.act)
                return .redirect(to: Self.home)
            },
        ]
    }

    // MARK: Passkeys

    private static let passkeyName = FormField(
        name: "label", label: "Name", hint: "So that you know it again: “telephone”, “blue key”", maxLength: 80)

    private func passkeyForm(
        _ action: String, _ options: JSONValue, ceremony: String = "get", button: String, next: String = "", fields: [FormField] = []
    ) throws -> [String: Any] {
        [
            "action": action, "options": String(decoding: JSONWriter.data(options), as: UTF8.self), "ceremony": ceremony,
            "button": button, "next": next, "fields": fields.map { $0.shown(nil, nil) }, "script": renderer.scriptPath,
        ]
    }

    private var passkeyPages: [Route] {
        [
            route(
                .get, "\(Self.home)/passkey", "passkey_form", "Add a passkey.", proof: RouteProof(isSensitive: true, isForEnrolment: true)
            ) {
                call in
                let options = try await factors.registrationOptions(try call.caller(), call.act)
                return try page(
                    "passkey", frame("Add a passkey", call),
                    [
                        "heading": "Add a passkey", "intro": ["Your browser asks for your fingerprint, your face, or a security key."],
                        "passkey": try passkeyForm(
                            "\(Self.home)/passkey", options, ceremony: "create", button: "Add a passkey", fields: [Self.passkeyName]),
                        "back": Self.home, "backWords": "Back to your second factors",
                    ])
            },
            route(.post, "\(Self.home)/passkey", "add_passkey", "Add a passkey.", proof: Self.changing) { call in
                let sent = try SentForm(call)
                let label = try TenantName.read(sent["label"], "label", max: 80)
                let made = try await factors.register(
                    try Factors.birth(fromForm: sent["credential"]), label: label, try call.caller(), call.act)
                return try codes(made.recoveryCodes, call)
            },
            route(.post, "\(Self.home)/passkey/remove", "remove_passkey", "Forget a passkey.", proof: Self.changing) { call in
                guard let id = Passkey.ID(try SentForm(call)["passkey"]) else { throw CommonProblems.notFound }
                try await factors.removePasskey(id, try call.caller(), call.act)
                return .redirect(to: Self.home)
            },
        ]
    }

    // MARK: Proving one

    /// Which ways there are: by passkey, by code, by both.
    private func prove(
        _ heading: String, _ intro: String, action: String, next: String, passkey: JSONValue?, _ call: Call, problem: Problem? = nil
    ) throws -> Reply {
        var frame = frame(heading, call, problem: problem)
        frame.fields = [Self.either]
        var values: [String: Any] = [
            "heading": heading, "intro": [intro],
            "codes": [
                "heading": "With a code", "action": action, "next": next, "button": "Continue",
                "fields": [Self.either.shown(nil, problem)],
            ] as [String: Any],
        ]
        if let passkey { values["passkey"] = try passkeyForm(action, passkey, button: "Use a passkey", next: next) }
        return try page("prove", frame, values)
    }
    private func answer(_ sent: SentForm) throws(Problem) -> FactorAnswer {
        if let credential = sent.optional("credential") { return .passkey(try Factors.passkey(fromForm: credential)) }
        let code = sent["code"]
        // Recovery codes are longer than anything that an app shows.
        return code.count { $0.isLetter || $0.isNumber } > 8 ? .recovery(code) : .code(code)
    }

    private var confirmPages: [Route] {
        @Sendable func show(_ next: String, _ call: Call, problem: Problem? = nil) async throws -> Reply {
            let caller = try call.caller()
            let own = try await factors.overview(caller)
            guard own.hasFactor else { return .redirect(to: Self.home) }
            let passkey = own.passkeys.isEmpty || !factors.hasPasskeys ? nil : try await factors.options(forStepUp: caller, call.act)
            return try prove(
                "Is it you?", "What you are about to change needs your second factor again.", action: "/account/confirm", next: next,
                passkey: passkey, call, problem: problem)
        }
        return [
            route(.get, "/account/confirm", "confirm_factor_form", "Prove a second factor again.") { call in
                try await show(Self.inside(call.query["next"]), call)
            },
            route(.post, "/account/confirm", "confirm_factor", "Prove a second factor again.", limit: .login) { call in
                let sent = try SentForm(call)
                let next = Self.inside(sent["next"])
                do {
                    _ = try await factors.stepUp(try answer(sent), try call.caller(), call.act)
                    return .redirect(to: next)
                } catch let problem as Problem where problem.code != CommonProblems.unauthenticated.code && problem.status < 500 {
                    return try await show(next, call, problem: problem)
                }
            },
        ]
    }

    private var secondStepPages: [Route] {
        @Sendable func show(_ next: String, _ call: Call, problem: Problem? = nil) async throws -> Reply {
            guard let token = call.cookie(Factors.stepCookie(isSecure: call.isSecure)),
                let ways = try await factors.ways(of: token, call.act)
            else { return .redirect(to: "/sign-in") }
            let passkey = ways.passkeys && factors.hasPasskeys ? try await factors.options(forStep: token, call.act) : nil
            return try prove(
                "One more step", "Your second factor, please.", action: "/sign-in/second", next: next, passkey: passkey, call,
                problem: problem)
        }
        return [
            route(.get, "/sign-in/second", "second_step_form", "The second factor of a sign-in.", proof: .enrolment) { call in
                try await show(Self.inside(call.query["next"]), call)
            },
            route(.post, "/sign-in/second", "second_step", "The second factor of a sign-in.", limit: .login, proof: .enrolment) { call in
                let sent = try SentForm(call)
                let (name, next) = (Factors.stepCookie(isSecure: call.isSecure), Self.inside(sent["next"]))
                do {
                    let token = call.cookie(name) ?? ""
                    let signIn = try await factors.finish(
                        token, try answer(sent), as: .page, from: Device(call.header("user-agent")), call.act)
                    guard case .page(let grant) = signIn else { throw CommonProblems.internal }
                    return signedIn(grant, next: next, call).setting(.removal(of: name, isSecure: call.isSecure))
                } catch let problem as Problem where problem.status < 500 {
                    if problem.code == FactorProblems.stepInvalid.code { return .redirect(to: "/sign-in") }
                    return try await show(next, call, problem: problem)
                }
            },
        ]
    }

    /// The cookie of a session that has begun, on the way on.
    func signedIn(_ grant: PageGrant, next: String, _ call: Call) -> Reply {
        let name = Cookies.session(isSecure: call.isSecure)
        return .redirect(to: next).setting(
            SetCookie(name, grant.cookie, maxAge: grant.expiresAt - call.act.now, isSecure: call.isSecure))
    }

    // MARK: Signing in with a passkey alone

    private static func browserCookie(isSecure: Bool) -> String { isSecure ? "__Host-coditect_passkey" : "coditect_passkey" }

    private var passkeySignInPages: [Route] {
        @Sendable func show(_ next: String, _ call: Call, problem: Problem? = nil) throws -> Reply {
            let name = Self.browserCookie(isSecure: call.isSecure)
            let (secret, options) = try factors.signInOptions(browser: call.cookie(name), call.act)
            return try page(
                "passkey", frame("Sign in with a passkey", call, problem: problem),
                [
                    "heading": "Sign in with a passkey", "intro": [String](),
                    "passkey": try passkeyForm("/sign-in/passkey", options, button: "Use a passkey", next: next), "back": "/sign-in",
                    "backWords": "Sign in with a password",
                ]
            ).setting(SetCookie(name, secret, maxAge: factors.stepLife, isSecure: call.isSecure))
        }
        return [
            route(.get, "/sign-in/passkey", "passkey_sign_in_form", "Sign in with a passkey.") { call in
                try show(Self.inside(call.query["next"]), call)
            },
            route(.post, "/sign-in/passkey", "passkey_sign_in", "Sign in with a passkey.", limit: .login) { call in
                let sent = try SentForm(call)
                let next = Self.inside(sent["next"])
                do {
                    let secret = call.cookie(Self.browserCookie(isSecure: call.isSecure)) ?? ""
                    let signIn = try await factors.signIn(
                        try Factors.passkey(fromForm: sent["credential"]), browser: secret, as: .page,
                        from: Device(call.header("user-agent")), call.act)
                    guard case .page(let grant) = signIn else { throw CommonProblems.internal }
                    return signedIn(grant, next: next, call)
                } catch let problem as Problem where problem.status < 500 { return try show(next, call, problem: problem) }
            },
            scriptRoute(renderer.scriptPath, renderer.script, "passkey_script", "The script of passkeys; its name changes with its bytes."),
        ]
    }

    func scriptRoute(_ path: String, _ text: Data, _ name: String, _ summary: String) -> Route {
        Route(
            .get, path, name: "pages.\(name)", summary: summary, access: .page, limit: .unlimited, proof: .enrolment,
            answers: [RouteAnswer(200, "The script.", contentType: "text/javascript; charset=utf-8")],
            handler: { _ in
                Reply(
                    status: 200,
                    headers: [
                        ("content-type", "text/javascript; charset=utf-8"), ("cache-control", "public, max-age=31536000, immutable"),
                    ], body: text)
            })
    }
}
