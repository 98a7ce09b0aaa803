import Foundation
import KeyValue
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Limits")
struct LimitTests {
    private func statuses(_ count: Int, _ send: () async -> Reply) async -> [Int] {
        var out: [Int] = []
        for _ in 0..<count { out.append(await send().status) }
        return out
    }
    private let note = "{\"text\":\"x\"}"

    @Test("log-ins and sign-ups count by network, also when they are malformed, and say when to come back")
    func byNetwork() async throws {
        let house = try House()
        for (path, limit) in [("/login", 5), ("/signup", 3)] {
            #expect(await statuses(limit) { await house.post(path, "{", from: "2001:db8::1") } == Array(repeating: 400, count: limit))
            let refused = await house.post(path, note, from: "2001:db8::ffff:2")
            #expect(
                refused.status == 429 && refused.code == "rate_limited" && refused.json["retry_after"] == 60
                    && refused.header("retry-after") == "60")
            #expect(await house.post(path, note, from: "2001:db8:0:1::1").status == 200)
        }
        house.clock.advance(by: .seconds(60))
        #expect(await house.post("/login", note, from: "2001:db8::1").status == 200)
    }

    @Test("a forwarded address does not escape the limit unless its proxy is listed")
    func forwarded() async throws {
        let house = try House()
        var addresses = 0
        let last = await statuses(6) {
            addresses += 1
            return await house.post("/login", note, ["X-Forwarded-For": "198.51.100.\(addresses)"])
        }
        #expect(last == [200, 200, 200, 200, 200, 429])
    }

    @Test("validations and activations count by key, whatever its spelling and the caller's network")
    func byKey() async throws {
        let house = try House()
        func send(_ path: String, _ key: String, _ host: Int) async -> Int {
            await house.post(path, "{\"license_key\":\"\(key)\",\"hardware_id\":\"h\"}", from: "198.51.100.\(host % 250)").status
        }
        let spellings = ["ACME-7Q1V-0K3D", "acme-7qlu-ok3d", " ACME 7Qiv 0K3D ", "ACME7Q1UOK3D"]
        for index in 0..<60 { #expect(await send("/validate", spellings[index % 4], index) == 200) }
        #expect(await send("/validate", "ACME-7Q1V-0K3D", 99) == 429)
        #expect(await send("/validate", "ACME-7Q1V-0K3E", 99) == 200)
        for index in 0..<10 { #expect(await send("/activate", spellings[index % 4], index) == 200) }
        #expect(await send("/activate", "ACME-7Q1V-0K3D", 7) == 429)
    }

    @Test("guessing many keys from one network is limited too")
    func guessing() async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.keysPerMinute, to: 20))
        var index = 0
        let all = await statuses(25) {
            index += 1
            return await house.post("/validate", "{\"license_key\":\"K\(index)\",\"hardware_id\":\"h\"}")
        }
        #expect(all == Array(repeating: 200, count: 20) + Array(repeating: 429, count: 5))
    }

    @Test("everything else counts by user, wherever the user is, and by network for nobody")
    func standard() async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.standardPerMinute, to: 4))
        var host = 0
        let alice = await statuses(6) {
            host += 1
            return await house.send("GET", "/heartbeat", ["Authorization": "Bearer alice-token"], from: "198.51.100.\(host)")
        }
        #expect(alice == [200, 200, 200, 200, 429, 429])
        #expect(await house.send("GET", "/heartbeat", ["Authorization": "Bearer bob-token"], from: "198.51.100.1").status == 200)
        #expect(await statuses(6) { await house.post("/open", note) } == [200, 200, 200, 200, 429, 429])
    }

    @Test("wrong tokens count against the network that sends them")
    func wrongTokens() async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.standardPerMinute, to: 3))
        #expect(
            await statuses(5) { await house.send("GET", "/heartbeat", ["Authorization": "Bearer guess"]) } == [401, 401, 401, 429, 429])
        #expect(await house.send("GET", "/heartbeat", ["Authorization": "Bearer alice-token"]).status == 200)
    }

    @Test("one setting switches all of them off")
    func off() async throws {
        let house = try House(Settings().setting(HTTPEdgeSettings.limitsEnabled, to: false).setting(HTTPEdgeSettings.loginPerMinute, to: 1))
        #expect(await statuses(50) { await house.post("/login", note) }.allSatisfy { $0 == 200 })
    }

    @Test("a tier's own limit stands instead of the standard one")
    func tier() async throws {
        let guards = EdgeGuards(
            authenticator: ScriptedAuthenticator(), authorizer: OwnersOnly(), keyValue: InProcessKeyValue(),
            standardLimit: { $0.role == "owner" ? RateLimit(2, per: .minutes(1)) : nil })
        let edge = try Edge(
            routes: [Route(.get, "/x", name: "x", summary: "", access: .session, answers: []) { _ in Reply(status: 204) }], guards: guards,
            clock: HandClock(), entropy: CountingEntropy(), settings: Settings(), secret: [UInt8](repeating: 1, count: 32),
            observer: SilentObserver())
        func send(_ token: String) async -> Int {
            await edge.respond(to: RawRequest(method: "GET", target: "/x", headers: ["host": "a", "authorization": "Bearer \(token)"]))
                .status
        }
        #expect(
            [await send("alice-token"), await send("alice-token"), await send("alice-token"), await send("bob-token")] == [
                204, 204, 429, 204,
            ])
    }

    @Test("without their store the guards of guessing refuse, the rest goes on")
    func storeDown() async throws {
        struct Down: KeyValue {
            func take(_ key: String, limit: RateLimit, now: Timestamp) async throws -> RateDecision { throw KeyValueFault.full }
            func set(_ key: String, _ value: [UInt8], expires: Timestamp) async throws {}
            func get(_ key: String, now: Timestamp) async throws -> [UInt8]? { nil }
            func remove(_ key: String) async throws {}
        }
        let route = { (path: String, limit: LimitClass) in
            Route(.post, path, name: path, summary: "", access: .open, limit: limit, answers: []) { _ in Reply(status: 204) }
        }
        let edge = try Edge(
            routes: [route("/login", .login), route("/standard", .standard), route("/validate", .validate)],
            guards: EdgeGuards(authenticator: ScriptedAuthenticator(), authorizer: OwnersOnly(), keyValue: Down()), clock: HandClock(),
            entropy: CountingEntropy(), settings: Settings(), secret: [UInt8](repeating: 1, count: 32), observer: SilentObserver())
        for (path, status) in [("/login", 503), ("/validate", 503), ("/standard", 204)] {
            let reply = await edge.respond(to: RawRequest(method: "POST", target: path, headers: ["host": "a"]))
            #expect(reply.status == status, "\(path)")
        }
    }
}

@Suite("Idempotency")
struct IdempotencyTests {
    private let token = ["Authorization": "Bearer alice-token"]
    private func claim(_ house: House, _ path: String, _ body: String, _ headers: [String: String], from address: String = "203.0.113.9")
        async -> IdempotencyClaim?
    {
        let before = house.calls.count
        _ = await house.post(path, body, headers, from: address)
        return house.calls.count > before ? house.calls.last?.act.idempotency : nil
    }

    @Test("a key is claimed for its caller and route, with the fingerprint of the request")
    func claims() async throws {
        let house = try House()
        let note = "{\"text\":\"x\"}"
        let first = try #require(await claim(house, "/notes", note, ["Authorization": "Bearer alice-token", "Idempotency-Key": "k-1"]))
        #expect(first.key == "k-1" && first.fingerprint.count == 32)
        #expect(await claim(house, "/notes", note, ["Authorization": "Bearer alice-token", "Idempotency-Key": "k-1"]) == first)
        let other = try #require(
            await claim(house, "/notes", "{\"text\":\"y\"}", ["Authorization": "Bearer alice-token", "Idempotency-Key": "k-1"]))
        #expect(other.scope == first.scope && other.fingerprint != first.fingerprint)
        let signup = try #require(await claim(house, "/signup", note, ["Idempotency-Key": "k-1"]))
        let elsewhere = try #require(await claim(house, "/signup", note, ["Idempotency-Key": "k-1"], from: "198.51.100.1"))
        #expect(signup.scope != first.scope && signup.scope != elsewhere.scope && signup.fingerprint == elsewhere.fingerprint)
        let keyed = { (key: String) in "{\"license_key\":\"\(key)\",\"hardware_id\":\"h\"}" }
        let device = try #require(await claim(house, "/activate", keyed("AB-12"), ["Idempotency-Key": "k-1"]))
        let moved = try #require(await claim(house, "/activate", keyed("AB-12"), ["Idempotency-Key": "k-1"], from: "198.51.100.1"))
        let stranger = try #require(await claim(house, "/activate", keyed("AB-13"), ["Idempotency-Key": "k-1"]))
        #expect(device.scope == moved.scope && device.scope != stranger.scope && !device.scope.contains("AB"))
    }

    @Test("it counts on routes that create, and not elsewhere")
    func elsewhere() async throws {
        let house = try House()
        #expect(await claim(house, "/notes", "{\"text\":\"x\"}", token) == nil)
        #expect(await house.post("/open", "{\"text\":\"x\"}", ["Idempotency-Key": "k-1"]).status == 200)
        #expect(house.calls.last?.act.idempotency == nil)
    }

    @Test("a malformed key is refused", arguments: ["", "a b", "é", "a\u{7f}", String(repeating: "k", count: 256)])
    func malformed(key: String) async throws {
        let house = try House()
        let reply = await house.post("/notes", "{\"text\":\"x\"}", token.merging(["Idempotency-Key": key]) { _, new in new })
        #expect(reply.status == 400 && reply.code == "malformed_idempotency_key" && house.calls.count == 0)
    }
}
