import Foundation
import PlatformTesting
import PluginKit
import RoomTesting
import Signing
import Synchronization
import Testing
import Vocabulary

@testable import Composition

/// Carries what regions pass on to each other, and shows it.
final class Switchboard: OutboundHTTP {
    private let state = Mutex<(platforms: [String: TestPlatform], sent: [OutboundRequest], down: Set<String>)>(([:], [], []))
    var sent: [OutboundRequest] { state.withLock { $0.sent } }
    func plug(_ url: String, _ platform: TestPlatform) { state.withLock { $0.platforms[url] = platform } }
    func unplug() { state.withLock { $0.platforms = [:] } }
    func set(_ url: String, down: Bool) { state.withLock { state in if down { state.down.insert(url) } else { state.down.remove(url) } } }

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        let found = state.withLock { state -> (TestPlatform, String)? in
            state.sent.append(request)
            guard let url = state.platforms.keys.first(where: { request.url.hasPrefix("\($0)/") }), !state.down.contains(url) else {
                return nil
            }
            return state.platforms[url].map { ($0, url) }
        }
        guard let (platform, url) = found else { throw OutboundFailure.unsent("no connection") }
        let reply = await platform.take(request, at: url)
        let headers = Dictionary(reply.headers) { "\($0), \($1)" }
        guard reply.body.count <= request.maxAnswerBytes else { throw OutboundClient.tooLong(request) }
        return OutboundResponse(status: reply.status, headers: headers, body: reply.body)
    }
}

extension TestPlatform {
    fileprivate func mailCount(to address: String) throws -> Int {
        let folder = data.appendingPathComponent("mailbox")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .count { try String(contentsOf: $0, encoding: .utf8).contains(address) }
    }
    /// As another region's request arrives on the inner network.
    func take(_ request: OutboundRequest, at url: String, changing: (inout [String: String]) -> Void = { _ in }) async -> Answer {
        var headers = request.headers
        changing(&headers)
        return await call(
            request.method, String(request.url.dropFirst(url.count)), headers: headers.merging(["host": "10.0.0.9"]) { $1 },
            raw: request.body)
    }
}

/// us, eu and apac in one process, over databases of their own and one directory.
final class RegionWorld: Sendable {
    let board = Switchboard()
    let clock = ManualClock()
    let folder: URL
    let us: TestPlatform
    let eu: TestPlatform
    let apac: TestPlatform

    static func url(_ region: Region) -> String { "http://\(region.rawValue).test" }

    static func yaml(_ region: Region, _ folder: URL, directory: String? = nil, more: String = "") -> String {
        let places = Region.allCases.map { "  \($0.rawValue): {url: '\(url($0))'}" }.joined(separator: "\n")
        return """
            tenancy: {region: \(region.rawValue)}
            http: {public_url: '\(url(region))', limit_login_per_minute: 1000, limit_signup_per_minute: 1000}
            regions:
              directory: \(directory ?? folder.appendingPathComponent("directory.db").path)
              directory_key_file: \(folder.path)/directory.key
              relay_key_files: [\(folder.path)/relay.key]
            \(more)\(places)
            """
    }

    init() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("regions-\(UUID().uuidString)")
        self.folder = folder
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["directory", "relay"] {
            let file = folder.appendingPathComponent("\(name).key")
            _ = FileManager.default.createFile(
                atPath: file.path, contents: Data(Hex.encode(SystemEntropy().bytes(32)).utf8), attributes: [.posixPermissions: 0o600])
        }
        let (board, clock) = (board, clock)
        func open(_ region: Region) async throws -> TestPlatform {
            let platform = try await TestPlatform.open(yaml: Self.yaml(region, folder), clock: clock) { $0.outside.regions = board }
            board.plug(Self.url(region), platform)
            return platform
        }
        us = try await open(.us)
        eu = try await open(.eu)
        apac = try await open(.apac)
    }
    deinit { try? FileManager.default.removeItem(at: folder) }

    var all: [TestPlatform] { [us, eu, apac] }
    func close() async {
        board.unplug()
        for platform in all { await platform.close() }
    }
    /// Signed up in a region through a door, verified and signed in through that door.
    func member(_ email: String, of region: Region, at home: TestPlatform, through door: TestPlatform) async throws -> String {
        guard case .object(var form) = Customer.form(email) else { throw OutboundFailure.forbidden("no form") }
        form["region"] = .string(region.rawValue)
        #expect(await door.call("POST", "/api/v1/auth/signup", .object(form)).status == 201)
        try await home.runDue()
        let token = try home.mailToken(to: email)
        #expect(token.hasSuffix(".\(region.rawValue)"))
        #expect(await door.call("POST", "/api/v1/auth/verify-email", ["token": .string(token)]).status == 200)
        let login = await door.call("POST", "/api/v1/auth/login", Self.credentials(email))
        return try #require(login["access_token"]?.string, "\(login.text)")
    }
    static func credentials(_ email: String, _ password: String = Customer.password) -> JSONValue {
        ["email": .string(email), "password": .string(password)]
    }
}

@Suite struct RegionTests {
    @Test("a life in one region through another's door: passed on once each, signed, with the client's address and without cookies")
    func doors() async throws {
        let world = try await RegionWorld()
        let token = try await world.member("ada@example.com", of: .eu, at: world.eu, through: world.us)
        let seen = await world.us.call("GET", "/api/v1/users/me", token: token, headers: ["cookie": "session=x", "x-other": "y"])
        #expect(seen.status == 200 && seen["email"]?.string == "ada@example.com")
        #expect(seen.headers.contains { $0.0 == "coditect-region" && $0.1 == "eu" })
        #expect(seen.headers.count { $0.0 == "x-request-id" } == 1)
        let sent = try #require(world.board.sent.last)
        #expect(sent.url == "http://eu.test/api/v1/users/me" && sent.headers["cookie"] == nil && sent.headers["x-other"] == nil)
        #expect(sent.headers["authorization"] == "Bearer \(token)" && sent.headers["coditect-relay"] != nil)
        #expect(await world.apac.call("GET", "/api/v1/users/me", token: token).status == 200)
        #expect(await world.eu.call("GET", "/api/v1/users/me", token: token).headers.allSatisfy { $0.0 != "coditect-region" })
        // The session was opened for the client's own address, not for the region's that passed it on.
        let sessions = await world.us.call("GET", "/api/v1/auth/sessions", token: token)
        #expect(sessions["sessions"]?.array?.first?["address"]?.string == "127.0.0.1")
        #expect(await world.us.call("HEAD", "/api/v1/users/me", token: token).body.isEmpty)
        let listed = await world.apac.call("GET", "/api/v1/regions")
        #expect(listed["home"]?.string == "apac" && listed["regions"]?.array?.map { $0["id"]?.string } == ["us", "eu", "apac"])
        await world.close()
    }

    @Test("a relay holds for its method, target, body, headers, region and minute, and for no other")
    func forgeries() async throws {
        let world = try await RegionWorld()
        let token = try await world.member("ada@example.com", of: .eu, at: world.eu, through: world.us)
        _ = await world.us.call("PATCH", "/api/v1/users/me", ["first_name": "Augusta"], token: token)
        let good = try #require(world.board.sent.last)
        let eu = RegionWorld.url(.eu)
        func refused(_ what: String, _ platform: TestPlatform? = nil, _ change: (inout OutboundRequest) -> Void) async {
            var request = good
            change(&request)
            let answer = await (platform ?? world.eu).take(request, at: eu)
            #expect(answer.status == 403 && answer["error"]?.string == "relay_refused", "\(what): \(answer.status) \(answer.text)")
        }
        #expect(await world.eu.take(good, at: eu).status == 200)
        await refused("method") { $0.method = "POST" }
        await refused("target") { $0.url = "http://eu.test/api/v1/users/me?x=1" }
        await refused("body") { $0.body = Data(#"{"first_name":"Mallory"}"#.utf8) }
        await refused("token") { $0.headers["authorization"] = "Bearer other" }
        await refused("a header more") { $0.headers["idempotency-key"] = "k" }
        await refused("a header less") { $0.headers["content-type"] = nil }
        await refused("another region", world.apac) { _ in }
        await refused("its sender", world.us) { _ in }
        let relay = try #require(good.headers["coditect-relay"])
        let parts = relay.split(separator: ".").map(String.init)
        for text in [
            "", ".", parts[0], "\(parts[0]).", "\(parts[0]).\(String(repeating: "0", count: 64))", "\(relay).\(parts[1])",
            "\(relay)\(relay)",
            "\(parts[0]).\(parts[1].uppercased())x", String(repeating: "a", count: 5_000) + ".00",
        ] {
            await refused("\(text.prefix(80))") { $0.headers["coditect-relay"] = text }
        }
        world.clock.advance(by: .seconds(61))
        await refused("stale") { _ in }
        await world.close()
    }

    @Test("questions between regions are nobody else's, and a told digest mails the person at home")
    func questions() async throws {
        let world = try await RegionWorld()
        _ = try await world.member("ada@example.com", of: .eu, at: world.eu, through: world.eu)
        for path in ["told", "license-key"] {
            let body: JSONValue = path == "told" ? ["mail_digest": .string(String(repeating: "0", count: 64))] : ["license_key": "X-1"]
            #expect(await world.eu.call("POST", "/api/v1/regions/\(path)", body).status == 404)
        }
        try await world.eu.runDue()
        let mails = try world.eu.mailCount(to: "ada@example.com")
        let fresh = await world.us.call("POST", "/api/v1/auth/signup", Customer.form("new@example.com"))
        let known = await world.us.call("POST", "/api/v1/auth/signup", Customer.form("ada@example.com"))
        #expect(fresh.status == 201 && known.status == 201 && fresh["message"] == known["message"])
        try await world.us.runDue()
        try await world.eu.runDue()
        #expect(try world.eu.mailCount(to: "ada@example.com") == mails + 1)
        #expect(try world.us.mailCount(to: "ada@example.com") == 0)
        await world.close()
    }

    @Test("sign-ins by addresses of nobody, of here and of elsewhere go as far and are answered alike")
    func alike() async throws {
        let world = try await RegionWorld()
        var ways: [String: Int] = [:]
        var first: JSONValue?
        for number in 0..<30 {
            let email = "nobody\(number)@example.com"
            var seen: Set<Int> = []
            for _ in 0..<2 {
                let before = world.board.sent.count
                let answer = await world.us.call("POST", "/api/v1/auth/login", RegionWorld.credentials(email))
                #expect(answer.status == 401)
                guard case .object(var body) = answer.json else { continue }
                body["request_id"] = nil
                if first == nil { first = .object(body) }
                #expect(first == .object(body))
                seen.insert(world.board.sent.count - before)
                if world.board.sent.count > before {
                    ways[String(world.board.sent.last?.url.prefix(12) ?? ""), default: 0] += 1
                } else {
                    ways["here", default: 0] += 1
                }
            }
            #expect(seen.count == 1, "the same address always goes the same way")
        }
        #expect(ways.count == 3 && ways.values.allSatisfy { $0 >= 4 }, "\(ways)")
        _ = try await world.member("ada@example.com", of: .eu, at: world.eu, through: world.us)
        let before = world.board.sent.count
        let wrong = await world.us.call(
            "POST", "/api/v1/auth/login", RegionWorld.credentials("ada@example.com", "wrong-password-of-somebody"))
        #expect(wrong.status == 401 && world.board.sent.count == before + 1)
        await world.close()
    }

    @Test("a region that does not answer is told as such; its people are refused and nobody else")
    func down() async throws {
        let world = try await RegionWorld()
        let token = try await world.member("ada@example.com", of: .apac, at: world.apac, through: world.us)
        let own = try await world.member("grace@example.com", of: .us, at: world.us, through: world.us)
        let key = try #require(await Self.nobodysKey(at: world.us))
        world.board.set(RegionWorld.url(.apac), down: true)
        let refused = await world.us.call("GET", "/api/v1/users/me", token: token)
        #expect(refused.status == 503 && refused["error"]?.string == "region_unavailable" && refused["region"]?.string == "apac")
        #expect(refused["region_url"]?.string == "http://apac.test")
        #expect(await world.us.call("GET", "/api/v1/users/me", token: own).status == 200)
        // A key that may be the silent region's is not called unknown.
        let body: JSONValue = ["license_key": .string(key), "hardware_id": .string(String(repeating: "ab", count: 32))]
        #expect(await world.us.call("POST", "/api/v1/licenses/validate", body)["error"]?.string == "region_unavailable")
        world.board.set(RegionWorld.url(.apac), down: false)
        #expect(await world.us.call("POST", "/api/v1/licenses/validate", body)["code"]?.string == "unknown_key")
        #expect(
            await world.us.call("POST", "/api/v1/licenses/validate", ["license_key": "no key", "hardware_id": "x"])["code"]?.string != nil)
        await world.close()
    }

    /// Good by its check sign: of the 32 last signs one fits. Nobody gave it out.
    private static func nobodysKey(at door: TestPlatform) async -> String? {
        for last in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
            let key = "CODITECT-7K2M-9QXT-4W8R-D3JN-6HC\(last)"
            let body: JSONValue = ["license_key": .string(key), "hardware_id": .string(String(repeating: "ab", count: 32))]
            if await door.call("POST", "/api/v1/licenses/validate", body)["code"]?.string == "unknown_key" { return key }
        }
        return nil
    }

    @Test("settings that do not fit together are refused with a sentence that says what is missing")
    func settings() async throws {
        let world = try await RegionWorld()
        func refusal(_ yaml: String) async -> String {
            do {
                let platform = try await TestPlatform.open(yaml: yaml)
                await platform.close()
                return ""
            } catch { return "\(error)" }
        }
        let whole = RegionWorld.yaml(.us, world.folder)
        let faults: [(String, String)] = [
            (whole.replacing("http://us.test', limit", with: "http://other.test', limit"), "http.public_url and regions.us.url"),
            (whole.replacing("  us: {url: 'http://us.test'}", with: ""), "regions.us.url must be set"),
            (whole.replacing("directory.key", with: "none.key"), "regions.directory_key_file"),
            (whole.replacing("relay_key_files: [\(world.folder.path)/relay.key]", with: ""), "regions.relay_key_files"),
            ("regions: {eu: {url: 'https://eu.example.com'}}", "regions.directory is not"),
            (whole.replacing("regions:\n", with: "regions:\n  claim_seconds: 20\n"), "regions.claim_seconds must be above"),
            (whole.replacing("regions:\n", with: "regions:\n  offered: [us, eu, moon]\n"), "regions.offered"),
        ]
        for (yaml, sentence) in faults {
            let said = await refusal(yaml)
            #expect(said.contains(sentence), "\(said)")
        }
        await world.close()
    }

    @Test("one region alone has no directory: a sign-up may name it, and no other")
    func alone() async throws {
        let platform = try await TestPlatform.open()
        guard case .object(var form) = Customer.form("ada@example.com") else { return }
        form["region"] = "eu"
        #expect(await platform.call("POST", "/api/v1/auth/signup", .object(form)).status == 422)
        form["region"] = "us"
        #expect(await platform.call("POST", "/api/v1/auth/signup", .object(form)).status == 201)
        try await platform.runDue()
        #expect(try !platform.mailToken(to: "ada@example.com").contains("."))
        let listed = await platform.call("GET", "/api/v1/regions")
        #expect(listed["regions"]?.array?.count == 1 && listed["home"]?.string == "us")
        await platform.close()
    }
}
