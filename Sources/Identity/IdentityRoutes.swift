import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

extension Identity {
    package func routes() -> [Route] { entryRoutes + passwordRoutes + sessionRoutes + profileRoutes }

    private static func older(_ name: String) -> [String] { ["/api/auth/\(name)"] }

    // MARK: Coming in

    private var entryRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/signup", name: "auth.signup",
                summary:
                    "Founds user, tenant and owner membership, and mails a link. Answers the same for an address that is already known.",
                access: .open, limit: .signup, request: IdentitySchema.signUp,
                answers: [RouteAnswer(201, "A mail is on its way.", IdentitySchema.personReply)],
                problems: [CommonProblems.policyDenied, IdentityProblems.passwordWeak, RegionProblems.directoryUnavailable], creates: true,
                aliases: ["/api/v1/auth/register", "/api/auth/register"] + Self.older("signup"), clue: .region("region")
            ) { call in
                let body = try call.decode(SignUpBody.self)
                guard body.region ?? tenancy.region == tenancy.region else {
                    throw CommonProblems.invalid("region", "is not offered: \(tenancy.region.rawValue)")
                }
                let signedUp = try await signUp(body.form, call.act)
                return try .json(
                    PersonReply(user: PersonWire(signedUp), message: "Check your mail: the link in it completes the sign-up."), status: 201)
            },
            Route(
                .post, "/api/v1/auth/verify-email", name: "auth.verify_email", summary: "Proves the mail address by the token of the link.",
                access: .proof, request: IdentitySchema.tokenBody,
                answers: [RouteAnswer(200, "Proved.", IdentitySchema.personReply)], problems: [IdentityProblems.linkInvalid],
                aliases: Self.older("verify-email"), clue: .secret("token")
            ) { call in
                let account = try await verifyEmail(call.decode(TokenBody.self).token, call.act)
                return try .json(PersonReply(user: PersonWire(account), message: "The address is proved. You can sign in."))
            },
            Route(
                .post, "/api/v1/auth/verify-email/resend", name: "auth.resend_verification",
                summary: "Mails the link again, if the address is known and not yet proved. Answers the same in any case.", access: .open,
                limit: .signup, request: IdentitySchema.emailBody,
                answers: [RouteAnswer(202, "If the address waits for proof, a mail is on its way.", IdentitySchema.messageReply)],
                aliases: Self.older("verify-email/resend"), clue: .address("email")
            ) { call in
                try await requestLink(.verifyEmail, email: call.decode(EmailBody.self).email, call.act)
                return try .json(MessageReply(message: "If the address waits for proof, a mail is on its way."), status: 202)
            },
            Route(
                .post, "/api/v1/auth/login", name: "auth.login", summary: "Signs in with mail address and password.", access: .open,
                limit: .login,
                request: IdentitySchema.credentials,
                answers: [RouteAnswer(200, "Tokens, or the second step.", IdentitySchema.signInReply)],
                problems: [
                    IdentityProblems.credentialsInvalid, IdentityProblems.accountLocked, IdentityProblems.signInSlowed,
                    IdentityProblems.emailUnverified, IdentityProblems.accountDeactivated, IdentityProblems.processingRestricted,
                    IdentityProblems.noMembership,
                    CommonProblems.addressNotAllowed,
                ], aliases: Self.older("login"), clue: .signIn("email")
            ) { call in
                let body = try call.decode(CredentialsBody.self)
                switch try await signIn(
                    email: body.email, password: body.password, as: .token, from: Device(call.headers["user-agent"]), call.act)
                {
                case .token(let grant): return try .json(TokenReply(grant))
                case .secondFactorNeeded(let token): return try .json(SecondFactorReply(mfaToken: token))
                case .page: throw CommonProblems.internal
                }
            },
            Route(
                .post, "/api/v1/auth/refresh", name: "auth.refresh",
                summary:
                    "Spends a refresh token and answers its successor. Within 30 s the same token gives the same successor; later it ends the session.",
                access: .proof, request: IdentitySchema.refreshBody, answers: [RouteAnswer(200, "New tokens.", IdentitySchema.tokenReply)],
                problems: [IdentityProblems.refreshInvalid, CommonProblems.addressNotAllowed], aliases: Self.older("refresh"),
                clue: .secret("refresh_token")
            ) { call in
                try .json(TokenReply(try await refresh(call.decode(RefreshBody.self).refreshToken, call.act)))
            },
            Route(
                .post, "/api/v1/auth/first-administrator", name: "auth.first_administrator",
                summary: "Makes the first platform administrator by the link printed at the first start.", access: .proof, limit: .signup,
                request: IdentitySchema.administratorBody, answers: [RouteAnswer(201, "Appointed.", IdentitySchema.personReply)],
                problems: [
                    IdentityProblems.linkInvalid, IdentityProblems.addressTaken, IdentityProblems.passwordWeak,
                    RegionProblems.directoryUnavailable,
                ], clue: .secret("token")
            ) { call in
                let body = try call.decode(AdministratorBody.self)
                let account = try await redeemFirstAdministrator(
                    body.token, email: body.email, password: body.password, firstName: body.firstName, lastName: body.lastName, call.act)
                return try .json(
                    PersonReply(user: PersonWire(account), message: "You are the platform's administrator. Sign in."), status: 201)
            },
        ]
    }

    // MARK: Passwords

    private var passwordRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/password/forgot", name: "auth.forgot_password",
                summary: "Mails a link that sets a new password, if the address is known. Answers the same in any case.", access: .open,
                limit: .signup, request: IdentitySchema.emailBody,
                answers: [RouteAnswer(202, "If the address is known, a mail is on its way.", IdentitySchema.messageReply)],
                aliases: Self.older("password/forgot"), clue: .address("email")
            ) { call in
                try await requestLink(.resetPassword, email: call.decode(EmailBody.self).email, call.act)
                return try .json(MessageReply(message: "If the address is known, a mail is on its way."), status: 202)
            },
            Route(
                .post, "/api/v1/auth/password/reset", name: "auth.reset_password",
                summary: "Sets a new password by the token of the link and ends every session.", access: .proof,
                request: IdentitySchema.resetBody, answers: [RouteAnswer(200, "Set.", IdentitySchema.messageReply)],
                problems: [IdentityProblems.linkInvalid, IdentityProblems.passwordWeak], aliases: Self.older("password/reset"),
                clue: .secret("token")
            ) { call in
                let body = try call.decode(ResetBody.self)
                try await resetPassword(body.token, to: body.password, call.act)
                return try .json(MessageReply(message: "The password is set. Sign in with it."))
            },
            Route(
                .post, "/api/v1/auth/password/change", name: "auth.change_password",
                summary: "Replaces the caller's password and ends the other sessions.", access: .session,
                proof: .sensitive,
                request: IdentitySchema.changeBody, answers: [RouteAnswer(200, "Changed.", IdentitySchema.messageReply)],
                problems: [
                    IdentityProblems.credentialsInvalid, IdentityProblems.accountLocked, IdentityProblems.signInSlowed,
                    IdentityProblems.passwordWeak, IdentityProblems.passwordChanged,
                ], aliases: Self.older("password/change")
            ) { call in
                let body = try call.decode(ChangePasswordBody.self)
                try await changePassword(call.caller(), current: body.currentPassword, to: body.newPassword, call.act)
                return try .json(MessageReply(message: "The password is changed; your other sessions have ended."))
            },
        ]
    }

    // MARK: Sessions

    private var sessionRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/logout", name: "auth.logout", summary: "Ends the caller's session, or with everywhere all of them.",
                access: .session, proof: RouteProof(isForEnrolment: true, isFromAnywhere: true), request: IdentitySchema.signOutBody,
                answers: [RouteAnswer(204, "Ended.")],
                aliases: Self.older("logout")
            ) { call in
                let everywhere = call.body.isEmpty ? false : try call.decode(SignOutBody.self).everywhere ?? false
                if everywhere {
                    try await signOutEverywhere(call.caller(), call.act)
                } else {
                    try await signOut(call.caller(), call.act)
                }
                return Reply(status: 204)
            },
            Route(
                .get, "/api/v1/auth/sessions", name: "auth.list_sessions",
                summary: "The caller's sessions that still work, last used first.",
                access: .session, proof: .enrolment, answers: [RouteAnswer(200, "At most 200.", IdentitySchema.sessionsReply)]
            ) { call in
                let caller = try call.caller()
                let sessions = try await sessions(of: caller.user, now: call.act.now)
                return try .json(SessionsReply(sessions: sessions.map { SessionWire($0, current: caller.session) }))
            },
            Route(
                .delete, "/api/v1/auth/sessions/{id}", name: "auth.revoke_session", summary: "Ends one of the caller's sessions.",
                access: .session, proof: .enrolment, answers: [RouteAnswer(204, "Ended.")], problems: [CommonProblems.notFound]
            ) { call in
                try await revoke(call.id("id"), of: call.caller(), call.act)
                return Reply(status: 204)
            },
            Route(
                .post, "/api/v1/auth/switch", name: "auth.switch",
                summary: "Speaks for another of the caller's tenants: a new access token, the same refresh token.", access: .session,
                proof: .enrolment,
                request: IdentitySchema.switchBody, answers: [RouteAnswer(200, "The new access token.", IdentitySchema.accessReply)],
                problems: [CommonProblems.notFound], aliases: Self.older("switch")
            ) { call in
                try .json(TokenReply(try await switchTenant(call.decode(SwitchBody.self).tenantID, call.caller(), call.act)))
            },
        ]
    }

    // MARK: The own account

    private var profileRoutes: [Route] {
        [
            Route(
                .get, "/api/v1/users/me", name: "users.me", summary: "The caller's account, tenants and permissions.", access: .session,
                proof: .enrolment,
                answers: [RouteAnswer(200, "The account.", IdentitySchema.profile)]
            ) { call in
                let caller = try call.caller()
                return try .json(ProfileWire(try await profile(caller, call.act), caller))
            },
            Route(
                .patch, "/api/v1/users/me", name: "users.update_me", summary: "Changes the caller's names; what is left out stays.",
                access: .session, request: IdentitySchema.profileBody,
                answers: [RouteAnswer(200, "The account.", IdentitySchema.profile)]
            ) { call in
                let caller = try call.caller()
                let body = try call.decode(ProfileBody.self)
                try await rename(caller, firstName: body.firstName, lastName: body.lastName, call.act)
                return try .json(ProfileWire(try await profile(caller, call.act), caller))
            },
            Route(
                .post, "/api/v1/users/me/deactivate", name: "users.deactivate_me",
                summary: "Closes the caller's account: every session ends and nobody signs in.", access: .session,
                proof: .sensitive,
                request: IdentitySchema.passwordBody, answers: [RouteAnswer(204, "Closed.")],
                problems: [
                    IdentityProblems.credentialsInvalid, IdentityProblems.accountLocked, IdentityProblems.signInSlowed,
                    TenancyProblems.lastOwner,
                ]
            ) { call in
                try await deactivate(call.caller(), password: call.decode(PasswordBody.self).password, call.act)
                return Reply(status: 204)
            },
        ]
    }
}
