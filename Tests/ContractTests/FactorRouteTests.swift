import Composition
import Foundation
import HTTPEdge
import PlatformTesting
import Testing
import Vocabulary

@testable import Identity

/// Second factors as clients meet them: what asks for one again, what somebody without one can still do, who may not touch them.
@Suite("second factors on the wire")
struct FactorRouteTests {
    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }

    /// Somebody's telephone.
    struct App {
        let secret: OneTimeCode
        func shows(_ now: Timestamp) -> JSONValue { .string(secret.code(OneTimeCode.step(now))) }
    }
    private static func app(_ customer: Customer) async throws -> App {
        let begun = await customer.call("POST", "/api/v1/auth/mfa/totp", [:])
        let text = try #require(begun["secret"]?.string, "\(begun.text)")
        let app = App(secret: OneTimeCode(secret: bytes(text)))
        let done = await customer.call("POST", "/api/v1/auth/mfa/totp/confirm", ["code": app.shows(customer.platform.clock.now())])
        #expect(done.status == 200, "\(done.text)")
        customer.platform.clock.advance(by: .seconds(60))
        return app
    }

    @Test("whatever moves money or says who gets in asks for a recent factor, says so with one code, and goes on after it")
    func stepUp() async throws {
        let firm = try await PeopleTests.Firm()
        let (platform, owner) = (firm.platform, firm.owner)
        let app = try await Self.app(owner)
        platform.clock.advance(by: .minutes(20))
        var asked: Set<String> = []
        for route in platform.platform.routes where route.path.hasPrefix("/api/v1/") && route.needsRecentFactor {
            let path = route.path.replacing(#/\{[a-z_]+\}/#, with: "01a00000-0000-7000-8000-000000000000")
            let answer = await owner.call(route.method.rawValue, path, route.request == nil ? nil : [:])
            // What the role may not do is refused alike, factor or not.
            guard answer["error"] != "forbidden" else { continue }
            #expect(Self.code(answer) == "403 step_up_required", "\(route.name): \(answer.text)")
            asked.insert(route.name)
        }
        let musts: Set<String> = [
            "billing.portal", "api_keys.create", "webhooks.create", "sso.create_connection", "auth.change_password", "mfa.remove_totp",
            "mfa.renew_recovery_codes", "passkeys.options", "orgs.require_factor", "memberships.change", "users.deactivate_me",
            "auth.unlink",
        ]
        #expect(asked.isSuperset(of: musts), "\(musts.subtracting(asked))")
        for name in ["impersonations.start", "admin.appoint", "admin.reset_factors"] {
            #expect(platform.platform.routes.first { $0.name == name }?.needsRecentFactor == true, "\(name)")
        }
        // Looking asks for nothing, and one proof is enough for all.
        #expect(await owner.call("GET", "/api/v1/api-keys").status == 200)
        let proved = await owner.call("POST", "/api/v1/auth/mfa/step-up", ["code": app.shows(platform.clock.now())])
        #expect(proved.status == 200, "\(proved.text)")
        let made = await owner.call("POST", "/api/v1/api-keys", ["name": "ci", "permissions": ["team:read", "webhooks:write"]])
        #expect(made.status == 201)
        // A key proved it when it was made.
        platform.clock.advance(by: .minutes(20))
        let key = Customer(platform: platform, token: made["secret"]?.string ?? "")
        #expect(await key.call("POST", "/api/v1/webhooks", ["url": "https://example.com/h", "events": ["*"]]).status == 201)
        #expect(Self.code(await key.call("POST", "/api/v1/auth/mfa/totp", [:])) == "403 key_out_of_scope")
        await platform.close()
    }

    @Test("where a tenant requires it, a member without one can look at itself, set one up and leave, and then everything")
    func enrolment() async throws {
        let firm = try await PeopleTests.Firm()
        let (platform, owner) = (firm.platform, firm.owner)
        let developer = try await firm.member("dev@example.com", "developer")
        #expect(Self.code(await developer.call("PUT", "/api/v1/orgs/current/second-factor", ["grace_days": 1])) == "403 forbidden")
        #expect(await owner.call("PUT", "/api/v1/orgs/current/second-factor", ["grace_days": 1]).status == 200)
        #expect(await owner.call("GET", "/api/v1/orgs/current/second-factor")["required"] == true)
        #expect(await developer.call("GET", "/api/v1/memberships").status == 200)
        // In the grace it is said, and asked of nobody.
        #expect(await developer.call("GET", "/api/v1/auth/mfa")["required_from"]?.string != nil)
        platform.clock.advance(by: .days(1))
        let late = try await firm.signIn("dev@example.com")
        var open: Set<String> = []
        for route in platform.platform.routes where route.path.hasPrefix("/api/v1/") {
            switch route.access {
            case .session, .permission, .lease: break
            default: continue
            }
            guard !route.path.hasSuffix("/logout") else { continue }
            let path = route.path.replacing(#/\{[a-z_]+\}/#, with: "01a00000-0000-7000-8000-000000000000")
            let answer = await late.call(route.method.rawValue, path, route.request == nil ? nil : [:])
            if Self.code(answer) != "403 second_factor_required" { open.insert(route.name) }
        }
        #expect(
            open == [
                "mfa.overview", "mfa.begin_totp", "mfa.confirm_totp", "passkeys.options", "passkeys.register", "users.me",
                "auth.list_sessions", "auth.revoke_session", "auth.switch",
            ], "\(open)")
        _ = try await Self.app(late)
        #expect(await late.call("GET", "/api/v1/memberships").status == 200)
        #expect(await developer.call("GET", "/api/v1/users/me").status == 401)
        await platform.close()
    }

    @Test("staff in a member's place touches no factor; an administrator takes one only with an own one right before")
    func others() async throws {
        let stage = try await ImpersonationTests.Stage()
        let platform = stage.firm.platform
        let (_, staff) = try await stage.start()
        for route in platform.platform.routes
        where route.method != .get && (route.name.hasPrefix("mfa.") || route.name.hasPrefix("passkeys.")) && route.access == .session {
            let path = route.path.replacing(#/\{[a-z_]+\}/#, with: "01a00000-0000-7000-8000-000000000000")
            #expect(
                Self.code(await staff.call(route.method.rawValue, path, route.request == nil ? nil : [:])) == "403 impersonation_limited",
                "\(route.name)")
        }
        let rule = await staff.call("PUT", "/api/v1/orgs/current/second-factor", ["grace_days": 1])
        #expect(Self.code(rule) == "403 impersonation_limited")
        _ = try await Self.app(stage.firm.owner)
        let path = "/api/v1/admin/users/\(stage.user)/second-factors?reason=lost%20the%20telephone"
        #expect(Self.code(await stage.firm.owner.call("DELETE", path)) == "403 forbidden")
        #expect(Self.code(await stage.root.call("DELETE", path)) == "403 step_up_required")
        let app = try await Self.app(stage.root)
        #expect(Self.code(await stage.root.call("DELETE", "/api/v1/admin/users/\(stage.user)/second-factors")) == "422 validation_failed")
        #expect(await stage.root.call("DELETE", path).status == 204)
        #expect(await stage.firm.owner.call("GET", "/api/v1/users/me").status == 401)
        // An impersonation is begun by somebody who has proved it, too.
        platform.clock.advance(by: .minutes(20))
        await #expect(throws: Unexpected.self) { _ = try await stage.start() }
        #expect(
            await stage.root.call("POST", "/api/v1/auth/mfa/step-up", ["code": app.shows(platform.clock.now())]).status == 200)
        _ = try await stage.start()
        await platform.close()
    }

    @Test("a browser is led through the proof and back; a session that can only set one up sees nothing but that")
    func pages() async throws {
        let firm = try await PeopleTests.Firm()
        let platform = firm.platform
        let cookie = try await Self.signIn(platform)
        func page(_ method: String, _ path: String, _ cookie: String, _ form: String? = nil) async -> TestPlatform.Answer {
            var headers = ["cookie": cookie]
            if form != nil { headers["content-type"] = "application/x-www-form-urlencoded" }
            return await platform.call(method, path, headers: headers, raw: form.map { Data($0.utf8) })
        }
        func location(_ answer: TestPlatform.Answer) -> String? { answer.headers.first { $0.0 == "location" }?.1 }
        func token(_ answer: TestPlatform.Answer) -> String {
            answer.text.firstMatch(of: #/name="csrf_token" value="([^"]+)"/#).map { String($0.1) } ?? ""
        }
        let home = await page("GET", "/account/security", cookie)
        #expect(home.status == 200 && home.text.contains("Set up an app"))
        let begun = await page("POST", "/account/security/app", cookie, "csrf_token=\(token(home))")
        let secret = try #require(begun.text.firstMatch(of: #/<code class="key">([A-Z2-7]+)</#)?.1)
        #expect(begun.text.contains("<svg class=\"code\" role=\"img\""))
        let app = App(secret: OneTimeCode(secret: Self.bytes(String(secret))))
        let code = app.shows(platform.clock.now()).string ?? ""
        let codes = await page("POST", "/account/security/app/confirm", cookie, "csrf_token=\(token(begun))&code=\(code)")
        #expect(codes.text.matches(of: #/<li><code>/#).count == 10)
        platform.clock.advance(by: .minutes(20))
        let again = await page("POST", "/account/security/codes", cookie, "csrf_token=\(token(home))")
        #expect(again.status == 303 && location(again) == "/account/confirm?next=/account/security")
        let asked = await page("GET", "/account/confirm?next=/account/security", cookie)
        let right = app.shows(platform.clock.now()).string ?? ""
        let form = "csrf_token=\(token(asked))&next=%2F%2Fevil.example&code=\(right)"
        let confirmed = await page("POST", "/account/confirm", cookie, form)
        #expect(confirmed.status == 303 && location(confirmed) == "/start")
        #expect(await page("POST", "/account/security/codes", cookie, "csrf_token=\(token(home))").text.contains("<li><code>"))
        // Removed under a rule, the way is to the same page from everywhere.
        #expect(await page("POST", "/account/security/app/remove", cookie, "csrf_token=\(token(home))").status == 303)
        #expect(await firm.owner.call("PUT", "/api/v1/orgs/current/second-factor", ["grace_days": 0]).status == 401)
        let ruled = await page("POST", "/account/security/rule", cookie, "csrf_token=\(token(home))")
        #expect(ruled.status == 303)
        platform.clock.advance(by: .days(14))
        let late = try await Self.signIn(platform)
        for path in ["/licence", "/plans", "/account/sign-in", "/start"] {
            #expect(location(await page("GET", path, late)) == "/account/security", "\(path)")
        }
        #expect(await page("GET", "/account/security", late).text.contains("You need a second factor here"))
        await platform.close()
    }
    private static func bytes(_ text: String) -> [UInt8] {
        let signs = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let bits = text.flatMap { sign in (0..<5).map { (signs.firstIndex(of: sign) ?? 0) >> (4 - $0) & 1 } }
        return stride(from: 0, to: bits.count / 8 * 8, by: 8).map { UInt8(bits[$0..<$0 + 8].reduce(0) { $0 * 2 + $1 }) }
    }
    /// Ada's browser; the cookie of its session.
    static func signIn(_ platform: TestPlatform) async throws -> String {
        let form = await platform.call("GET", "/sign-in")
        let binding = try #require(form.headers.first { $0.0 == "set-cookie" }?.1.split(separator: ";").first)
        let token = try #require(form.text.firstMatch(of: #/name="csrf_token" value="([^"]+)"/#)?.1)
        let body = "csrf_token=\(token)&email=ada%40example.com&password=\(Customer.password)"
        let headers = ["cookie": String(binding), "content-type": "application/x-www-form-urlencoded"]
        let answer = await platform.call("POST", "/sign-in", headers: headers, raw: Data(body.utf8))
        return String(try #require(answer.headers.first { $0.0 == "set-cookie" }?.1.split(separator: ";").first, "\(answer.text)"))
    }
}
