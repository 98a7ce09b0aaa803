import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

/// Sign-in by a tenant's directory, and its test.
extension Federation {
    private static let credentials = Schema.object([
        SchemaField("user", .string(min: 1, max: DirectoryLimits.nameBytes), "As the directory knows the person"),
        SchemaField("password", .string(min: 1, max: DirectoryLimits.passwordBytes)),
    ])

    var directoryRoutes: [Route] {
        [
            Route(
                .post, "/api/v1/auth/sso/{connection}/password", name: "auth.sso_password",
                summary: "Signs in by a tenant's directory; the session is the cookie's.", access: .open, limit: .login,
                request: Self.credentials,
                answers: [
                    RouteAnswer(
                        200,
                        "Signed in; or a mail asks the owner of an account with this address first; or the second factor is due at mfa/verify.",
                        .object([
                            SchemaField("is_mailed", .boolean), SchemaField("mfa_required", .boolean),
                            SchemaField("mfa_token", .string(max: 512), optional: true),
                        ]))
                ],
                problems: [
                    CommonProblems.notFound, CommonProblems.addressNotAllowed, FederationProblems.directoryRefused,
                    FederationProblems.directoryAccount.with(["state": "password_expired"]), FederationProblems.unavailable,
                    FederationProblems.refused, FederationProblems.addressUnverified, FederationProblems.notAdmitted,
                    IdentityProblems.accountLocked, IdentityProblems.signInSlowed, IdentityProblems.accountDeactivated,
                    IdentityProblems.processingRestricted,
                    CommonProblems.policyDenied,
                ]
            ) { call in
                switch try await signIn(
                    directory: call.id("connection"), user: call.json?["user"]?.string ?? "",
                    password: call.json?["password"]?.string ?? "", from: Device(call.header("user-agent")), call.act)
                {
                case .page(let grant):
                    return .json(value: ["is_mailed": false, "mfa_required": false]).setting(Self.sessionCookie(grant, call))
                case .secondFactorNeeded(let token):
                    return .json(value: ["is_mailed": false, "mfa_required": true, "mfa_token": .string(token)])
                case .token: throw CommonProblems.internal
                case nil: return .json(value: ["is_mailed": true, "mfa_required": false])
                }
            },
            Route(
                .post, "/api/v1/sso/connections/{id}/test", name: "sso.test_directory",
                summary: "Tries a directory as somebody, and says what it found; who gets in has tested the connection.",
                access: .permission(FederationPermissions.write), limit: .login, request: Self.credentials,
                answers: [
                    RouteAnswer(
                        200, "Who it is",
                        .object([
                            SchemaField("issuer", .string(max: 600)), SchemaField("subject", .string(max: 600)),
                            SchemaField("name", .nullable(.string(max: 600))),
                            SchemaField("address", .nullable(.string(max: 254)), "Of a proved domain; null: nobody new comes in so"),
                            SchemaField("groups", .array(.string(max: 600), max: IdentityLimits.maxGroups)),
                            SchemaField("role", .string(max: 40), "By role_map, at joining"),
                        ]))
                ],
                problems: [
                    CommonProblems.notFound, FederationProblems.unavailable, IdentityProblems.accountLocked, IdentityProblems.signInSlowed,
                    FederationProblems.directoryTestFailed.with(["state": "disabled", "reason": "…"]),
                ]
            ) { call in
                let found = try await test(
                    directory: call.id("id"), user: call.json?["user"]?.string ?? "", password: call.json?["password"]?.string ?? "",
                    by: call.caller(), call.act)
                return .json(value: [
                    "issuer": .string(found.issuer), "subject": .string(found.subject), "name": found.name.map { .string($0) } ?? .null,
                    "address": found.address.map { .string($0) } ?? .null, "groups": .array(found.groups.map { .string($0) }),
                    "role": .string(found.role.rawValue),
                ])
            },
        ]
    }

    package static func sessionCookie(_ grant: PageGrant, _ call: Call) -> SetCookie {
        SetCookie(
            Cookies.session(isSecure: call.isSecure), grant.cookie, maxAge: grant.expiresAt - call.act.now, isSecure: call.isSecure)
    }
}
