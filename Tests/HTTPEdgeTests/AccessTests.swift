import Foundation
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Who may call")
struct AccessTests {
    @Test(
        "a signed-in route wants a token that is good now",
        arguments: [nil, "Bearer ", "Bearer nobody", "Basic YTpi", "bearer", "Bearer alice-token x", "alice-token", "Bearer \u{7f}"])
    func refused(authorization: String?) async throws {
        let house = try House()
        let reply = await house.send("GET", "/heartbeat", authorization.map { ["Authorization": $0] } ?? [:])
        #expect(reply.status == 401 && reply.code == "unauthenticated" && house.calls.count == 0)
        #expect(reply.header("www-authenticate") == (authorization == nil ? "Bearer" : "Bearer error=\"invalid_token\""))
    }

    @Test("the caller stands in the call: principal, token, actor")
    func caller() async throws {
        let house = try House()
        #expect(await house.send("GET", "/heartbeat", ["Authorization": "bEaReR  alice-token"]).status == 200)
        let call = try #require(house.calls.last)
        #expect(call.principal == People.alice && call.tokenID == "jti-alice-token")
        #expect(call.act.actor == .user(People.alice.user, session: People.alice.session) && call.act.address == "203.0.113.9")
    }

    @Test("a permission is asked after the token and before the body is read")
    func permission() async throws {
        let house = try House()
        #expect(await house.post("/notes", "{broken", ["Authorization": "Bearer bob-token"]).code == "forbidden")
        #expect(await house.post("/notes", "{broken", ["Authorization": "Bearer alice-token"]).code == "malformed_request")
        #expect(await house.post("/notes", "{broken").code == "unauthenticated")
    }

    @Test("a session cookie opens pages, never the API")
    func cookies() async throws {
        let house = try House()
        #expect(await house.send("GET", "/heartbeat", ["Cookie": "coditect_session=alice-cookie"]).status == 401)
        _ = await house.send("GET", "/page", ["Cookie": "a=b; coditect_session=alice-cookie"])
        #expect(house.calls.last?.principal == People.alice)
        _ = await house.send("GET", "/page", ["Cookie": "coditect_session=alice-cookie"], tls: true)
        #expect(house.calls.last?.principal == nil)
        _ = await house.send("GET", "/page", ["Cookie": "__Host-coditect_session=alice-cookie"], tls: true)
        #expect(house.calls.last?.principal == People.alice)
        _ = await house.send("GET", "/page", ["Authorization": "Bearer alice-token"])
        #expect(house.calls.last?.principal == nil)
    }

    @Test(
        "an operator's route opens to loopback under a loopback name and to platform administrators, not to a hidden proxy",
        arguments: [
            ("127.0.0.1", ["Host": "localhost:8080"], 200), ("::1", ["Host": "[::1]:8080"], 200), ("127.8.8.8", ["Host": "127.0.0.1"], 200),
            ("127.0.0.1", ["Host": "evil.example"], 401), ("127.0.0.1", ["Host": "localhost.evil.example"], 401),
            ("127.0.0.1", ["Host": "localhost", "X-Forwarded-For": "198.51.100.1"], 401),
            ("127.0.0.1", ["Host": "localhost", "Via": "1.1 x"], 401),
            ("127.0.0.1", ["Host": "localhost", "Forwarded": "for=1.2.3.4"], 401),
            ("127.0.0.1", ["Host": "localhost", "X-Real-IP": "1.2.3.4"], 401),
            ("203.0.113.9", ["Host": "localhost"], 401), ("203.0.113.9", ["Host": "localhost", "X-Forwarded-For": "127.0.0.1"], 401),
            ("203.0.113.9", ["Authorization": "Bearer admin-token"], 200),
            ("203.0.113.9", ["Cookie": "coditect_session=admin-cookie"], 200),
            ("203.0.113.9", ["Authorization": "Bearer alice-token"], 403), ("203.0.113.9", ["Cookie": "coditect_session=bob-cookie"], 403),
        ] as [(String, [String: String], Int)])
    func operatorOnly(address: String, headers: [String: String], status: Int) async throws {
        #expect(try await House().send("GET", "/operator", headers, from: address).status == status)
    }

    @Test("another site cannot use the operator's loopback: an unsafe call with a foreign origin is refused")
    func operatorForgery() async throws {
        let house = try House()
        let host = ["Host": "localhost:8080"]
        func status(_ more: [String: String]) async -> Int {
            await house.send("POST", "/operator", host.merging(more) { _, new in new }, from: "127.0.0.1").status
        }
        #expect(await status([:]) == 200)
        #expect(await status(["Origin": "http://localhost:8080"]) == 200)
        #expect(await status(["Origin": "https://evil.example"]) == 403)
        #expect(await status(["Origin": "null"]) == 403)
        #expect(await status(["Sec-Fetch-Site": "cross-site"]) == 403)
        #expect(await status(["Referer": "https://evil.example/http://localhost:8080/"]) == 403)
    }

    @Test("a lookup that fails is a fault, not a refusal and not an entry")
    func lookupFails() async throws {
        let house = try House()
        #expect(await house.send("GET", "/heartbeat", ["Authorization": "Bearer broken"]).code == "internal_error")
        #expect(house.calls.count == 0 && house.recorder.faults.count == 1)
    }
}

@Suite("Where a request comes from")
struct ProvenanceTests {
    @Test(
        "forwarded addresses are walked from the right and believed as far as the listed proxies go",
        arguments: [
            ("203.0.113.9", "1.1.1.1", "203.0.113.9"), ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"), ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
            ("10.0.0.1", "1.1.1.1, garbage", "10.0.0.1"),
            ("10.0.0.1", "garbage, 10.2.2.2", "10.2.2.2"), ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
            ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"), ("fd00::1", "198.51.100.7", "198.51.100.7"), ("10.0.0.1", "", "10.0.0.1"),
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", String(repeating: "10.0.0.2,", count: 5_000) + "10.0.0.3", "10.0.0.2"),
        ])
    func forwarded(peer: String, list: String, client: String) async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.trustedProxies, to: ["10.0.0.0/8", "fd00::/8"]))
        _ = await house.send("GET", "/open", ["X-Forwarded-For": list], from: peer)
        #expect(house.calls.last?.act.address == client)
    }

    @Test(
        "scheme and host are the client's, from a listed proxy only, or what the operator says",
        arguments: [
            ("203.0.113.9", ["X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"], "http://app.example.com"),
            ("10.0.0.1", ["X-Forwarded-Proto": "https"], "https://app.example.com"),
            (
                "10.0.0.1", ["X-Forwarded-Proto": "http, https", "X-Forwarded-Host": "evil.example, Shop.example.com"],
                "https://shop.example.com"
            ),
            ("203.0.113.9", ["Host": "APP.example.com:8080"], "http://app.example.com:8080"),
        ] as [(String, [String: String], String)])
    func origins(peer: String, headers: [String: String], origin: String) async throws {
        let settings = Settings().setting(HTTPEdgeSettings.trustedProxies, to: ["10.0.0.0/8"])
        let house = try House(settings)
        _ = await house.send("GET", "/open", headers, from: peer)
        #expect(house.calls.last?.origin == origin && house.calls.last?.isSecure == origin.hasPrefix("https"))
        let fixed = try House(settings.setting(HTTPEdgeSettings.publicURL, to: "https://public.example"))
        _ = await fixed.send("GET", "/open", headers, from: peer)
        #expect(fixed.calls.last?.origin == "https://public.example" && fixed.calls.last?.isSecure == true)
    }

    @Test(
        "addresses and prefixes are read strictly",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false), ("192.168.1.1", "192.168.1.1", true),
            ("192.168.1.1", "192.168.1.2", false), ("192.168.1.128/25", "192.168.1.127", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
            ("2001:db8::/127", "2001:db8::1", true), ("2001:db8::/127", "2001:db8::2", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
        ])
    func ranges(range: String, address: String, contains: Bool) throws {
        #expect(try #require(NetworkRange(range)).contains(try #require(NetworkAddress(address))) == contains)
    }

    @Test(
        "what is no address or prefix is refused",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4/33", "::/129", "::1/-1", "1.2.3.4/", "a", ":", "1::2::3",
            "1.2.3.4/8/8",
        ])
    func noRange(text: String) {
        #expect(NetworkRange(text) == nil)
        #expect(throws: EdgeFault.self) { _ = try House(Settings(["http.trusted_proxies": "10.0.0.1,\(text.isEmpty ? "x" : text)"])) }
    }

    @Test("one network is the address, or the /64 around it")
    func networks() throws {
        let network = { (text: String) throws -> String in try #require(NetworkAddress(text)).network }
        #expect(try network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff:ffff:ffff:ffff"))
        #expect(try network("2001:db8:1:2::1") != network("2001:db8:1:3::1"))
        #expect(try network("192.0.2.1") != network("192.0.2.2"))
        #expect(try network("::ffff:192.0.2.1") == network("192.0.2.1"))
    }
}

@Suite("Other origins")
struct CORSTests {
    @Test("a listed origin may call from a browser, another gets no leave, and caches are told that it matters")
    func cors() async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.corsOrigins, to: ["https://ide.example.com"]))
        let listed = [
            "Origin": "https://ide.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
        ]
        let allowed = await house.send("OPTIONS", "/open", listed)
        #expect(allowed.status == 204 && allowed.header("access-control-allow-origin") == "https://ide.example.com")
        #expect(allowed.header("access-control-allow-methods") == "GET, POST" && allowed.header("vary") == "origin")
        #expect(allowed.header("access-control-allow-headers")?.contains("idempotency-key") == true)
        let other = await house.send("OPTIONS", "/open", ["Origin": "https://evil.example", "Access-Control-Request-Method": "POST"])
        #expect(
            other.header("access-control-allow-origin") == nil && other.header("access-control-allow-methods") == nil
                && other.header("vary") == "origin")
        let answer = await house.send("GET", "/open", ["Origin": "https://ide.example.com"])
        #expect(answer.header("access-control-allow-origin") == "https://ide.example.com")
        #expect(answer.header("access-control-expose-headers") == "location, retry-after, x-request-id")
        #expect(!answer.headers.contains { $0.0 == "access-control-allow-credentials" })
        let problem = await house.send("GET", "/heartbeat", ["Origin": "https://ide.example.com"])
        #expect(problem.status == 401 && problem.header("access-control-allow-origin") == "https://ide.example.com")
        let page = await house.send("GET", "/page", ["Origin": "https://ide.example.com"])
        #expect(page.header("access-control-allow-origin") == nil)
    }

    @Test("without a list nothing is said")
    func silent() async throws {
        let reply = try await House().send("GET", "/open", ["Origin": "https://ide.example.com"])
        #expect(!reply.headers.contains { $0.0.hasPrefix("access-control") || $0.0 == "vary" })
    }
}
