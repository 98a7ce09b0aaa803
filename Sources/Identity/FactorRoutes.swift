import Foundation
import HTTPEdge
import Signing
import Tenancy
import Vocabulary

extension Factors {
    package func routes() -> [Route] { ownRoutes + totpRoutes + proofRoutes + passkeyRoutes + passkeySignInRoutes + ruleRoutes }

    // MARK: Between the two steps, in a browser

    /// Holds the token of a sign-in that waits for its second factor.
    package static func stepCookie(isSecure: Bool) -> String { isSecure ? "__Host-coditect_step" : "coditect_step" }
    package static func onToSecondStep(_ token: String, next: String, isSecure: Bool, life: Duration) -> Reply {
        let isPlain = next.hasPrefix("/") && next.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"&#+%\"<>".utf8.contains($0) }
        return .redirect(to: "/sign-in/second" + (isPlain ? "?next=\(next)" : ""))
            .setting(SetCookie(stepCookie(isSecure: isSecure), token, maxAge: life, isSecure: isSecure))
    }
    package var stepLife: Duration { settings.seconds(FactorSettings.stepSeconds) }

    // MARK: What somebody has

    private var ownRoutes: [Route] {
        [
            Route(
                .get, "/api/v1/auth/mfa", name: "mfa.overview",
                summary: "The caller's second factors, and whether the tenant requires one.",
                access: .session, proof: .enrolment, answers: [RouteAnswer(200, "Never a secret.", FactorSchema.overview)]
            ) { call in
                .json(value: FactorSchema.json(try await overview(try call.caller())))
            },
            Route(
                .post, "/api/v1/auth/mfa/recovery-codes", name: "mfa.renew_recovery_codes",
                summary: "New recovery codes, shown this once; the ones before are none any more.", access: .session, proof: .sensitive,
                request: .object([]), answers: [RouteAnswer(200, "Keep them.", FactorSchema.codes)],
                problems: [FactorProblems.none, FederationProblems.sessionBound]
            ) { call in
                .json(value: ["recovery_codes": FactorSchema.list(try await renewRecoveryCodes(try call.caller(), call.act))])
            },
            Route(
                .delete, "/api/v1/admin/users/{id}/second-factors", name: "admin.reset_factors",
                summary:
                    "Takes every second factor of somebody who lost them all, and ends the person's sessions; the person gets a mail. The administrator proves an own factor right before.",
                access: .permission(FactorPermissions.reset), proof: .strict,
                query: [QueryField("reason", .string(min: 10, max: 500), "Into the audit log, in at least ten characters")],
                answers: [RouteAnswer(204, "Taken.")], problems: [CommonProblems.notFound, FactorProblems.none]
            ) { call in
                guard let reason = call.query["reason"] else { throw CommonProblems.invalid("reason", "is missing") }
                try await reset(
                    try call.id("id"), reason: try TenantName.read(reason, "reason", max: 500), by: try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    private var totpRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/mfa/totp", name: "mfa.begin_totp",
                summary: "Draws the secret of an authenticator app. It proves nothing until its first code has come.", access: .session,
                proof: RouteProof(isSensitive: true, isForEnrolment: true), request: .object([]),
                answers: [RouteAnswer(200, "For the app, shown this once.", FactorSchema.enrolment)],
                problems: [FactorProblems.already, FactorProblems.signInAgain, FederationProblems.sessionBound]
            ) { call in
                let enrolment = try await beginTOTP(try call.caller(), call.act)
                return .json(value: [
                    "secret": .string(enrolment.secret), "otpauth_uri": .string(enrolment.address),
                    "expires_at": .string(enrolment.expiresAt.iso8601),
                ])
            },
            Route(
                .post, "/api/v1/auth/mfa/totp/confirm", name: "mfa.confirm_totp",
                summary: "The app's first code: from now on every sign-in asks for one. With the first factor come recovery codes.",
                access: .session, proof: RouteProof(isSensitive: true, isForEnrolment: true),
                request: .object([SchemaField("code", FactorSchema.code)]),
                answers: [RouteAnswer(200, "Empty where there are some already.", FactorSchema.codes)],
                problems: [
                    FactorProblems.already, FactorProblems.notEnrolling, FactorProblems.codeWrong, IdentityProblems.accountLocked,
                    IdentityProblems.signInSlowed,
                ]
            ) { call in
                let codes = try await confirmTOTP(call.json?["code"]?.string ?? "", try call.caller(), call.act)
                return .json(value: ["recovery_codes": FactorSchema.list(codes)])
            },
            Route(
                .delete, "/api/v1/auth/mfa/totp", name: "mfa.remove_totp", summary: "Forgets the authenticator app.", access: .session,
                proof: .sensitive, answers: [RouteAnswer(204, "Forgotten.")],
                problems: [CommonProblems.notFound, FederationProblems.sessionBound]
            ) { call in
                try await removeTOTP(try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    // MARK: Proving one

    private static let refusals = [
        FactorProblems.invalid, FactorProblems.passkeyInvalid, IdentityProblems.accountLocked, IdentityProblems.signInSlowed,
        FactorProblems.passkeysUnavailable,
    ]

    private var proofRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/mfa/verify", name: "mfa.verify",
                summary: "The second step of a sign-in: one of code, recovery_code and passkey.", access: .proof, limit: .login,
                request: .object([SchemaField("mfa_token", IdentitySchema.token, "From the first step.")] + FactorSchema.answer),
                answers: [RouteAnswer(200, "Tokens.", IdentitySchema.tokenReply)],
                problems: Self.refusals + [
                    FactorProblems.stepInvalid, IdentityProblems.accountDeactivated, IdentityProblems.processingRestricted,
                    IdentityProblems.noMembership,
                    CommonProblems.addressNotAllowed,
                    FederationProblems.notAdmitted, FederationProblems.ssoRequired.with(["sso_path": "/api/v1/auth/sso/…/start"]),
                ], clue: .secret("mfa_token")
            ) { call in
                let answer = try FactorSchema.answer(call.json)
                let device = Device(call.header("user-agent"))
                let signIn = try await finish(call.json?["mfa_token"]?.string ?? "", answer, as: .token, from: device, call.act)
                guard case .token(let grant) = signIn else { throw CommonProblems.internal }
                return try .json(TokenReply(grant))
            },
            Route(
                .post, "/api/v1/auth/mfa/passkey-options", name: "mfa.passkey_options",
                summary: "What navigator.credentials.get takes for the second step of a sign-in.", access: .proof, limit: .login,
                request: .object([SchemaField("mfa_token", IdentitySchema.token)]),
                answers: [RouteAnswer(200, "PublicKeyCredentialRequestOptionsJSON.", FactorSchema.options)],
                problems: [FactorProblems.stepInvalid, FactorProblems.passkeysUnavailable], clue: .secret("mfa_token")
            ) { call in
                .json(value: ["public_key": try await options(forStep: call.json?["mfa_token"]?.string ?? "", call.act)])
            },
            Route(
                .post, "/api/v1/auth/mfa/step-up", name: "mfa.step_up",
                summary: "Proves a second factor again, for changes of money and security: one of code, recovery_code and passkey.",
                access: .session, limit: .login, request: .object(FactorSchema.answer),
                answers: [
                    RouteAnswer(200, "Until when it counts.", .object([SchemaField("recent_until", IdentitySchema.time)]))
                ], problems: Self.refusals
            ) { call in
                let until = try await stepUp(try FactorSchema.answer(call.json), try call.caller(), call.act)
                return .json(value: ["recent_until": .string(until.iso8601)])
            },
            Route(
                .post, "/api/v1/auth/mfa/step-up/passkey-options", name: "mfa.step_up_options",
                summary: "What navigator.credentials.get takes to prove a passkey again.", access: .session, request: .object([]),
                answers: [RouteAnswer(200, "PublicKeyCredentialRequestOptionsJSON.", FactorSchema.options)],
                problems: [FactorProblems.passkeysUnavailable]
            ) { call in
                .json(value: ["public_key": try await options(forStepUp: try call.caller(), call.act)])
            },
        ]
    }

    // MARK: Passkeys

    private var passkeyRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/passkeys/options", name: "passkeys.options",
                summary: "What navigator.credentials.create takes to make a passkey.", access: .session,
                proof: RouteProof(isSensitive: true, isForEnrolment: true), request: .object([]),
                answers: [RouteAnswer(200, "PublicKeyCredentialCreationOptionsJSON.", FactorSchema.options)],
                problems: [FactorProblems.passkeysUnavailable]
            ) { call in
                .json(value: ["public_key": try await registrationOptions(try call.caller(), call.act)])
            },
            Route(
                .post, "/api/v1/auth/passkeys", name: "passkeys.register",
                summary: "Keeps the passkey that the browser made. With the first factor come recovery codes.", access: .session,
                proof: RouteProof(isSensitive: true, isForEnrolment: true),
                request: .object([
                    SchemaField("label", .string(min: 1, max: 80), "What the person calls it."),
                    SchemaField("credential", FactorSchema.birth, "RegistrationResponseJSON."),
                ]),
                answers: [
                    RouteAnswer(
                        201, "Kept.",
                        .object([SchemaField("id", IdentitySchema.id), SchemaField("recovery_codes", FactorSchema.codeList)]))
                ],
                problems: [
                    FactorProblems.passkeyRefused, FactorProblems.passkeyTaken, FactorProblems.tooManyPasskeys,
                    FactorProblems.passkeysUnavailable, FactorProblems.signInAgain, FederationProblems.sessionBound,
                ]
            ) { call in
                let label = try TenantName.read(call.json?["label"]?.string ?? "", "label", max: 80)
                let birth = try FactorSchema.birth(call.json?["credential"])
                let (id, codes) = try await register(birth, label: label, try call.caller(), call.act)
                return .json(value: ["id": .string(id.description), "recovery_codes": FactorSchema.list(codes)], status: 201)
            },
            Route(
                .delete, "/api/v1/auth/passkeys/{id}", name: "passkeys.remove", summary: "Forgets a passkey.", access: .session,
                proof: .sensitive, answers: [RouteAnswer(204, "Forgotten.")],
                problems: [CommonProblems.notFound, FederationProblems.sessionBound]
            ) { call in
                try await removePasskey(try call.id("id"), try call.caller(), call.act)
                return Reply(status: 204)
            },
        ]
    }

    private var passkeySignInRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/passkeys/sign-in/options", name: "passkeys.sign_in_options",
                summary: "What navigator.credentials.get takes to sign in with a passkey alone.", access: .open, limit: .login,
                request: .object([]),
                answers: [
                    RouteAnswer(
                        200, "Keep state: it must come back with the answer.",
                        .object([SchemaField("state", .string(max: 64)), SchemaField("public_key", .any)]))
                ], problems: [FactorProblems.passkeysUnavailable]
            ) { call in
                let (secret, options) = try signInOptions(browser: nil, call.act)
                return .json(value: ["state": .string(secret), "public_key": options])
            },
            Route(
                .post, "/api/v1/auth/passkeys/sign-in", name: "passkeys.sign_in",
                summary: "Signs in with a passkey alone: the authenticator has verified its person.", access: .proof, limit: .login,
                request: .object([
                    SchemaField("state", .string(min: 1, max: 64)),
                    SchemaField("credential", FactorSchema.passkey, "AuthenticationResponseJSON."),
                ]),
                answers: [RouteAnswer(200, "Tokens.", IdentitySchema.tokenReply)],
                problems: [
                    FactorProblems.passkeyInvalid, FactorProblems.passkeysUnavailable, CommonProblems.policyDenied,
                    IdentityProblems.accountDeactivated, IdentityProblems.processingRestricted, IdentityProblems.noMembership,
                    CommonProblems.addressNotAllowed,
                    FederationProblems.ssoRequired.with(["sso_path": "/api/v1/auth/sso/…/start"]),
                ]
            ) { call in
                let device = Device(call.header("user-agent"))
                let signIn = try await signIn(
                    try FactorSchema.passkey(call.json?["credential"]), browser: call.json?["state"]?.string ?? "", as: .token,
                    from: device, call.act)
                guard case .token(let grant) = signIn else { throw CommonProblems.internal }
                return try .json(TokenReply(grant))
            },
        ]
    }

    // MARK: A tenant's rule

    private var ruleRoutes: [Route] {
        let path = "/api/v1/orgs/current/second-factor"
        let rule = Schema.object([
            SchemaField("required", .boolean),
            SchemaField("enforced_from", .nullable(IdentitySchema.time), "Until then members are asked, and let on."),
        ])
        return [
            Route(
                .get, path, name: "orgs.factor_rule",
                summary: "Whether the tenant requires a second factor of its members, and since when.",
                access: .permission(TenancyPermissions.tenantRead), answers: [RouteAnswer(200, "The rule.", rule)]
            ) { call in
                let from = try await requiredFrom(in: try call.caller().tenant)
                return .json(value: ["required": .bool(from != nil), "enforced_from": from.map { .string($0.iso8601) } ?? .null])
            },
            Route(
                .put, path, name: "orgs.require_factor",
                summary:
                    "Requires a second factor of every member: after the grace, a session without one can set one up and nothing else.",
                access: .permission(TenancyPermissions.tenantWrite),
                request: .object([SchemaField("grace_days", .integer(0...90), "14 where not said", optional: true)]),
                answers: [RouteAnswer(200, "The rule.", rule)]
            ) { call in
                let days = Int(call.json?["grace_days"]?.int ?? 14)
                try await require(graceDays: days, in: try call.caller().tenant, call.act)
                let from = try await requiredFrom(in: try call.caller().tenant)
                return .json(value: ["required": true, "enforced_from": from.map { .string($0.iso8601) } ?? .null])
            },
            Route(
                .delete, path, name: "orgs.release_factor", summary: "Requires no second factor any more.",
                access: .permission(TenancyPermissions.tenantWrite), answers: [RouteAnswer(204, "Released.")]
            ) { call in
                try await require(graceDays: nil, in: try call.caller().tenant, call.act)
                return Reply(status: 204)
            },
        ]
    }
}
