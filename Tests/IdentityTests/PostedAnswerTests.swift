import Foundation
import HTTPEdge
import KeyValue
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

/// Answers that another site makes a browser post, through the real edge.
@Suite("An answer by a form")
struct PostedAnswerTests {
    struct Window {
        let house: FederationHouse
        let edge: Edge

        init() async throws {
            let settings = Settings().setting(HTTPEdgeSettings.limitsEnabled, to: false)
            house = try await FederationHouse(settings)
            edge = try Edge(
                routes: house.federation.routes(),
                guards: EdgeGuards(
                    authenticator: IdentityAuthenticator(house.identity), authorizer: RouteTests.NobodyMay(), keyValue: InProcessKeyValue()),
                clock: house.house.bench.clock, entropy: house.house.bench.entropy, settings: settings,
                secret: [UInt8](repeating: 7, count: 32),
                observer: RouteTests.Watch(undocumented: Guarded([]), faults: Guarded([])))
        }
        func send(_ method: String, _ path: String, _ body: String = "", headers: [String: String] = [:]) async -> Reply {
            var all = ["host": "platform.example", "content-type": "application/x-www-form-urlencoded"]
            all.merge(headers) { $1 }
            return await edge.respond(
                to: RawRequest(
                    method: method, target: path, headers: HeaderFields(all), body: Data(body.utf8), remoteAddress: "192.0.2.1", isTLS: true
                ))
        }
        /// Away to the provider: the state that it must bring back, and the cookie.
        func away() async throws -> (state: String, cookie: String) {
            let departure = try await house.federation.begin(offered: "google", next: nil, browser: nil, house.house.act())
            return (house.state(departure), "__Host-coditect_flow=\(departure.cookie)")
        }
    }
    private static let path = "/api/v1/auth/oauth/google/callback"
    /// As a browser sends what another site made it post.
    private static let foreign = ["origin": "https://login.example.com", "sec-fetch-site": "cross-site"]
    private static let own = ["origin": "https://platform.example", "sec-fetch-site": "same-origin"]
    private func text(_ reply: Reply) -> String { String(decoding: reply.body, as: UTF8.self) }

    @Test("what comes without the cookie is posted once more from our own page, and then signs in")
    func roundTrip() async throws {
        let window = try await Window()
        let (state, cookie) = try await window.away()
        let body = "RelayState=\(state)&SAMLResponse=PHg%2BJiI8L3g%2B"
        let first = await window.send("POST", Self.path, body, headers: Self.foreign)
        let page = text(first)
        #expect(first.status == 200 && first.header("set-cookie") == nil)
        #expect(page.contains("name=\"RelayState\" value=\"\(state)\"") && page.contains("name=\"SAMLResponse\" value=\"PHg+JiI8L3g+\""))
        #expect(page.contains("action=\"\(Self.path)\"") && page.contains("name=\"coditect_again\""))
        let policy = try #require(first.header("content-security-policy"))
        #expect(policy.contains("form-action 'self'") && policy.contains("script-src 'sha256-") && !policy.contains("unsafe"))
        let second = await window.send("POST", Self.path, body + "&coditect_again=1", headers: Self.own.merging(["cookie": cookie]) { $1 })
        #expect(second.status == 303 && second.header("location") == "/start")
        #expect(second.headers.contains { $0.0 == "set-cookie" && $0.1.hasPrefix("__Host-coditect_session=") })
        let arrival = try #require(window.house.provider.arrivals.first)
        #expect(arrival.method == "POST" && arrival.parameters == ["RelayState": state, "SAMLResponse": "PHg+JiI8L3g+"])
    }

    @Test("a browser that sends the cookie at once needs no second post")
    func direct() async throws {
        let window = try await Window()
        let (state, cookie) = try await window.away()
        let reply = await window.send("POST", Self.path, "RelayState=\(state)", headers: Self.foreign.merging(["cookie": cookie]) { $1 })
        #expect(reply.status == 303)
    }

    @Test("it goes round once: without the cookie it is refused then, and nothing is used up")
    func once() async throws {
        let window = try await Window()
        let (state, cookie) = try await window.away()
        let again = await window.send("POST", Self.path, "RelayState=\(state)&coditect_again=1", headers: Self.foreign)
        #expect(again.status == 403 && text(again).contains("could not be completed"))
        let other = await window.send(
            "POST", Self.path, "RelayState=\(state)&coditect_again=1",
            headers: ["cookie": "__Host-coditect_flow=\(String(repeating: "A", count: 43))"])
        #expect(other.status == 403 && window.house.provider.arrivals.isEmpty)
        #expect(await window.send("POST", Self.path, "RelayState=\(state)", headers: ["cookie": cookie]).status == 303)
    }

    @Test("what is shown again is text, whatever it holds, and bounded")
    func escaped() async throws {
        let window = try await Window()
        let hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%27%26%0A"
        let page = text(await window.send("POST", Self.path, "RelayState=\(hostile)&%22%3E%3Cb%3E=1", headers: Self.foreign))
        #expect(!page.contains("<script>alert") && !page.contains("<b>"))
        #expect(page.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;&#10;"))
        let large = String(repeating: "x", count: 262_145)
        #expect(await window.send("POST", Self.path, "SAMLResponse=\(large)", headers: Self.foreign).status == 403)
        #expect(await window.send("POST", Self.path, String(repeating: "x", count: 400_001), headers: Self.foreign).status == 413)
        let many = (0...32).map { "a\($0)=1" }.joined(separator: "&")
        #expect(await window.send("POST", Self.path, many, headers: Self.foreign).status == 403)
        #expect(await window.send("POST", Self.path, "a=1&a=2", headers: Self.foreign).status == 400)
        #expect(await window.send("POST", Self.path, "{}", headers: ["content-type": "application/json"]).status == 415)
    }

    @Test("no other page takes a form of another site")
    func others() async throws {
        let house = try await FederationHouse()
        let all = house.federation.routes() + house.identity.routes() + house.house.tenancy.routes()
        #expect(all.filter(\.takesForeignForms).map(\.name).sorted() == ["auth.oauth_posted", "auth.sso_posted"])
    }

    @Test("a request that leaves by a form does so from a page of ours")
    func departure() async throws {
        let window = try await Window()
        window.house.provider.script { $0.form = ["SAMLRequest": "PD48", "RelayState": "<&>"] }
        let reply = await window.send("GET", "/api/v1/auth/oauth/google/start")
        #expect(reply.status == 200 && reply.header("set-cookie")?.hasPrefix("__Host-coditect_flow=") == true)
        #expect(
            text(reply).contains("name=\"RelayState\" value=\"&lt;&amp;&gt;\"")
                && text(reply).contains("action=\"https://login.example.com/authorize"))
        #expect(reply.header("content-security-policy")?.contains("form-action https://login.example.com https:") == true)
    }

    @Test("what a provider is to know of us is published where the plugin has it, for drafts too, and nowhere else")
    func document() async throws {
        let window = try await Window()
        let (_, connection) = try await window.house.sso()
        let place = "/api/v1/auth/sso/\(connection.id)/metadata"
        #expect(await window.send("GET", place).status == 404)
        window.house.provider.script { $0.document = IdentityDocument(mediaType: "application/samlmetadata+xml", text: "<m/>") }
        let found = await window.send("GET", place)
        #expect(found.status == 200 && found.header("content-type") == "application/samlmetadata+xml" && text(found) == "<m/>")
        #expect(await window.send("GET", "/api/v1/auth/oauth/google/metadata").status == 200)
        #expect(await window.send("GET", "/api/v1/auth/oauth/none/metadata").status == 404)
        #expect(await window.send("GET", "/api/v1/auth/sso/018f0000-0000-7000-8000-000000000000/metadata").status == 404)
    }
}

@Suite("What a provider's answer may bound")
struct FederatedLifeTests {
    @Test("a session does not outlast the provider's own, and one that has ended opens none")
    func life() async throws {
        let house = try await FederationHouse()
        let end = house.house.now + .seconds(900)
        house.provider.script { $0.assertion.sessionEndsAt = end }
        #expect(try house.grant(try await house.come()).expiresAt == end)
        house.house.advance(.seconds(900))
        #expect(await problem { _ = try await house.come() }?.code == "sign_in_refused")
        #expect(house.noted.contains("the provider's session has ended"))
        house.provider.script { $0.assertion.sessionEndsAt = house.house.now + .days(36_000) }
        let usual = try house.grant(try await house.come()).expiresAt
        house.provider.script { $0.assertion.sessionEndsAt = nil }
        #expect(try house.grant(try await house.come()).expiresAt == usual)
    }

    @Test("an administrator who tries a connection is told why it failed; whoever signs in is not")
    func told() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso()
        house.provider.script { $0.error = .notBelieved(.audience, reason: "the assertion is for another audience") }
        let departure = try await house.federation.beginTest(connection.id, by: owner, browser: nil, house.house.act(owner))
        guard case .testFailed(let id, let report) = try await house.arrive(connection.id.description, departure) else {
            throw IdentityHouse.Missing(what: "a failed test")
        }
        #expect(id == connection.id && !report.contains("audience"))
        #expect(house.federation.failure(report: report, of: id) == "audience: the assertion is for another audience")
        #expect(house.federation.failure(report: report + "x", of: id) == nil && house.federation.failure(report: "x", of: id) == nil)
        let refused = await problem { _ = try await house.comeBySSO(connection) }
        #expect(refused?.code == "sign_in_refused" && refused?.fields.isEmpty == true)
        #expect(house.noted.contains("another audience"))
    }
}
