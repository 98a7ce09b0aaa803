import Foundation
import HTTPEdge
import KeyValue
import Licensing
import RoomTesting
import Store
import Synchronization
import Testing
import Vocabulary

/// The room's routes behind the real edge, with people proved by simple tokens.
struct LicenseEdge: Sendable {
    let house: LicenseHouse
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
    /// `owner`, `auditor` of the tenant; `stranger`, owner of another; `staff` of the platform.
    struct Doorman: Authenticator {
        let tenant: TenantID
        func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller? {
            guard ["owner", "auditor", "stranger", "staff"].contains(token) else { return nil }
            let id = UUID(bytes: [UInt8](repeating: token == "owner" ? 1 : 2, count: 16))
            let principal = Principal(
                user: Identifier(id), tenant: ["stranger", "staff"].contains(token) ? Identifier(id) : tenant, membership: Identifier(id),
                session: Identifier(id), role: token == "stranger" ? "owner" : token)
            return AuthenticatedCaller(principal: principal, tokenID: token)
        }
        func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller? { nil }
    }
    struct Matrix: Authorizer {
        func require(_ permission: Permission, of principal: Principal, act: Act) async throws {
            if principal.role == "auditor", permission != LicensePermissions.read { throw CommonProblems.forbidden }
            if (principal.role == "staff") != (permission == LicensePermissions.staff) { throw CommonProblems.forbidden }
        }
    }

    static func make() async throws -> LicenseEdge {
        let house = try await LicenseHouse.make()
        let observer = Watcher()
        return LicenseEdge(
            house: house,
            edge: try Edge(
                routes: house.licenses.routes(),
                guards: EdgeGuards(authenticator: Doorman(tenant: house.tenant), authorizer: Matrix(), keyValue: InProcessKeyValue()),
                clock: house.test.clock, entropy: house.test.entropy, settings: Settings(), secret: [UInt8](repeating: 7, count: 32),
                observer: observer), observer: observer)
    }

    func send(_ method: String, _ path: String, _ body: JSONValue? = nil, as token: String? = nil) async throws -> (Int, JSONValue) {
        var headers: HeaderFields = ["host": "app.example.com", "content-type": "application/json"]
        if let token { headers.append("authorization", "Bearer \(token)") }
        let reply = await edge.respond(
            to: RawRequest(
                method: method, target: path, headers: headers, body: body == nil ? Data() : JSONWriter.data(body ?? nil),
                remoteAddress: "203.0.113.9"))
        return (reply.status, (try? JSONReader.read(reply.body)) ?? .null)
    }
}

struct LicenseRouteTests {
    @Test("validate answers 200 with exactly the documented members, whatever the key is worth")
    func validate() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let detail = try await http.house.issued(tier: "pilot_starter", quantity: 1)
        let request: JSONValue = ["license_key": .string(detail.key), "hardware_id": "hw", "version": "1.0"]
        let (status, answer) = try await http.send("POST", "/api/v1/licenses/validate", request)
        #expect(status == 200)
        #expect(
            answer == [
                "valid": true, "code": "not_activated", "file": nil,
                "license": [
                    "id": .string(detail.license.id.description), "tier": "pilot_starter", "status": "active",
                    "expires_at": "2027-02-14T08:00:00Z", "features": [:], "max_activations": 1, "activations": 0,
                    "offline_until": "2027-01-18T08:00:00Z",
                ],
            ])
        let (badStatus, bad) = try await http.send("POST", "/api/v1/licenses/validate", ["license_key": "nonsense", "hardware_id": "hw"])
        #expect(badStatus == 200)
        #expect(bad == ["valid": false, "code": "malformed_key", "license": nil, "file": nil])
    }

    @Test("activate and deactivate answer activation, licence and file; over the limit it is 409 with the figures")
    func activate() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let key = try await http.house.issued(tier: "pilot_starter", quantity: 1).key
        func body(_ hardware: String) -> JSONValue {
            ["license_key": .string(key), "hardware_id": .string(hardware), "machine_name": "desk"]
        }
        let (status, answer) = try await http.send("POST", "/api/v1/licenses/activate", body("hw"))
        #expect(status == 200)
        #expect(answer["activation"]?["machine_name"] == "desk")
        #expect(answer["activation"]?["activated_at"] == "2027-01-15T08:00:00Z")
        #expect(answer["license"]?["activations"] == 1)
        #expect(answer["file"]?["license"]?["kind"] == "license-file.v1")
        #expect(answer["file"]?["license"]?["offline_until"] == "2027-01-18T08:00:00Z")
        let (full, problem) = try await http.send("POST", "/api/v1/licenses/activate", body("hw-2"))
        #expect(full == 409)
        #expect(problem["error"] == "activation_limit_reached")
        #expect(problem["max_activations"] == 1)
        let (off, gone) = try await http.send("POST", "/api/v1/licenses/deactivate", body("hw"))
        #expect(off == 200)
        #expect(gone["file"] == .null)
        #expect(gone["activation"]?["deactivated_at"] == "2027-01-15T08:00:00Z")
        #expect(try await http.send("POST", "/api/v1/licenses/deactivate", body("hw")).0 == 404)
        #expect(try await http.send("POST", "/api/v1/licenses/activate", ["license_key": "x", "hardware_id": "hw"]).0 == 422)
        #expect(try await http.send("POST", "/api/v1/licenses/activate", ["license_key": .string(key)]).0 == 422)
    }

    @Test("the list has no keys; one licence with its key is for those who may see it, and another tenant's is not there")
    func licenses() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let detail = try await http.house.issued()
        let path = "/api/v1/licenses/\(detail.license.id)"
        let (status, list) = try await http.send("GET", "/api/v1/licenses", as: "auditor")
        #expect(status == 200)
        #expect(list["licenses"]?.array?.count == 1)
        #expect(list["licenses"]?.array?.first?["key"] == nil)
        #expect(list["licenses"]?.array?.first?["seats"] == 2)
        #expect(list["next_cursor"] == .null)
        #expect(try await http.send("GET", path, as: "owner").1["license"]?["key"] == .string(detail.key))
        #expect(try await http.send("GET", path, as: "auditor").0 == 403)
        #expect(try await http.send("GET", "\(path)/activations", as: "auditor").0 == 200)
        for path in [path, "\(path)/activations"] { #expect(try await http.send("GET", path, as: "stranger").0 == 404) }
        #expect(try await http.send("GET", path).0 == 401)
        #expect(try await http.house.journal().filter { $0 == "license.key_shown" }.count == 2)
    }

    @Test("pages of licences and devices follow by their cursors")
    func pages() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let detail = try await http.house.issued(quantity: 5)
        for device in 0..<5 {
            http.house.test.clock.advance(by: .seconds(1))
            _ = try await http.house.licenses.activate(
                key: detail.key, hardwareID: "hw-\(device)", machineName: "m\(device)", http.house.act(.anonymous))
            _ = try await http.house.issued()
        }
        for (path, name, count) in [
            ("/api/v1/licenses", "licenses", 6), ("/api/v1/licenses/\(detail.license.id)/activations", "activations", 5),
        ] {
            var seen: Set<String> = []
            var cursor = ""
            repeat {
                let (status, page) = try await http.send("GET", "\(path)?limit=2\(cursor)", as: "owner")
                #expect(status == 200)
                for item in page[name]?.array ?? [] { seen.insert(item["id"]?.string ?? "") }
                cursor = page["next_cursor"]?.string.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(seen.count == count)
        }
    }

    @Test("a licence is revoked with a reason, for good, by those who may; validate says so first, and nothing brings it back")
    func revoke() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let house = http.house
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        let detail = try await house.licenses.reveal(
            try await house.licenses.list(house.tenant).licenses[0].id, tenant: house.tenant, house.act())
        let path = "/api/v1/licenses/\(detail.license.id)/revoke"
        let why: JSONValue = ["reason": " key leaked "]
        #expect(try await http.send("POST", path, why).0 == 401)
        #expect(try await http.send("POST", path, why, as: "auditor").0 == 403)
        #expect(try await http.send("POST", path, why, as: "stranger").0 == 404)
        for body: JSONValue in [[:], ["reason": ""], ["reason": "  "], ["reason": 5], ["reason": "x", "until": "later"]] {
            #expect(try await http.send("POST", path, body, as: "owner").0 == 422, "\(body)")
        }
        #expect(try await house.licenses.list(house.tenant).licenses[0].status(at: house.now) == .active)
        _ = try await http.send("POST", "/api/v1/licenses/activate", ["license_key": .string(detail.key), "hardware_id": "hw"])

        let (status, answer) = try await http.send("POST", path, why, as: "owner")
        #expect(status == 200)
        #expect(
            answer == [
                "license": [
                    "id": .string(detail.license.id.description), "tier": "team", "tier_name": "Team", "status": "revoked",
                    "expires_at": "2027-02-14T08:00:00Z", "features": ["private_projects": true], "limits": ["projects": nil], "seats": 2,
                    "max_activations": 4, "issued_at": "2027-01-15T08:00:00Z",
                ]
            ])
        #expect(try await http.send("POST", path, ["reason": "again"], as: "owner").1 == answer)
        // Billing goes on as if nothing had been: renewed, lapsed and paid again.
        for (version, standing) in [(2, StandingChanged.Standing.active), (3, .suspended), (4, .active)] {
            try await house.licenses.apply(house.standing(subscription, version: Int64(version), standing, days: 90), house.act())
        }
        let checked = try await http.send("POST", "/api/v1/licenses/validate", ["license_key": .string(detail.key), "hardware_id": "hw"]).1
        #expect(checked["valid"] == false && checked["code"] == "revoked" && checked["file"] == .null)
        let activated = try await http.send("POST", "/api/v1/licenses/activate", ["license_key": .string(detail.key), "hardware_id": "hw"])
        #expect(activated.0 == 403 && activated.1["error"] == "license_revoked")
        let entries = try await house.test.store.tenantRead(house.tenant) { db in
            try db.rows(SQL("test.revoked", "SELECT details FROM journal_entry WHERE action = 'license.revoked'")).map { try $0.text(0) }
        }
        #expect(entries.count == 1 && entries[0].contains("key leaked") && !entries[0].contains("again"))
        let heard = try await house.heard()
        #expect(heard.filter { $0.topic == LicenseRevoked.topic }.map { $0.json["reason"] } == ["key leaked"])
        #expect(heard.filter { $0.json["template"] == "license_revoked" }.count == 1)
    }

    @Test("sixteen revocations at once are one, and one that meets renewals and activations wins for good")
    func revocationRaces() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1, quantity: 50), house.act())
        let detail = try await house.licenses.reveal(
            try await house.licenses.list(house.tenant).licenses[0].id, tenant: house.tenant, house.act())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
                group.addTask {
                    try await house.licenses.revoke(detail.license.id, tenant: house.tenant, reason: "r\(number)", house.act())
                }
                group.addTask {
                    try await house.licenses.apply(house.standing(subscription, version: Int64(number) + 2, days: 60), house.act())
                }
                group.addTask {
                    _ = try? await house.licenses.activate(
                        key: detail.key, hardwareID: "hw-\(number)", machineName: nil, house.act(.anonymous))
                }
            }
            try await group.waitForAll()
        }
        #expect(try await house.licenses.list(house.tenant).licenses[0].status(at: house.now) == .revoked)
        let journal = try await house.journal()
        #expect(journal.filter { $0 == "license.revoked" }.count == 1)
        let last = try #require(journal.lastIndex(of: "license.revoked"))
        #expect(!journal[last...].contains("device.activated"), "a revoked licence was activated")
    }

    @Test("the platform's own people see and revoke any tenant's licences; a tenant's owner may not, and the tenant reads who looked")
    func staff() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        let detail = try await http.house.issued()
        let path = "/api/v1/admin/tenants/\(http.house.tenant)/licenses"
        #expect(try await http.send("GET", path, as: "owner").0 == 403)
        #expect(try await http.send("POST", "\(path)/\(detail.license.id)/revoke", ["reason": "x"], as: "owner").0 == 403)
        #expect(try await http.send("GET", path).0 == 401)
        #expect(try await http.house.journal().filter { $0 == "license.seen_by_staff" }.isEmpty)
        let (status, list) = try await http.send("GET", path, as: "staff")
        #expect(status == 200 && list["licenses"]?.array?.first?["id"] == .string(detail.license.id.description))
        #expect(list["licenses"]?.array?.first?["key"] == nil)
        let nobody: TenantID = http.house.test.entropy.id(http.house.now)
        #expect(try await http.send("GET", "/api/v1/admin/tenants/\(nobody)/licenses", as: "staff").1["licenses"] == .array([]))
        #expect(
            try await http.send(
                "POST", "/api/v1/admin/tenants/\(nobody)/licenses/\(detail.license.id)/revoke", ["reason": "x"], as: "staff"
            ).0 == 404)
        let (ended, answer) = try await http.send("POST", "\(path)/\(detail.license.id)/revoke", ["reason": "chargeback"], as: "staff")
        #expect(ended == 200 && answer["license"]?["status"] == "revoked")
        #expect(try await http.house.journal().suffix(2) == ["license.seen_by_staff", "license.revoked"])
    }

    @Test(
        "what staff suspends works no more, whatever is paid, until staff lets go; each step is journalled and mailed once, with its reason"
    )
    func heldByStaff() async throws {
        let http = try await LicenseEdge.make()
        let house = http.house
        defer { #expect(http.observer.undocumented == []) }
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        let detail = try await house.licenses.reveal(
            try await house.licenses.list(house.tenant).licenses[0].id, tenant: house.tenant, house.act())
        let path = "/api/v1/admin/tenants/\(house.tenant)/licenses/\(detail.license.id)"
        let why: JSONValue = ["reason": "chargeback, ticket 4711"]
        for verb in ["suspend", "reinstate"] {
            #expect(try await http.send("POST", "\(path)/\(verb)", why).0 == 401)
            #expect(try await http.send("POST", "\(path)/\(verb)", why, as: "owner").0 == 403)
            #expect(try await http.send("POST", "\(path)/\(verb)", ["reason": " "], as: "staff").0 == 422)
        }
        let held = try await http.send("POST", "\(path)/suspend", why, as: "staff")
        #expect(held.0 == 200 && held.1["license"]?["status"] == "suspended")
        #expect(try await http.send("POST", "\(path)/suspend", ["reason": "again"], as: "staff").1 == held.1)
        // Billing goes on as if nothing had been, and so do a customer's leaving and coming back.
        for (version, standing) in [(2, StandingChanged.Standing.active), (3, .suspended), (4, .active)] {
            try await house.licenses.apply(house.standing(subscription, version: Int64(version), standing, days: 90), house.act())
            #expect(try await house.licenses.list(house.tenant).licenses[0].status(at: house.now) == .suspended)
        }
        let keyed: JSONValue = ["license_key": .string(detail.key), "hardware_id": "hw"]
        #expect(try await http.send("POST", "/api/v1/licenses/activate", keyed).1["error"] == "license_suspended")
        let seat = try await house.test.store.tenantRead(house.tenant) { db in try house.licenses.seatLicense(detail.license.id, in: db) }
        #expect(seat?.status(at: house.now) == .suspended)

        let free = try await http.send("POST", "\(path)/reinstate", ["reason": "settled"], as: "staff")
        #expect(free.1["license"]?["status"] == "active" && free.1["license"]?["expires_at"] == "2027-04-15T08:00:00Z")
        #expect(try await http.send("POST", "\(path)/reinstate", ["reason": "again"], as: "staff").1 == free.1)
        #expect(try await http.send("POST", "/api/v1/licenses/activate", keyed).0 == 200)
        let steps = try await house.journal().filter { ["license.suspended", "license.reinstated"].contains($0) }
        #expect(steps == ["license.suspended", "license.reinstated"])
        let mails = try await house.heard().filter { $0.topic == MailRequested.topic && $0.json["template"] != "license_issued" }
        let told = mails.compactMap { mail in mail.json["template"]?.string.map { ($0, mail.json["values"]?["reason"]?.string) } }
        #expect(told.count == 2)
        #expect(Dictionary(told) { _, last in last } == ["license_suspended": "chargeback, ticket 4711", "license_reinstated": "settled"])
        try await house.licenses.revoke(detail.license.id, tenant: house.tenant, reason: "over", house.act())
        #expect(try await http.send("POST", "\(path)/suspend", why, as: "staff").1["error"] == "license_revoked")
    }

    @Test("features are for every signed-in user, the public keys for everybody")
    func open() async throws {
        let http = try await LicenseEdge.make()
        defer { #expect(http.observer.undocumented == []) }
        _ = try await http.house.issued()
        let (status, answer) = try await http.send("GET", "/api/v1/licenses/features", as: "owner")
        #expect(status == 200)
        #expect(answer == ["features": ["private_projects": true], "limits": ["projects": nil]])
        #expect(try await http.send("GET", "/api/v1/licenses/features").0 == 401)
        #expect(try await http.send("GET", "/.well-known/coditect/license-keys.json").1 == ["keys": []])
    }
}
