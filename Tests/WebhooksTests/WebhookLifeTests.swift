import Foundation
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

@testable import Webhooks

/// Answers as it is told, and keeps what it was sent.
final class PaperEndpoint: WebhookTransport {
    struct Sent: Sendable {
        let url: String
        let headers: [String: String]
        let body: String
    }
    let sent = Guarded<[Sent]>([])
    let answers = Guarded<[WebhookOutcome.Result]>([])
    let always = Guarded<WebhookOutcome.Result>(.answered(status: 200, retryAfterSeconds: nil, text: "ok"))

    func send(url: String, headers: [(String, String)], body: [UInt8], timeout: Duration) async -> WebhookOutcome {
        sent.with {
            $0.append(Sent(url: url, headers: Dictionary(uniqueKeysWithValues: headers), body: String(decoding: body, as: UTF8.self)))
        }
        let next = answers.with { $0.isEmpty ? nil : $0.removeFirst() }
        return WebhookOutcome(next ?? always.with { $0 }, milliseconds: 7)
    }
}

@Suite("Webhooks, from what happened to what was delivered")
struct WebhookLifeTests {
    struct House {
        let test: TestStore
        let paper = PaperEndpoint()
        let room: Webhooks
        let tenant = TenantID(UUID())

        init() async throws {
            test = try await TestStore.make(
                migrations: try WebhooksRoom.migrations(),
                topics: [LicenseIssued.topic: ["webhooks"], StandingChanged.topic: ["webhooks"], MailRequested.topic: ["paper"]])
            room = Webhooks(store: test.store, sealer: test.sealer, transport: paper, entropy: test.entropy, settings: Settings())
        }
        func add(_ events: [String] = ["*"], url: String = "https://example.com/hook") async throws -> (WebhookEndpoint.ID, String) {
            let made = try await room.create(url: url, events: events, description: "", tenant, test.act())
            return (made.endpoint.id, made.secret)
        }
        func issue(_ license: LicenseID = LicenseID(UUID()), tenant: TenantID? = nil) async throws {
            let event = LicenseIssued(tenant: tenant ?? self.tenant, license: license, tier: "pro")
            let act = test.act()
            try await test.store.kernel(KernelReason("test.issue")) { db in try db.emit(event, act) }
        }
        /// Everything that is due now.
        func run() async throws {
            try await test.runDue(handlers: room.pumps() + room.jobs(), subscribers: room.subscribers())
        }
        func later(_ duration: Duration) async throws {
            test.clock.advance(by: duration)
            try await run()
        }
        func log(_ id: WebhookEndpoint.ID, _ state: MessageDelivery.State? = nil) async throws -> [MessageDelivery] {
            try await room.deliveries(id, state: state, after: nil, limit: 100, tenant)
        }
        func fail(_ count: Int) { paper.answers.with { $0 += Array(repeating: .failed("no connection"), count: count) } }
    }

    @Test("what happens reaches who wants to hear of it, signed, once; another tenant's does not")
    func delivers() async throws {
        let house = try await House()
        let (all, secret) = try await house.add()
        _ = try await house.add(["subscription.*"], url: "https://example.com/other")
        let license = LicenseID(UUID())
        try await house.issue(license)
        try await house.issue(tenant: TenantID(UUID()))
        try await house.run()
        let sent = try #require(house.paper.sent.with { $0.count == 1 ? $0[0] : nil })
        #expect(sent.url == "https://example.com/hook")
        let body = try JSONCoding.decode(JSONValue.self, Data(sent.body.utf8))
        #expect(body["type"] == "license.issued" && body["object"]?.string == "license:\(license)" && body["sequence"] == 1)
        #expect(body["data"]?["tier"] == "pro")
        let key = try #require(Data(base64Encoded: String(secret.dropFirst("whsec_".count))))
        let message = "\(sent.headers["webhook-id"] ?? "").\(sent.headers["webhook-timestamp"] ?? "").\(sent.body)"
        #expect(sent.headers["webhook-signature"] == "v1,\(Data(HMAC.sha256(Data(message.utf8), key: key)).base64EncodedString())")
        let log = try await house.log(all)
        #expect(log.map(\.state) == [.delivered] && "msg_\(log[0].message)" == sent.headers["webhook-id"])
        let told = try await house.room.delivery(all, log[0].message, house.tenant)
        #expect(told.attempts.map(\.status) == [200] && told.attempts[0].answer == "ok" && told.body == sent.body)
    }

    @Test("what is not delivered is tried ten times over three days under one id and body, and then failed; nobody else waits for it")
    func retries() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        house.paper.always.with { $0 = .failed("no connection") }
        try await house.issue()
        try await house.run()
        for _ in 0..<200 { try await house.later(.hours(1)) }
        let sent = house.paper.sent.with { $0 }
        #expect(sent.count == 10 && Set(sent.map { "\($0.headers["webhook-id"] ?? "") \($0.body)" }).count == 1)
        let log = try await house.log(id)
        #expect(log.map(\.state) == [.failed] && log[0].attempts == 10 && log[0].nextAt == nil)
        let attempts = try await house.room.delivery(id, log[0].message, house.tenant).attempts
        #expect(attempts.map(\.number) == Array((1...10).reversed()) && attempts.allSatisfy { $0.failure == "no connection" })
    }

    @Test("a failing endpoint recovers: what waits is sent when its time comes, and it counts as failing no more")
    func recovers() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        house.fail(2)
        try await house.issue()
        try await house.run()
        #expect(try await house.room.endpoint(id, house.tenant).failingSince != nil)
        try await house.later(.seconds(6))
        #expect(try await house.log(id, .pending).count == 1)
        try await house.later(.minutes(6))
        #expect(try await house.log(id).map(\.state) == [.delivered])
        #expect(try await house.room.endpoint(id, house.tenant).failingSince == nil)
        #expect(house.paper.sent.with { $0.count } == 3)
    }

    @Test("five days without a delivery, and a 410 at once, disable an endpoint and tell its owners")
    func disables() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        house.paper.always.with { $0 = .answered(status: 500, retryAfterSeconds: nil, text: "broken\u{1b}[2J") }
        for _ in 0..<6 {
            try await house.issue()
            for _ in 0..<24 { try await house.later(.hours(1)) }
        }
        let dead = try await house.room.endpoint(id, house.tenant)
        #expect(dead.state == .disabled && dead.disabledReason?.hasPrefix("nothing was delivered since") == true)
        #expect(try await house.log(id, .pending).isEmpty)
        let first = try #require(try await house.log(id).last)
        #expect(try await house.room.delivery(id, first.message, house.tenant).attempts.last?.answer == "broken [2J")
        let mails = Guarded<[MailRequested]>([])
        let listener = EventSubscriber(MailRequested.self, subscriber: "paper") { mail, _, _ in mails.with { $0.append(mail) } }
        try await house.test.runDue(subscribers: [listener])
        #expect(mails.with { $0.map(\.template) } == ["webhook_disabled"] && mails.with { $0[0].recipient } == .owners(house.tenant))

        let (gone, _) = try await house.add(url: "https://example.com/gone")
        house.paper.always.with { $0 = .answered(status: 410, retryAfterSeconds: nil, text: "") }
        try await house.issue()
        try await house.run()
        #expect(try await house.room.endpoint(gone, house.tenant).disabledReason == "the endpoint answered 410 Gone")
    }

    @Test("replay sends what failed, or everything of a range, and what came before the endpoint")
    func replay() async throws {
        let house = try await House()
        try await house.issue()  // nobody listens: no message is kept
        try await house.run()
        let (first, _) = try await house.add()
        let begin = house.test.clock.now()
        for _ in 0..<3 {
            try await house.issue()
            try await house.later(.minutes(1))
        }
        let (second, _) = try await house.add(url: "https://example.com/second")
        let end = house.test.clock.now() + .seconds(1)
        func replay(_ id: WebhookEndpoint.ID, all: Bool) async throws -> Int {
            let answer = try await house.room.replay(id, from: begin, to: end, all: all, house.tenant, house.test.act())
            try await house.run()
            return answer.count
        }
        #expect(try await replay(first, all: false) == 0)
        #expect(try await replay(second, all: false) == 0)
        #expect(try await replay(second, all: true) == 3)
        #expect(try await house.log(second).map(\.state) == [.delivered, .delivered, .delivered])
        #expect(try await replay(first, all: true) == 3)
        #expect(house.paper.sent.with { $0.count } == 9)
        #expect(Set(house.paper.sent.with { $0.compactMap { $0.headers["webhook-id"] } }).count == 3)
    }

    @Test("messages of one object are numbered without a gap")
    func sequence() async throws {
        let house = try await House()
        _ = try await house.add()
        let license = LicenseID(UUID())
        for _ in 0..<5 { try await house.issue(license) }
        try await house.issue()
        try await house.run()
        let bodies = try house.paper.sent.with { try $0.map { try JSONCoding.decode(JSONValue.self, Data($0.body.utf8)) } }
        let mine = bodies.filter { $0["object"]?.string == "license:\(license)" }.compactMap { $0["sequence"]?.int }
        #expect(mine.sorted() == [1, 2, 3, 4, 5] && bodies.count == 6)
    }

    @Test("two secrets sign while one is rotated, one afterwards")
    func rotation() async throws {
        let house = try await House()
        let (id, old) = try await house.add()
        let new = try await house.room.rotate(id, overlap: .hours(2), house.tenant, house.test.act())
        #expect(new != old)
        for hours in [1, 3] {
            try await house.issue()
            try await house.later(.hours(Int64(hours)))
            try await house.issue()
            try await house.run()
        }
        let counts = house.paper.sent.with { $0.map { ($0.headers["webhook-signature"] ?? "").split(separator: " ").count } }
        #expect(counts == [2, 2, 2, 1] || counts == [2, 2, 1, 1])
    }

    @Test("a pump that died is followed by another; while one sends no second does")
    func crash() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        try await house.issue()
        // The event is taken, and a pump takes the endpoint and is never heard of again.
        try await house.test.runDue(subscribers: house.room.subscribers())
        let (tenant, now) = (house.tenant, house.test.clock.now())
        try await house.test.store.tenant(tenant) { db in
            try db.run(WebhookTable.take, id, now + Webhooks.busy, now)
        }
        try await house.run()
        #expect(house.paper.sent.with { $0.isEmpty })
        try await house.later(Webhooks.busy + .seconds(1))
        #expect(try await house.log(id).map(\.state) == [.delivered])
    }

    @Test("what is switched off while it is sent stays off, and what was delivered counts")
    func switchedOff() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        try await house.issue()
        try await house.run()
        _ = try await house.room.change(id, .init(isEnabled: false), house.tenant, house.test.act())
        try await house.issue()
        try await house.run()
        #expect(house.paper.sent.with { $0.count } == 1)
        #expect(try await house.room.endpoint(id, house.tenant).disabledReason == "switched off")
        await #expect(throws: Problem.self) { _ = try await house.room.test(id, house.tenant, house.test.act()) }
        _ = try await house.room.change(id, .init(isEnabled: true), house.tenant, house.test.act())
        _ = try await house.room.test(id, house.tenant, house.test.act())
        try await house.run()
        #expect(house.paper.sent.with { $0.last?.body.contains("webhook.test") } == true)
    }

    @Test("more than a batch goes out in order of its turn, none twice")
    func many() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        for _ in 0..<50 { try await house.issue() }
        try await house.run()
        #expect(try await house.log(id, .delivered).count == 50)
        #expect(
            Set(house.paper.sent.with { $0.compactMap { $0.headers["webhook-id"] } }).count == 50
                && house.paper.sent.with { $0.count } == 50)
    }

    @Test("another tenant sees and changes none of it; a removed endpoint takes its log along; the secret is sealed")
    func tenancy() async throws {
        let house = try await House()
        let (id, secret) = try await house.add()
        try await house.issue()
        try await house.run()
        let stranger = TenantID(UUID())
        await #expect(throws: Problem.self) { _ = try await house.room.endpoint(id, stranger) }
        await #expect(throws: Problem.self) { try await house.room.drop(id, stranger, house.test.act()) }
        await #expect(throws: Problem.self) { _ = try await house.room.rotate(id, overlap: .zero, stranger, house.test.act()) }
        await #expect(throws: Problem.self) { _ = try await house.room.deliveries(id, state: nil, after: nil, limit: 10, stranger) }
        let raw = try Data(contentsOf: house.test.file) + (try Data(contentsOf: URL(fileURLWithPath: house.test.file.path + "-wal")))
        let key = try #require(Data(base64Encoded: String(secret.dropFirst("whsec_".count))))
        #expect(raw.range(of: key) == nil && raw.range(of: Data(secret.utf8)) == nil)
        try await house.room.drop(id, house.tenant, house.test.act())
        await #expect(throws: Problem.self) { _ = try await house.log(id) }
        #expect(try await house.room.endpoints(house.tenant).isEmpty)
    }

    @Test("an organisation has so many endpoints and no more; a repeated request makes one")
    func bounds() async throws {
        let house = try await House()
        for number in 0..<WebhookEndpoint.mostPerTenant { _ = try await house.add(url: "https://example.com/\(number)") }
        await #expect(throws: WebhookProblems.tooMany) { _ = try await house.add() }
        await #expect(throws: WebhookProblems.address) { _ = try await house.add(url: "https://169.254.169.254/") }
        await #expect(throws: Problem.self) { _ = try await house.add(["licence.*"]) }
    }

    @Test("messages are forgotten after their retention, tenant by tenant")
    func sweep() async throws {
        let house = try await House()
        let (id, _) = try await house.add()
        try await house.room.start(house.test.act())
        try await house.issue()
        try await house.run()
        try await house.later(.days(20))
        try await house.issue()
        try await house.run()
        #expect(try await house.log(id).count == 2)
        for _ in 0..<11 { try await house.later(.days(1)) }
        #expect(try await house.log(id).count == 1)
    }
}
