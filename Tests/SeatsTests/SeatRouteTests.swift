import Foundation
import HTTPEdge
import HookEngine
import KeyValue
import RoomTesting
import Seats
import Synchronization
import Testing
import Vocabulary

/// The room's routes behind the real edge. Tokens are `ROLE-NUMBER`, and `stranger` for an owner of another tenant.
struct SeatEdge: Sendable {
    let house: SeatHouse
    let edge: Edge
    let observer: Watcher

    final class Watcher: EdgeObserver {
        private let seen = Mutex<[AnsweredRequest]>([])
        func answered(_ request: AnsweredRequest) { seen.withLock { $0.append(request) } }
        func faulted(_ error: any Error, requestID: String, route: String?) { Issue.record("\(error)") }
        var undocumented: [String] {
            seen.withLock { $0.filter { !$0.isDocumented }.map { "\($0.route ?? "?") \($0.status) \($0.problem ?? "")" } }
        }
    }
    struct Doorman: Authenticator {
        let house: SeatHouse
        func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller? {
            if token == "stranger" {
                let tenant: TenantID = Identifier(UUID(bytes: [UInt8](repeating: 77, count: 16)))
                return AuthenticatedCaller(principal: house.person(1, tenant: tenant, role: "owner"), tokenID: token)
            }
            let parts = token.split(separator: "-")
            guard parts.count == 2, let number = UInt8(parts[1]) else { return nil }
            return AuthenticatedCaller(principal: house.person(number, role: String(parts[0])), tokenID: token)
        }
        func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller? { nil }
    }
    struct Matrix: Authorizer {
        func require(_ permission: Permission, of principal: Principal, act: Act) async throws {
            let allowed: [String: Set<Permission>] = [
                "owner": Set(SeatPermissions.all), "developer": [SeatPermissions.acquire], "auditor": [SeatPermissions.read],
            ]
            guard allowed[principal.role]?.contains(permission) == true else { throw CommonProblems.forbidden }
        }
    }

    static func make() async throws -> SeatEdge {
        let house = try await SeatHouse.make()
        let observer = Watcher()
        return SeatEdge(
            house: house,
            edge: try Edge(
                routes: house.leases.routes(),
                guards: EdgeGuards(authenticator: Doorman(house: house), authorizer: Matrix(), keyValue: InProcessKeyValue()),
                clock: house.test.clock, entropy: house.test.entropy, settings: Settings(), secret: [UInt8](repeating: 7, count: 32),
                observer: observer), observer: observer)
    }

    @discardableResult
    func send(
        _ method: String, _ path: String, _ body: JSONValue? = nil, as token: String? = "developer-1", key: String? = nil
    ) async throws -> (Int, JSONValue) {
        var headers: HeaderFields = ["host": "app.example.com", "content-type": "application/json"]
        if let token { headers.append("authorization", "Bearer \(token)") }
        if let key { headers.append("idempotency-key", key) }
        let reply = await edge.respond(
            to: RawRequest(
                method: method, target: path, headers: headers, body: body == nil ? Data() : JSONWriter.data(body ?? nil),
                remoteAddress: "203.0.113.9"))
        return (reply.status, (try? JSONReader.read(reply.body)) ?? .null)
    }
    @discardableResult
    func acquire(_ device: String, as token: String = "developer-1", key: String? = nil) async throws -> (Int, JSONValue) {
        try await send(
            "POST", "/api/v1/licenses/acquire",
            ["hardware_id": .string(device), "hostname": "desk", "os": "linux", "version": "1.0"], as: token, key: key)
    }
}

struct SeatRouteTests {
    @Test("a seat's life on the wire: acquire, heartbeat, release, with exactly the contract's members")
    func life() async throws {
        let http = try await SeatEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let (license, _) = try await http.house.license(seats: 2)
        let (status, answer) = try await http.acquire("hw")
        #expect(status == 200)
        let session = try #require(answer["session_id"])
        var members = try #require(answer.object)
        let signature = try #require(members.removeValue(forKey: "signature")?.string)
        #expect(signature.wholeMatch(of: /[0-9a-f]+/) != nil)
        #expect(members.removeValue(forKey: "receipt")?["document"]?["sequence"] == 1)
        #expect(
            JSONValue.object(members) == [
                "license_id": .string(license.description), "session_id": session, "seats_used": 1, "seats_total": 2,
                "expires_at": "2027-01-15T08:06:00Z", "heartbeat_interval": 300, "epoch": 1,
            ])
        http.house.advance(300)
        let (beatStatus, beat) = try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": session])
        #expect(beatStatus == 200)
        #expect(beat == ["status": "ok", "expires_in": 360, "epoch": 1])
        http.house.advance(400)
        let (_, late) = try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": session, "epoch": 1])
        var revived = try #require(late.object)
        #expect(revived.removeValue(forKey: "receipt")?["document"]?["act"] == "resurrected")
        #expect(JSONValue.object(revived) == ["status": "ok", "expires_in": 360, "epoch": 2, "resurrected": true])
        let (old, superseded) = try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": session, "epoch": 1])
        #expect(old == 409)
        #expect(superseded["error"] == "superseded")
        for _ in 0..<2 {
            let (code, released) = try await http.send("POST", "/api/v1/licenses/release", ["session_id": session])
            #expect(code == 200)
            #expect(released == ["status": "released"])
        }
        let (after, problem) = try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": session])
        #expect(after == 409)
        #expect(problem["error"] == "lease_released")
    }

    @Test("refusals on the wire: full, denied by policy, without licence, without right, malformed")
    func refusals() async throws {
        let http = try await SeatEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        #expect(try await http.acquire("hw").1["error"] == "no_license")
        try await http.house.license(seats: 1)
        try await http.acquire("hw")
        let (full, problem) = try await http.acquire("hw-2")
        #expect(full == 429)
        #expect(problem["error"] == "no_seats_available")
        #expect(problem["seats_used"] == 1)
        #expect(problem["seats_total"] == 1)
        #expect(problem["retry_after"] == 360)
        http.house.hooks.script("on_seat_request", .deny(reason: "outside_hours", retryAfterSeconds: 60))
        let (denied, why) = try await http.acquire("hw-2")
        #expect(denied == 403)
        #expect(why["error"] == "policy_denied")
        #expect(why["reason"] == "outside_hours")
        #expect(try await http.acquire("hw-2", as: "auditor-3").0 == 403)
        #expect(try await http.send("POST", "/api/v1/licenses/acquire", ["hostname": "x"]).0 == 422)
        #expect(try await http.send("POST", "/api/v1/licenses/acquire", ["hardware_id": "x", "license_id": "1"]).0 == 422)
        #expect(
            try await http.send("POST", "/api/v1/licenses/acquire", ["hardware_id": .string(String(repeating: "x", count: 300))]).0 == 422)
        #expect(try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": "nonsense"]).0 == 422)
        #expect(try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": "nonsense"], as: nil).0 == 401)
        let unknown: JSONValue = ["session_id": "00000000-0000-7000-8000-000000000000"]
        #expect(try await http.send("POST", "/api/v1/licenses/heartbeat", unknown).0 == 404)
        #expect(try await http.send("POST", "/api/v1/licenses/release", unknown).0 == 404)
    }

    @Test("operators see who holds what and end it with a reason; others see their own, another tenant nothing")
    func operators() async throws {
        let http = try await SeatEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        try await http.house.license(seats: 3)
        let session = try #require(try await http.acquire("a").1["session_id"]?.string)
        http.house.advance(1)
        try await http.acquire("b", as: "developer-2")
        let (status, all) = try await http.send("GET", "/api/v1/sessions", as: "auditor-9")
        #expect(status == 200)
        #expect(all["sessions"]?.array?.count == 2)
        #expect(all["sessions"]?.array?.first?["hostname"] == "desk")
        #expect(try await http.send("GET", "/api/v1/sessions").0 == 403)
        let (_, own) = try await http.send("GET", "/api/v1/sessions/own")
        #expect(own["sessions"]?.array?.map { $0["session_id"]?.string } == [session])
        #expect(try await http.send("GET", "/api/v1/sessions", as: "stranger").1["sessions"] == [])

        let release = "/api/v1/sessions/\(session)/release"
        #expect(try await http.send("POST", release, ["reason": "demo"]).0 == 403)
        #expect(try await http.send("POST", release, ["reason": "demo"], as: "stranger").0 == 404)
        #expect(try await http.send("POST", release, ["reason": ""], as: "owner-5").0 == 422)
        #expect(try await http.send("POST", release, ["reason": "demo"], as: "owner-5").1["receipt"]?["document"]?["act"] == "forced")
        let (told, why) = try await http.send("POST", "/api/v1/licenses/heartbeat", ["session_id": .string(session)])
        #expect(told == 409)
        #expect(why["error"] == "lease_ended_by_operator")
        #expect(why["reason"] == "demo")
        let (_, history) = try await http.send("GET", "/api/v1/sessions/history", as: "auditor-9")
        #expect(history["sessions"]?.array?.map { $0["end_reason"]?.string } == ["forced"])
        #expect(history["sessions"]?.array?.map { $0["note"]?.string } == ["demo"])
    }

    @Test("an Idempotency-Key repeats the very answer of acquire")
    func idempotency() async throws {
        let http = try await SeatEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        try await http.house.license(seats: 3)
        let first = try await http.acquire("a", key: "k-1")
        http.house.advance(10)
        let again = try await http.acquire("a", key: "k-1")
        #expect(first.1 == again.1)
        #expect(try await http.acquire("b", key: "k-1").0 == 422)
    }
}
