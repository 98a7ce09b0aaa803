import Foundation
import Signing
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Finding the route")
struct MatchingTests {
    @Test(
        "a path finds its route, a literal before a name, an older path its new one",
        arguments: [
            ("GET", "/notes/latest", "t.latest", [:]), ("GET", "/notes/abc", "t.note", ["id": "abc"]),
            ("GET", "/notes/a%2Fb%20c", "t.note", ["id": "a/b c"]),
            ("GET", "/notes/latest/lines/3", "t.line", ["note": "latest", "line": "3"]),
            ("GET", "/%6Fpen", "t.open", [:]), ("GET", "http://app.example.com/open", "t.open", [:]), ("GET", "/open?", "t.open", [:]),
            ("GET", "/notes/..", "t.note", ["id": ".."]), ("GET", "/notes/%C3%A9", "t.note", ["id": "é"]),
        ] as [(String, String, String, [String: String])])
    func finds(method: String, target: String, name: String, parameters: [String: String]) async throws {
        let house = try House()
        let reply = await house.send(method, target, ["Authorization": "Bearer alice-token"])
        #expect(reply.status == 200)
        #expect(house.recorder.answered.last?.route == name)
        #expect(house.calls.last?.parameters == parameters)
    }

    @Test("an older path answers like the new one, under its name")
    func alias() async throws {
        let house = try House()
        #expect(await house.post("/old/notes", "{\"text\":\"x\"}", ["Authorization": "Bearer alice-token"]).status == 200)
        #expect(house.recorder.answered.last?.route == "t.create")
    }

    @Test(
        "a path that is none is not found",
        arguments: ["/", "/nope", "/open/", "//open", "/open/x", "/notes", "/notes/", "/notes//lines/1", "/OPEN", "/../open"])
    func notFound(target: String) async throws {
        let house = try House()
        let reply = await house.send("GET", target)
        #expect([404, 405].contains(reply.status) && house.calls.count == 0)
        if target != "/notes" { #expect(reply.code == "not_found") }
    }

    @Test(
        "a target that is none is refused",
        arguments: [
            "open", "", "*", "/notes/%", "/notes/%2", "/notes/%GG", "/notes/%00", "/notes/%FF", "/notes/a b", "/notes/a\u{0}", "/notes/é",
            "/open#x", "/open\\x",
            "http://evil.example/open", "ftp://app.example.com/open", "/open?limit=%FF", "/open?limit=%0", "/open?a=%00",
            "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
        ])
    func malformed(target: String) async throws {
        let house = try House()
        let reply = await house.send("GET", target)
        #expect(reply.status == 400 && reply.code == "malformed_target" && house.calls.count == 0)
    }

    @Test("a target beyond its bound is refused")
    func tooLong() async throws {
        let reply = try await House().send("GET", "/open?limit=" + String(repeating: "1", count: 9_000))
        #expect(reply.status == 414 && reply.code == "target_too_long")
    }

    @Test("another method is 405 with what is allowed, OPTIONS tells it, HEAD answers like GET without the body")
    func methods() async throws {
        let house = try House()
        for method in ["PUT", "DELETE", "TRACE", "CONNECT", "BREW", "get", "PATCH"] {
            let reply = await house.send(method, "/open")
            #expect(reply.status == 405 && reply.code == "method_not_allowed" && reply.header("allow") == "GET, HEAD, POST, OPTIONS")
        }
        let options = await house.send("OPTIONS", "/open")
        #expect(options.status == 204 && options.header("allow") == "GET, HEAD, POST, OPTIONS" && options.body.isEmpty)
        let get = await house.send("GET", "/open")
        let head = await house.send("HEAD", "/open")
        #expect(head.status == 200 && head.body.isEmpty && head.header("content-length") == "\(get.body.count)")
        #expect(await house.send("HEAD", "/nope").body.isEmpty)
        #expect(await house.send("OPTIONS", "/nope").status == 404)
        #expect(await house.send("OPTIONS", "*").status == 204)
        #expect(house.recorder.answered.map(\.method).filter { $0 == "other" }.count == 4)
    }

    @Test("a table with two routes of one name, path or parameter, or with a pattern that is not understood, is refused at start")
    func tables() {
        func route(_ path: String, _ name: String, pattern: String? = nil, aliases: [String] = []) -> Route {
            Route(
                .get, path, name: name, summary: "", access: .open,
                query: pattern.map { [QueryField("q", .string(max: 9, pattern: $0), "")] } ?? [],
                answers: [], aliases: aliases
            ) { _ in Reply(status: 200) }
        }
        for more in [
            [route("/x", "t.open")], [route("/open", "t.two")], [route("/x/{a}", "t.a"), route("/x/{b}", "t.b")],
            [route("/x/{a}/{a}", "t.a")],
            [route("x", "t.a")], [route("/x", "t.a", pattern: "(?=a)")], [route("/x/{a}", "t.a", aliases: ["/y/{b}"])],
            [route("/x", "t.a", aliases: ["/open"])],
        ] {
            #expect(throws: EdgeFault.self) { _ = try House(more: more) }
        }
    }
}

@Suite("Reading the request")
struct ReadingTests {
    @Test("a body that fits reaches the handler, read")
    func fits() async throws {
        let house = try House()
        let reply = await house.post("/open", "{\"text\":\"héllo\",\"count\":3}", ["Content-Type": "Application/JSON; charset=\"UTF-8\""])
        #expect(reply.status == 200 && house.calls.last?.json?["count"] == 3)
        struct Note: Decodable { let text: String }
        #expect(try house.calls.last?.decode(Note.self).text == "héllo")
    }

    @Test("every bad field is listed, with its place and rule, and nothing is done")
    func findings() async throws {
        let house = try House()
        let reply = await house.post("/open", "{\"count\":0,\"kind\":\"z\",\"tags\":[{\"name\":\"longer\"}],\"evil\":1}")
        #expect(reply.status == 422 && reply.code == "validation_failed" && house.calls.count == 0)
        #expect(
            reply.findings == [
                "count: must be a whole number from 1 to 9", "evil: is not a known field", "kind: must be one of: a, b",
                "tags[0].name: must have at most 5 characters", "text: is required",
            ])
    }

    @Test(
        "a body that is not JSON is 400 with the reason",
        arguments: [
            ("", "empty"), ("{", "a key must be a text"), ("{\"text\":\"a\",\"text\":\"b\"}", "a key stands twice"),
            ("{\"text\":\"\\u0000\"}", "NUL in a text"),
            ("{\"text\":\"\\ud800\"}", "half of a surrogate pair"), (String(repeating: "[", count: 500), "nested too deeply"),
        ])
    func malformed(body: String, reason: String) async throws {
        let house = try House()
        let reply = await house.post("/open", body)
        #expect(
            reply.status == 400 && reply.code == "malformed_request" && reply.json["reason"]?.string == reason && house.calls.count == 0)
    }

    @Test("bytes that are not UTF-8 are 400")
    func notUTF8() async throws {
        let house = try House()
        let reply = await house.send(
            "POST", "/open", ["Content-Type": "application/json"], Data([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D]))
        #expect(reply.code == "malformed_request" && reply.json["reason"]?.string == "not UTF-8")
    }

    @Test(
        "another media type or charset is 415 and names what is accepted",
        arguments: [
            "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json; charset=latin1",
            "application/json, text/plain", "multipart/form-data",
        ])
    func mediaType(type: String) async throws {
        let house = try House()
        let reply = await house.send("POST", "/open", type.isEmpty ? [:] : ["Content-Type": type], body: "{\"text\":\"a\"}")
        #expect(reply.status == 415 && reply.json["accepted"] == ["application/json"] && house.calls.count == 0)
    }

    @Test("a body over the route's bound is 413, whether it came whole or was cut off")
    func tooLarge() async throws {
        let house = try House()
        let large = "{\"text\":\"\(String(repeating: "x", count: 1_000))\"}"
        #expect(await house.post("/open", large).status == 413)
        var raw = RawRequest(
            method: "POST", target: "/open", headers: ["host": "a", "content-type": "application/json"], isBodyTooLarge: true)
        raw.remoteAddress = "203.0.113.9"
        let cut = await house.edge.respond(to: raw)
        #expect(cut.status == 413 && cut.json["limit_bytes"] == 1_000)
        #expect(
            house.edge.bodyLimit(method: "POST", target: "/open?x=1") == 1_000 && house.edge.bodyLimit(method: "POST", target: "/nope") == 0
        )
        let small = try House(Settings().setting(HTTPEdgeSettings.maxBodyBytes, to: 1_024))
        #expect(small.edge.bodyLimit(method: "POST", target: "/open") == 1_000)
    }

    @Test("a route without a schema takes no fields; a webhook takes its bytes as they are")
    func withoutSchema() async throws {
        let house = try House()
        let token = ["Authorization": "Bearer alice-token"]
        #expect(await house.send("POST", "/nothing", token).status == 200)
        #expect(await house.post("/nothing", "{}", token).status == 200)
        #expect(await house.post("/nothing", "{\"a\":1}", token).code == "validation_failed")
        #expect(await house.post("/nothing", "[", token).code == "malformed_request")
        let reply = await house.send(
            "POST", "/webhooks/stripe?x=1", ["Content-Type": "text/plain", "Stripe-Signature": "t=1"], Data([0, 255, 10]))
        #expect(reply.status == 200 && house.calls.last?.body == Data([0, 255, 10]))
        #expect(house.calls.last?.headers["stripe-signature"] == "t=1" && house.calls.last?.header("stripe-signature") == "t=1")
    }

    @Test(
        "query fields are checked like a body's",
        arguments: [
            ("limit=5&flag=true", []), ("limit=0", ["limit: must be a whole number from 1 to 100"]),
            ("limit=+5", ["limit: must be a whole number from 1 to 100"]),
            ("limit=5.0", ["limit: must be a whole number from 1 to 100"]), ("limit", ["limit: must be a whole number from 1 to 100"]),
            ("flag=yes", ["flag: must be true or false"]),
            ("other=1", ["other: is not a known query field"]), ("limit=1&limit=2", ["limit: stands twice"]), ("limit=%35", []),
            ("a=1&b=2", ["a: is not a known query field", "b: is not a known query field"]),
            (
                Array(repeating: "x", count: 70).enumerated().map { "x\($0.offset)=1" }.joined(separator: "&"),
                ["query: has more than 64 fields"]
            ),
        ])
    func query(query: String, findings: [String]) async throws {
        let house = try House()
        let reply = await house.send("GET", "/open?\(query)")
        #expect(reply.findings == findings && (reply.status == 200) == findings.isEmpty)
    }

    @Test(
        "a header that may stand once and stands twice is refused",
        arguments: ["Host", "Authorization", "Content-Type", "Idempotency-Key", "Origin"])
    func twice(name: String) async throws {
        let house = try House()
        var headers = HeaderFields([("Host", "app.example.com"), (name.uppercased(), "x")])
        if name != "Host" { headers.append(name, "y") }
        let reply = await house.send("GET", "/open", headers, Data())
        #expect(reply.status == 400 && reply.code == (name == "Host" ? "malformed_host" : "malformed_header"))
    }

    @Test("a Host that is no host is refused", arguments: ["", "a b", "a/b", "a@b", "a\"b", "a,b", String(repeating: "a", count: 256)])
    func host(value: String) async throws {
        #expect(try await House().send("GET", "/open", ["Host": value]).code == "malformed_host")
    }
}

@Suite("Answering")
struct AnsweringTests {
    @Test("a problem has the shape of the surface, and its fields cannot overwrite it")
    func shape() async throws {
        let problem = Problem("odd", status: 409, title: "Odd \"thing\"", hint: "Even it.", fields: ["error": "forged", "seats_used": 3])
        let house = try House(more: [
            Route(.get, "/odd", name: "x.odd", summary: "", access: .open, answers: [], problems: [problem]) { _ in
                throw problem.retry(afterSeconds: 7)
            }
        ])
        let reply = await house.send("GET", "/odd")
        let id = try #require(reply.header("x-request-id"))
        #expect(
            reply.text
                == "{\"error\":\"odd\",\"message\":\"Odd \\\"thing\\\"\",\"hint\":\"Even it.\",\"request_id\":\"\(id)\",\"retry_after\":7,\"seats_used\":3}"
        )
        #expect(reply.status == 409 && reply.header("retry-after") == "7" && reply.header("content-type") == "application/json")
        #expect(house.recorder.answered.last?.problem == "odd" && house.recorder.answered.last?.isDocumented == true)
    }

    @Test("an error that is no problem is told to the log only")
    func fault() async throws {
        struct Broken: Error { let secret = "s3cret" }
        let house = try House(more: [
            Route(.get, "/broken", name: "x.broken", summary: "", access: .open, answers: []) { _ in throw Broken() }
        ])
        let reply = await house.send("GET", "/broken")
        #expect(reply.status == 500 && reply.code == "internal_error" && !reply.text.contains("s3cret"))
        let id = try #require(reply.json["request_id"]?.string)
        #expect(house.recorder.faults.count == 1 && house.recorder.faults[0].hasPrefix(id) && house.recorder.faults[0].contains("s3cret"))
    }

    @Test("a full queue of signatures passes by itself; any other failure of keys is ours to mend")
    func passing() async throws {
        for (fault, status, retry) in [(SigningFault.busy, 503, "5"), (.unknownKey("k"), 500, nil)] as [(SigningFault, Int, String?)] {
            let house = try House(more: [
                Route(.get, "/signed", name: "x.signed", summary: "", access: .open, answers: []) { _ in throw fault }
            ])
            let reply = await house.send("GET", "/signed")
            #expect(reply.status == status && reply.header("retry-after") == retry, "\(fault)")
            #expect(house.recorder.faults.count == 1)
        }
    }

    @Test(
        "a header that would end its line early is a fault, not a second header",
        arguments: ["/\r\nset-cookie: a=b", "/\nx", "/\u{0}", "/\u{7f}"])
    func splitting(location: String) async throws {
        let house = try House(more: [
            Route(.get, "/split", name: "x.split", summary: "", access: .open, answers: []) { _ in .redirect(to: location) }
        ])
        let reply = await house.send("GET", "/split")
        #expect(reply.status == 500 && reply.header("location") == nil && house.recorder.faults.count == 1)
    }

    @Test("a problem or a member that the route does not describe is noticed")
    func undocumented() async throws {
        let house = try House(more: [
            Route(.get, "/a", name: "x.a", summary: "", access: .open, answers: []) { _ in
                throw Problem("unheard_of", status: 409, title: "", hint: "")
            },
            Route(.get, "/b", name: "x.b", summary: "", access: .open, answers: [RouteAnswer(201, "")]) { _ in Reply(status: 200) },
            Route(.get, "/c", name: "x.c", summary: "", access: .open, answers: []) { _ in
                throw CommonProblems.invalid.with(["unheard_of": 1])
            },
        ])
        for path in ["/a", "/b", "/c"] { _ = await house.send("GET", path) }
        #expect(house.recorder.answered.map(\.isDocumented) == [false, false, false])
    }

    @Test("a handler that was cancelled, and one that is not back in time, are 503 with a hint")
    func timedOut() async throws {
        let house = try House(more: [
            Route(.get, "/slow", name: "x.slow", summary: "", access: .open, answers: []) { _ in throw CancellationError() }
        ])
        #expect(await house.send("GET", "/slow").code == "timed_out")
        var raw = RawRequest(method: "GET", target: "/slow", headers: ["host": "a"])
        raw.requestID = "known-id"
        let expired = house.edge.expired(raw)
        #expect(expired.status == 503 && expired.code == "timed_out" && expired.json["request_id"] == "known-id")
        #expect(house.recorder.answered.last?.route == "x.slow")
    }

    @Test("the clock is read once, and everything of the request has that moment")
    func clock() async throws {
        let house = try House()
        var raw = RawRequest(method: "GET", target: "/open", headers: ["host": "a"])
        raw.requestID = "known-id"
        _ = await house.edge.respond(to: raw)
        #expect(house.clock.readings == 1 && house.calls.last?.act.now == moment)
    }

    @Test("answers of the API and pages are guarded, and a handler can say otherwise")
    func security() async throws {
        let house = try House(more: [
            Route(.get, "/own", name: "x.own", summary: "", access: .page, answers: []) { _ in
                Reply(status: 200, headers: [("cache-control", "public, max-age=60")])
            }
        ])
        let api = await house.send("GET", "/open")
        #expect(api.header("cache-control") == "no-store" && api.header("x-content-type-options") == "nosniff")
        #expect(api.header("referrer-policy") == "no-referrer" && api.header("strict-transport-security") == nil)
        #expect(api.header("content-security-policy") == "default-src 'none'; frame-ancestors 'none'")
        let page = await house.send("GET", "/page", tls: true)
        let policy = try #require(page.header("content-security-policy"))
        #expect(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'")
                && policy.contains("form-action 'self' https://checkout.stripe.com"))
        #expect(page.header("strict-transport-security") == "max-age=31536000" && page.header("referrer-policy") == "same-origin")
        let own = await house.send("GET", "/own")
        #expect(own.headers.filter { $0.0 == "cache-control" }.map(\.1) == ["public, max-age=60"])
    }

    @Test("a browser that asks for a page gets its problem as a page, escaped")
    func pages() async throws {
        let house = try House(more: [
            Route(.get, "/bad", name: "x.bad", summary: "", access: .page, answers: []) { _ in
                throw Problem("bad", status: 400, title: "<script>", hint: "a & b")
            }
        ])
        let bad = await house.send("GET", "/bad")
        #expect(
            bad.header("content-type") == "text/html; charset=utf-8" && bad.text.contains("&lt;script&gt;")
                && !bad.text.contains("<script>"))
        let missing = await house.send("GET", "/nope", ["Accept": "text/html,*/*"])
        #expect(missing.status == 404 && missing.text.hasPrefix("<!doctype html>"))
        // Under the rules of pages, too: a browser refuses the style sheet under those of the API.
        #expect(missing.header("content-security-policy") == bad.header("content-security-policy"))
        #expect(missing.header("content-security-policy")?.contains("style-src 'self'") == true)
        #expect(await house.send("GET", "/nope", ["Accept": "application/json"]).code == "not_found")
    }
}

@Suite("Request ids")
struct RequestIDTests {
    @Test("are UUIDs that never repeat, and one of a caller's is believed from a listed proxy only")
    func ids() async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.trustedProxies, to: ["10.0.0.0/8"]))
        var seen: Set<String> = []
        for _ in 0..<1_000 {
            let id = try #require(await house.send("GET", "/open", ["X-Request-Id": "mine-1234"]).header("x-request-id"))
            #expect(Schema.Format.isUUID(id) && id.utf8.dropFirst(14).first == UInt8(ascii: "7"))
            seen.insert(id)
        }
        #expect(seen.count == 1_000)
        #expect(await house.send("GET", "/open", ["X-Request-Id": "mine-1234"], from: "10.1.1.1").header("x-request-id") == "mine-1234")
        for bad in ["short", "with space", "new\nline-abcdef", String(repeating: "a", count: 129), "quo\"te-1234"] {
            #expect(await house.send("GET", "/open", ["X-Request-Id": bad], from: "10.1.1.1").header("x-request-id") != bad)
        }
    }
}
