import Foundation
import KeyValue
import Testing
import Vocabulary

@testable import HTTPEdge

/// Not a judgement but a ruler: `CODITECT_MEASURE=1`, with an optimised build, prints what one request costs in process.
@Suite("What a request costs", .enabled(if: ProcessInfo.processInfo.environment["CODITECT_MEASURE"] != nil))
struct CostTests {
    private func measure(_ name: String, _ rounds: Int = 50_000, _ body: () async throws -> Void) async rethrows {
        for _ in 0..<rounds / 10 { try await body() }
        let start = SystemClock().monotonic()
        for _ in 0..<rounds { try await body() }
        let span = SystemClock().monotonic() - start
        print("measured", name, Double(span.microseconds) / Double(rounds), "µs")
    }

    @Test("a trivial route, an authenticated JSON POST, and their parts")
    func requests() async throws {
        let body = "{\"session_id\":\"018f1b2c-7a3b-7c4d-8e5f-0123456789ab\"}"
        struct Heartbeat: Decodable { let session_id: String }
        let schema = Schema.object([SchemaField("session_id", .string(min: 36, max: 36, format: .uuid))])
        let routes = [
            Route(.get, "/hello", name: "m.hello", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
                .json(value: ["hello": "world"])
            },
            Route(.post, "/heartbeat", name: "m.heartbeat", summary: "", access: .lease, request: schema, answers: [RouteAnswer(200, "")]) {
                call in
                let beat = try call.decode(Heartbeat.self)
                return .json(value: ["status": .string(beat.session_id.isEmpty ? "" : "ok"), "expires_in": 360])
            },
        ]
        let edge = try Edge(
            routes: routes,
            guards: EdgeGuards(authenticator: ScriptedAuthenticator(), authorizer: OwnersOnly(), keyValue: InProcessKeyValue()),
            clock: SystemClock(), entropy: SystemEntropy(), settings: Settings().setting(HTTPEdgeSettings.standardPerMinute, to: 100_000),
            secret: [UInt8](repeating: 1, count: 32), observer: SilentObserver())
        let common = [("host", "127.0.0.1:8080"), ("user-agent", "wrk/4.1"), ("accept", "*/*")].map { (name: $0.0, value: $0.1) }
        let get = RawRequest(method: "GET", target: "/hello", headers: HeaderFields(common))
        let post = RawRequest(
            method: "POST", target: "/heartbeat",
            headers: HeaderFields(
                common
                    + [("authorization", "Bearer alice-token"), ("content-type", "application/json"), ("content-length", "53")].map {
                        (name: $0.0, value: $0.1)
                    }),
            body: Data(body.utf8))
        await measure("trivial GET") { _ = await edge.respond(to: get) }
        await measure("authenticated JSON POST") { #expect(await edge.respond(to: post).status != 500) }
        let data = Data(body.utf8)
        let compiled = try CompiledSchema(schema)
        let value = try JSONReader.read(data)
        let keyValue = InProcessKeyValue()
        let (ids, incoming, rules) = (RequestIDs(SystemEntropy()), try Incoming(post.headers), try EdgeRules(Settings()))
        try await measure("read JSON") { _ = try JSONReader.read(data) }
        await measure("check schema") { _ = compiled.check(value) }
        try await measure("JSONDecoder") { _ = try JSONDecoder().decode(Heartbeat.self, from: data) }
        try await measure("take limit") { _ = try await keyValue.take("user:alice", limit: RateLimit(100, per: .minutes(1)), now: moment) }
        await measure("request id") { _ = ids.next(moment) }
        try await measure("headers") { _ = try Incoming(post.headers) }
        try await measure("provenance") { _ = try Provenance(post, incoming: incoming, rules: rules) }
        try await measure("match") { _ = try edge.trie.find(Target("/heartbeat", host: nil)) }
        await measure("problem") { _ = ProblemBody.json(CommonProblems.notFound, requestID: "018f1b2c-7a3b-7c4d-8e5f-0123456789ab") }
    }
}
