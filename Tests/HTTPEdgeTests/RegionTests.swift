import Foundation
import Synchronization
import Testing
import Vocabulary

@testable import HTTPEdge

/// Stands in `us`. Values that begin with a region belong there; `lost…` is what the directory does not answer for.
private final class ScriptedGate: RegionGate {
    let home = Region.us
    private let state = Mutex<[(raw: RawRequest, relay: RegionRelay)]>([])
    var passed: [(raw: RawRequest, relay: RegionRelay)] { state.withLock { $0 } }

    func relay(in raw: RawRequest, now: Timestamp) throws(Problem) -> RegionRelay? {
        guard let text = raw.headers["coditect-relay"] else { return nil }
        guard text == "good" else { throw RegionProblems.relayRefused }
        return RegionRelay(
            from: .eu, to: .us, address: "198.51.100.4", origin: "https://eu.example.com", requestID: "of-eu", atSeconds: now.seconds)
    }
    func region(ofBearer token: String) -> Region? { token.hasPrefix("eu-") ? .eu : nil }
    func place(_ clue: RegionClue, _ value: String) async throws -> Whereabouts {
        if value.hasPrefix("lost") { return .unknown }
        return value.hasPrefix("eu") ? .elsewhere(.eu) : .here
    }
    func pass(_ raw: RawRequest, _ relay: RegionRelay) async throws(Problem) -> Reply {
        state.withLock { $0.append((raw, relay)) }
        return Reply(status: 200, headers: [("content-type", "application/json"), ("coditect-region", "eu")], body: Data("{}".utf8))
    }
    func address(of region: Region) -> String { "https://\(region.rawValue).example.com" }
}

@Suite struct RegionTests {
    private let gate = ScriptedGate()
    private let house: House

    init() throws {
        let asked = Schema.object([SchemaField("who", .string(max: 40))])
        func route(_ path: String, _ access: RouteAccess, _ clue: RegionClue, refusing: Bool = false) -> Route {
            Route(
                .post, path, name: "r\(path.replacing("/", with: "."))", summary: "r", access: access, limit: .unlimited,
                request: access == .page ? nil : asked, answers: [RouteAnswer(200, "Done", .any), RouteAnswer(303, "On")],
                problems: [CommonProblems.unauthenticated], clue: clue
            ) { _ in
                guard !refusing else { throw CommonProblems.unauthenticated }
                return .json(value: ["here": true])
            }
        }
        house = try House(
            more: [
                route("/r/mail", .open, .address("who")), route("/r/sign-in", .open, .signIn("who")),
                route("/r/refused", .open, .signIn("who"), refusing: true), route("/r/secret", .proof, .secret("who")),
                route("/r/page", .page, .signIn("who")), route("/r/page-refused", .page, .signIn("who"), refusing: true),
                Route(
                    .put, "/r/blob", name: "r.blob", summary: "b", access: .proof, limit: .unlimited,
                    query: [QueryField("tenant", .string(max: 40), "t")], answers: [RouteAnswer(200, "Done", .any)],
                    admits: { _, query, _ throws(Problem) in
                        guard query["tenant"] == "us-1" else { throw CommonProblems.notFound }
                        return 10
                    }, clue: .tenant("tenant")
                ) { _ in .json(value: ["here": true]) },
            ], regions: gate)
    }
    private func form(_ path: String, _ who: String) async -> Reply {
        let page = await house.send("GET", "/page")
        let token = page.text.replacing("<input name=csrf_token value=", with: "").replacing(">", with: "")
        let cookie = page.header("set-cookie")?.prefix { $0 != ";" } ?? ""
        return await house.send(
            "POST", path, ["Cookie": String(cookie), "Content-Type": "application/x-www-form-urlencoded"],
            body: "csrf_token=\(token)&who=\(who)")
    }

    @Test("a token that this region does not know and that names another is taken there, with the client's address and name for us")
    func bearer() async throws {
        let reply = await house.send("GET", "/notes/latest", ["Authorization": "Bearer eu-token", "X-Request-Id": "mine"])
        #expect(reply.status == 200 && reply.header("coditect-region") == "eu")
        let sent = try #require(gate.passed.first)
        #expect(sent.relay.from == .us && sent.relay.to == .eu && sent.relay.address == "203.0.113.9")
        #expect(sent.relay.origin == "http://app.example.com" && sent.relay.requestID == reply.header("x-request-id"))
        #expect(house.calls.count == 0 && house.recorder.answered.last?.isDocumented == true)
        #expect(await house.send("GET", "/notes/latest", ["Authorization": "Bearer alice-token"]).status == 200)
        #expect(await house.send("GET", "/notes/latest", ["Authorization": "Bearer who"]).status == 401)
        // What loopback opens, another region does not.
        #expect(await house.send("GET", "/operator", ["Authorization": "Bearer eu-token"]).status == 401)
        #expect(gate.passed.count == 1)
    }

    @Test("tokens that nobody has proved count against their network when they are passed on")
    func guesses() async {
        for _ in 0..<100 { #expect(await house.send("GET", "/notes/latest", ["Authorization": "Bearer eu-x"]).status == 200) }
        #expect(await house.send("GET", "/notes/latest", ["Authorization": "Bearer eu-x"]).code == "rate_limited")
        #expect(await house.send("GET", "/notes/latest", ["Authorization": "Bearer eu-x"], from: "192.0.2.7").status == 200)
    }

    @Test("clues of the body lead: here it is answered, elsewhere passed on; what is not valid goes nowhere")
    func clues() async {
        for path in ["/r/mail", "/r/sign-in", "/r/secret"] {
            #expect(await house.post(path, #"{"who": "us-1"}"#).json["here"]?.bool == true)
            #expect(await house.post(path, #"{"who": "eu-1"}"#).header("coditect-region") == "eu")
            #expect(await house.post(path, #"{"who": "eu-1", "more": 1}"#).status == 422)
        }
        #expect(gate.passed.count == 3)
    }

    @Test("what was passed on once is not passed on again: two regions that disagree say so")
    func loop() async {
        let relayed = ["Coditect-Relay": "good", "Authorization": "Bearer eu-token"]
        #expect(await house.send("GET", "/notes/latest", relayed).code == "region_mismatch")
        #expect(await house.post("/r/mail", #"{"who": "eu-1"}"#, ["Coditect-Relay": "good"]).code == "region_mismatch")
        #expect(gate.passed.isEmpty)
    }

    @Test("a relay names the client: its address, its name for the platform, its request; nobody who comes by it is local")
    func relay() async throws {
        let headers = ["Coditect-Relay": "good", "Authorization": "Bearer alice-token", "X-Forwarded-For": "10.0.0.1", "Host": "127.0.0.1"]
        let reply = await house.send("GET", "/notes/latest", headers, from: "127.0.0.1")
        let call = try #require(house.calls.last)
        #expect(reply.header("x-request-id") == "of-eu" && call.act.requestID == "of-eu" && call.act.address == "198.51.100.4")
        #expect(call.origin == "https://eu.example.com" && call.isSecure && !call.isLoopback && call.relayedFrom == .eu)
        #expect(await house.send("GET", "/operator", ["Coditect-Relay": "good", "Host": "127.0.0.1"], from: "127.0.0.1").status == 401)
        #expect(await house.send("GET", "/operator", ["Host": "127.0.0.1"], from: "127.0.0.1").status == 200)
        for path in ["/open", "/page", "/notes/latest"] {
            #expect(await house.send("GET", path, ["Coditect-Relay": "forged"]).status == 403)
        }
    }

    @Test("without the directory a sign-in looks here alone; whom it does not let in hears that the directory is away")
    func blind() async {
        #expect(await house.post("/r/sign-in", #"{"who": "lost"}"#).json["here"]?.bool == true)
        let refused = await house.post("/r/refused", #"{"who": "lost"}"#)
        #expect(refused.status == 503 && refused.code == "directory_unavailable" && refused.header("retry-after") == "5")
        #expect(await house.post("/r/refused", #"{"who": "us-1"}"#).status == 401)
        #expect(await house.post("/r/mail", #"{"who": "lost"}"#).code == "directory_unavailable")
        #expect(await form("/r/page-refused", "lost").status == 503)
        #expect(await form("/r/page", "lost").status == 200)
    }

    @Test("a browser is sent to the other region's own address: nothing of its form goes along")
    func browser() async {
        let sent = await form("/r/page", "eu-1")
        #expect(sent.status == 303 && sent.header("location") == "https://eu.example.com/r/page?elsewhere=1")
        #expect(await form("/r/page", "us-1").status == 200)
        #expect(gate.passed.isEmpty)
    }

    @Test("a signed address of another region answers with the right one before a byte of body is taken")
    func files() async {
        #expect(await house.send("PUT", "/r/blob?tenant=us-1", body: "x").status == 200)
        let sent = await house.send("PUT", "/r/blob?tenant=eu-1", body: String(repeating: "x", count: 100_000))
        #expect(sent.status == 307 && sent.header("location") == "https://eu.example.com/r/blob?tenant=eu-1")
        #expect(house.recorder.answered.last?.isDocumented == true)
        #expect(await house.send("PUT", "/r/blob?tenant=us-2", body: "x").status == 404)
        #expect(await house.send("PUT", "/r/blob?tenant=lost", body: "x").code == "directory_unavailable")
        #expect(await house.send("PUT", "/r/blob?tenant=eu-1", ["Coditect-Relay": "good"], body: "x").status == 404)
        #expect(house.edge.bodyLimit(method: "PUT", target: "/r/blob?tenant=eu-1") == 0)
    }
}
