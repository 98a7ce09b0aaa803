import Foundation
import HTTPEdge
import KeyValue
import RoomTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

/// Requests and answers as they cross the wire, through the real edge over the real store.
struct RouteTests {
    struct Window: Sendable {
        let house: IdentityHouse
        let edge: Edge
        let undocumented = Guarded<[String]>([])
        let faults = Guarded<[String]>([])

        init(_ settings: Settings = Settings().setting(HTTPEdgeSettings.limitsEnabled, to: false)) async throws {
            let house = try await IdentityHouse(settings)
            self.house = house
            edge = try Edge(
                routes: house.identity.routes() + house.tenancy.routes(),
                guards: EdgeGuards(
                    authenticator: IdentityAuthenticator(house.identity), authorizer: NobodyMay(), keyValue: InProcessKeyValue()),
                clock: house.bench.clock, entropy: house.bench.entropy, settings: settings, secret: [UInt8](repeating: 7, count: 32),
                observer: Watch(undocumented: undocumented, faults: faults))
        }
        func send(_ method: String, _ path: String, _ body: String? = nil, token: String? = nil, from address: String = "192.0.2.1") async
            -> (
                status: Int, json: JSONValue, text: String, headers: [String: String]
            )
        {
            var headers: [String: String] = ["host": "example.com", "user-agent": "transcript/1"]
            if body != nil { headers["content-type"] = "application/json" }
            if let token { headers["authorization"] = "Bearer \(token)" }
            let reply = await edge.respond(
                to: RawRequest(
                    method: method, target: path, headers: HeaderFields(headers), body: Data((body ?? "").utf8), remoteAddress: address))
            let json = (try? JSONCoding.decode(JSONValue.self, reply.body)) ?? .null
            return (
                reply.status, json, String(decoding: reply.body, as: UTF8.self),
                Dictionary(reply.headers, uniquingKeysWith: { first, _ in first })
            )
        }
        func signUp(_ email: String = "ada@example.com", path: String = "/api/v1/auth/signup") async -> (
            status: Int, json: JSONValue, text: String
        ) {
            let answer = await send(
                "POST", path,
                #"{"email":"\#(email)","password":"\#(IdentityHouse.password)","first_name":"Ada","last_name":"Lovelace","organization":"Analytical Engines"}"#
            )
            return (answer.status, answer.json, answer.text)
        }
        func login(_ email: String = "ada@example.com", _ password: String = IdentityHouse.password) async -> (
            status: Int, json: JSONValue, text: String, headers: [String: String]
        ) { await send("POST", "/api/v1/auth/login", #"{"email":"\#(email)","password":"\#(password)"}"#) }
        /// Signed up, proved and signed in; the access and refresh tokens.
        func member() async throws -> (access: String, refresh: String) {
            _ = await signUp()
            _ = await send("POST", "/api/v1/auth/verify-email", #"{"token":"\#(try await house.secret("verify_email"))"}"#)
            let answer = await login()
            return (answer.json["access_token"]?.string ?? "", answer.json["refresh_token"]?.string ?? "")
        }
        /// Every answer given so far is one that its route names, and none was a fault.
        func expectDocumented(at place: SourceLocation = #_sourceLocation) {
            #expect(undocumented.with { $0 } == [], sourceLocation: place)
            #expect(faults.with { $0 } == [], sourceLocation: place)
        }
    }
    struct NobodyMay: Authorizer {
        func require(_ permission: Permission, of principal: Principal, act: Act) async throws { throw CommonProblems.forbidden }
    }
    struct Watch: EdgeObserver {
        let undocumented: Guarded<[String]>
        let faults: Guarded<[String]>
        func answered(_ request: AnsweredRequest) {
            if !request.isDocumented {
                undocumented.with { $0.append("\(request.route ?? "?") \(request.status) \(request.problem ?? "")") }
            }
        }
        func faulted(_ error: any Error, requestID: String, route: String?) { faults.with { $0.append("\(route ?? "?"): \(error)") } }
    }
    static func keys(_ json: JSONValue?) -> Set<String> { Set(json?.object.map { Array($0.keys) } ?? []) }

    @Test("the way in: sign-up 201, verification 200, login 200 with exactly the fields of the contract")
    func wayIn() async throws {
        let window = try await Window()
        let signedUp = await window.signUp()
        #expect(signedUp.status == 201)
        #expect(Self.keys(signedUp.json) == ["user", "message"])
        #expect(Self.keys(signedUp.json["user"]) == ["id", "email", "name"])
        #expect(signedUp.json["user"]?["email"]?.string == "ada@example.com")
        #expect(signedUp.json["user"]?["name"]?.string == "Ada Lovelace")

        let early = await window.login()
        #expect(early.status == 403)
        #expect(early.json["error"]?.string == "email_unverified")

        let token = try await window.house.secret("verify_email")
        let verified = await window.send("POST", "/api/v1/auth/verify-email", #"{"token":"\#(token)"}"#)
        #expect(verified.status == 200)
        let again = await window.send("POST", "/api/v1/auth/verify-email", #"{"token":"\#(token)"}"#)
        #expect(again.status == 400)
        #expect(again.json["error"]?.string == "link_invalid")

        let login = await window.login()
        #expect(login.status == 200)
        #expect(Self.keys(login.json) == ["access_token", "refresh_token", "token_type", "expires_in", "user"])
        #expect(login.json["token_type"]?.string == "Bearer")
        #expect(login.json["expires_in"]?.int == 86_400)
        #expect(login.json["user"]?["id"] == signedUp.json["user"]?["id"])

        let me = await window.send("GET", "/api/v1/users/me", token: login.json["access_token"]?.string)
        #expect(me.status == 200)
        #expect(me.json["email"]?.string == "ada@example.com")
        #expect(me.json["email_verified"]?.bool == true)
        #expect(me.json["permissions"] == ["billing:write", "licenses:read"])
        let tenant = await window.send("GET", "/api/v1/orgs/current", token: login.json["access_token"]?.string)
        #expect(tenant.json["name"]?.string == "Analytical Engines")
        #expect(tenant.json["role"]?.string == "owner")
        window.expectDocumented()
    }

    @Test("a known and an unknown address answer the same, but for the echo and a random id")
    func alike() async throws {
        let window = try await Window()
        let (first, known, other) = (await window.signUp(), await window.signUp(), await window.signUp("eve@example.com"))
        #expect(Set([first.status, known.status, other.status]) == Set([201]))
        func shape(_ text: String) -> String {
            text.replacing(/[0-9a-f]{8}-[0-9a-f-]{27}/, with: "ID").replacing("eve@", with: "ada@")
        }
        #expect(shape(first.text) == shape(known.text))
        #expect(shape(first.text) == shape(other.text))
        let forgot = [
            await window.send("POST", "/api/v1/auth/password/forgot", #"{"email":"ada@example.com"}"#),
            await window.send("POST", "/api/v1/auth/password/forgot", #"{"email":"nobody@example.com"}"#),
            await window.send("POST", "/api/v1/auth/password/forgot", #"{"email":"no address"}"#),
        ]
        #expect(Set(forgot.map(\.text)).count == 1)
        #expect(Set(forgot.map(\.status)) == Set([202]))
        let resend = [
            await window.send("POST", "/api/v1/auth/verify-email/resend", #"{"email":"ada@example.com"}"#),
            await window.send("POST", "/api/v1/auth/verify-email/resend", #"{"email":"nobody@example.com"}"#),
        ]
        #expect(Set(resend.map(\.text)).count == 1)
        func failure(_ email: String) async -> String {
            await window.login(email, "wrong").text.replacing(/"request_id":"[^"]*"/, with: "")
        }
        _ = await window.send("POST", "/api/v1/auth/verify-email", #"{"token":"\#(try await window.house.secret("verify_email"))"}"#)
        #expect(await failure("ada@example.com") == failure("nobody@example.com"))
        window.expectDocumented()
    }

    @Test("older paths answer like the new ones")
    func olderPaths() async throws {
        let window = try await Window()
        _ = try await window.member()
        for (index, path) in ["/api/v1/auth/register", "/api/auth/signup", "/api/auth/register"].enumerated() {
            #expect(await window.signUp("p\(index)@example.com", path: path).status == 201)
        }
        let old = await window.send(
            "POST", "/api/auth/login", #"{"email":"ada@example.com","password":"\#(IdentityHouse.password)"}"#)
        #expect(old.status == 200)
        window.expectDocumented()
    }

    @Test("what is not exactly the body of the route is refused with the fields named, and does nothing")
    func strict() async throws {
        let window = try await Window()
        let cases: [(String, String, String)] = [
            ("/api/v1/auth/signup", #"{"email":"ada@example.com"}"#, "password"),
            (
                "/api/v1/auth/signup",
                #"{"email":"ada@example.com","password":"maple-otter-lantern-42","first_name":"A","last_name":"B","organization":"C","role":"platform_admin"}"#,
                "role"
            ),
            (
                "/api/v1/auth/signup",
                #"{"email":["ada@example.com"],"password":"maple-otter-lantern-42","first_name":"A","last_name":"B"}"#, "email"
            ), ("/api/v1/auth/signup", #"{"email":"ada@example.com","password":"short","first_name":"A","last_name":"B"}"#, "password"),
            ("/api/v1/auth/login", #"{"email":"ada@example.com","password":"x","tenant_id":"y"}"#, "tenant_id"),
            ("/api/v1/auth/login", #"{"email":"ada@example.com","password":{"$ne":""}}"#, "password"),
            ("/api/v1/auth/refresh", #"{"refresh_token":7}"#, "refresh_token"),
            ("/api/v1/auth/verify-email", #"{"token":null}"#, "token"),
            ("/api/v1/auth/password/reset", #"{"token":"x","password":"\#(String(repeating: "a", count: 1_025))"}"#, "password"),
        ]
        for (path, body, field) in cases {
            let answer = await window.send("POST", path, body)
            #expect(answer.status == 422, "\(path) \(field): \(answer.text)")
            #expect(answer.json["error"]?.string == "validation_failed")
            #expect(answer.text.contains(field))
        }
        for body in ["", "[]", "null", "{", "\u{0}", #"{"email":"a","email":"b","password":"c"}"#, String(repeating: "[", count: 10_000)] {
            let answer = await window.send("POST", "/api/v1/auth/login", body)
            #expect([400, 422].contains(answer.status), "\(body.prefix(40))")
        }
        #expect(try await window.house.count(Look.users) == 0)
        window.expectDocumented()
    }

    @Test("refreshing, signing out and listing sessions")
    func sessions() async throws {
        let window = try await Window()
        let (access, refresh) = try await window.member()
        let fresh = await window.send("POST", "/api/v1/auth/refresh", #"{"refresh_token":"\#(refresh)"}"#)
        #expect(fresh.status == 200)
        #expect(Self.keys(fresh.json) == ["access_token", "refresh_token", "token_type", "expires_in", "user"])
        let forged = await window.send("POST", "/api/v1/auth/refresh", #"{"refresh_token":"crt_nonsense"}"#)
        #expect(forged.status == 401)
        #expect(forged.json["error"]?.string == "refresh_token_invalid")

        let other = await window.login()
        let list = await window.send("GET", "/api/v1/auth/sessions", token: access)
        let sessions = try #require(list.json["sessions"]?.array)
        #expect(sessions.count == 2)
        #expect(sessions.filter { $0["is_current"]?.bool == true }.count == 1)
        #expect(sessions[0]["device"]?.string == "transcript/1")
        #expect(sessions[0]["address"]?.string == "192.0.2.1")
        let otherID = try #require(sessions.first { $0["is_current"]?.bool == false }?["id"]?.string)
        #expect(await window.send("DELETE", "/api/v1/auth/sessions/\(otherID)", token: access).status == 204)
        #expect(await window.send("GET", "/api/v1/users/me", token: other.json["access_token"]?.string).status == 401)
        for bad in [otherID, UUID().uuidString.lowercased(), "me", "%00"] {
            let answer = await window.send("DELETE", "/api/v1/auth/sessions/\(bad)", token: access)
            #expect([400, 404].contains(answer.status), "\(bad): \(answer.text)")
        }
        #expect(await window.send("POST", "/api/v1/auth/logout", "{}", token: access).status == 204)
        #expect(await window.send("GET", "/api/v1/users/me", token: access).status == 401)
        let out = await window.send("POST", "/api/v1/auth/logout", "{}", token: access)
        #expect(out.status == 401)
        #expect(out.json["error"]?.string == "unauthenticated")

        let (one, two) = (await window.login(), await window.login())
        #expect(
            await window.send("POST", "/api/v1/auth/logout", #"{"everywhere":true}"#, token: one.json["access_token"]?.string).status == 204
        )
        #expect(await window.send("GET", "/api/v1/users/me", token: two.json["access_token"]?.string).status == 401)
        let three = await window.login()
        #expect(
            await window.send("POST", "/api/v1/auth/logout", token: three.json["access_token"]?.string).status == 204,
            "the body may be left out")
        window.expectDocumented()
    }

    @Test("password forgot, reset and change; names; deactivation")
    func account() async throws {
        let window = try await Window()
        let (access, _) = try await window.member()
        let weak = await window.send(
            "POST", "/api/v1/auth/password/change", #"{"current_password":"\#(IdentityHouse.password)","new_password":"password1234"}"#,
            token: access)
        #expect(weak.status == 422)
        #expect(weak.json["error"]?.string == "password_weak")
        #expect(weak.json["fields"]?.array?.first?["field"]?.string == "new_password")
        let wrong = await window.send(
            "POST", "/api/v1/auth/password/change", #"{"current_password":"x","new_password":"\#(IdentityHouse.otherPassword)"}"#,
            token: access)
        #expect(wrong.status == 401)
        let changed = await window.send(
            "POST", "/api/v1/auth/password/change",
            #"{"current_password":"\#(IdentityHouse.password)","new_password":"\#(IdentityHouse.otherPassword)"}"#, token: access)
        #expect(changed.status == 200)

        _ = await window.send("POST", "/api/v1/auth/password/forgot", #"{"email":"ada@example.com"}"#)
        let token = try await window.house.secret("reset_password")
        let reset = await window.send(
            "POST", "/api/v1/auth/password/reset", #"{"token":"\#(token)","password":"\#(IdentityHouse.password)"}"#)
        #expect(reset.status == 200)
        #expect(await window.send("GET", "/api/v1/users/me", token: access).status == 401)

        let fresh = await window.login().json["access_token"]?.string
        let renamed = await window.send("PATCH", "/api/v1/users/me", #"{"first_name":"Augusta"}"#, token: fresh)
        #expect(renamed.status == 200)
        #expect(renamed.json["name"]?.string == "Augusta Lovelace")
        let nothing = await window.send("PATCH", "/api/v1/users/me", "{}", token: fresh)
        #expect(nothing.status == 200)
        let elsewhere = await window.send(
            "POST", "/api/v1/auth/switch", #"{"tenant_id":"\#(UUID().uuidString.lowercased())"}"#, token: fresh)
        #expect(elsewhere.status == 404)
        let here = await window.send(
            "POST", "/api/v1/auth/switch", #"{"tenant_id":"\#(renamed.json["tenant_id"]?.string ?? "")"}"#, token: fresh)
        #expect(here.status == 200)
        #expect(Self.keys(here.json) == ["access_token", "token_type", "expires_in", "user"])

        #expect(
            await window.send("POST", "/api/v1/users/me/deactivate", #"{"password":"\#(IdentityHouse.password)"}"#, token: fresh).status
                == 204)
        let closed = await window.login()
        #expect(closed.status == 403)
        #expect(closed.json["error"]?.string == "account_deactivated")
        window.expectDocumented()
    }

    @Test("a locked pair answers 429 with Retry-After")
    func locked() async throws {
        let window = try await Window()
        _ = try await window.member()
        for _ in 0..<5 { #expect(await window.login("ada@example.com", "wrong").status == 401) }
        let answer = await window.login()
        #expect(answer.status == 429)
        #expect(answer.json["error"]?.string == "account_locked")
        #expect(answer.headers["retry-after"] == "901")
        #expect(answer.json["retry_after"]?.int == 901)
        window.expectDocumented()
    }

    @Test("the login limit counts before the lockout: the sixth attempt in a minute meets the limit, whatever account it names")
    func limitFirst() async throws {
        let window = try await Window(Settings())
        _ = await window.signUp()
        for number in 0..<5 { #expect(await window.login("p\(number)@example.com", "x").status == 401) }
        let checks = window.house.hasher.checks
        let answer = await window.login("p9@example.com", "x")
        #expect(answer.status == 429)
        #expect(answer.json["error"]?.string == "rate_limited")
        #expect(window.house.hasher.checks == checks)
    }

    @Test("the first administrator by the printed link")
    func administrator() async throws {
        let window = try await Window()
        let token = try #require(try await window.house.identity.firstAdministratorLink(window.house.act()))
        func body(_ token: String) -> String {
            #"{"token":"\#(token)","email":"root@example.com","password":"\#(IdentityHouse.password)","first_name":"Grace","last_name":"Hopper"}"#
        }
        #expect(await window.send("POST", "/api/v1/auth/first-administrator", body("wrong")).status == 400)
        #expect(await window.send("POST", "/api/v1/auth/first-administrator", body(token)).status == 201)
        #expect(await window.send("POST", "/api/v1/auth/first-administrator", body(token)).status == 400)
        let login = await window.login("root@example.com")
        #expect(login.json["user"]?["role"]?.string == "platform_admin")
        window.expectDocumented()
    }

    @Test("the second step, when one is due, has the contract's shape")
    func secondStep() throws {
        let json = try JSONCoding.decode(JSONValue.self, try JSONCoding.encode(SecondFactorReply(mfaToken: "t")))
        #expect(json == ["mfa_required": true, "mfa_token": "t"])
    }

    @Test("every route has a name of its own, a summary, and says which problems it can answer")
    func register() async throws {
        let house = try await IdentityHouse()
        let routes = house.identity.routes() + house.tenancy.routes()
        #expect(Set(routes.map(\.name)).count == routes.count)
        #expect(routes.allSatisfy { !$0.summary.isEmpty && !$0.answers.isEmpty })
        let used = Set(routes.flatMap(\.problems).map(\.code))
        for problem in IdentityProblems.all { #expect(used.contains(problem.code), "\(problem.code) stands at no route") }
    }
}
