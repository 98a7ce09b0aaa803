import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Webhooks

@Suite("Webhooks: what can be heard of")
struct WebhookNewsTests {
    static let tenant = TenantID("018f0000-0000-7000-8000-000000000001")!
    static let license = LicenseID("018f0000-0000-7000-8000-000000000002")!

    static let news: [any WebhookNews] = {
        let subscription = SubscriptionID(UUID())
        var all: [any WebhookNews] = [
            LicenseIssued(tenant: tenant, license: license, tier: "pro"), LicenseRevoked(tenant: tenant, license: license, reason: "gone"),
            StandingChanged(
                tenant: tenant, subscription: subscription, version: 1, standing: .active, tier: "pro", quantity: 1, interval: .month,
                periodEnd: Timestamp(seconds: 1), graceUntil: nil, cancelsAt: nil),
            TenantPoliciesChanged(tenant: tenant, hash: "ab", reason: nil),
            TenantPoliciesChanged(tenant: tenant, hash: nil, reason: "slow"),
            UserVerified(tenant: tenant, user: UserID(UUID()), chosenTier: nil),
        ]
        all += LicenseChanged.Step.allCases.map {
            LicenseChanged(tenant: tenant, license: license, step: $0, tier: "pro", quantity: 1, status: "active", expiresAt: nil)
        }
        all += PaymentTold.Step.allCases.map { PaymentTold(tenant: tenant, step: $0, object: "invoice:\(UUID())", provider: "sandbox") }
        all += SeatTold.Step.allCases.map { SeatTold(tenant: tenant, step: $0, license: license) }
        all += ProjectChanged.Step.allCases.map { ProjectChanged(tenant: tenant, project: ProjectID(UUID()), step: $0) }
        all += ProjectFileChanged.Step.allCases.map {
            ProjectFileChanged(
                tenant: tenant, project: ProjectID(UUID()), file: ProjectFileID(UUID()), step: $0, version: 1, bytes: 1, hash: "ab")
        }
        all += OffboardingTold.Step.allCases.map {
            OffboardingTold(tenant: tenant, step: $0, offboarding: "\(UUID())", until: Timestamp(seconds: 1))
        }
        return all
    }()

    @Test("what happens has a kind that is listed, and what is listed happens; the page for customers names each")
    func complete() throws {
        let told = Set(Self.news.map(\.webhook.type))
        let listed = WebhookEventType.all.map(\.name)
        #expect(Set(listed) == told.union(["webhook.test"]) && Set(listed).count == listed.count)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/how-to/webhooks.md"), encoding: .utf8)
        for name in listed { #expect(page.contains("`\(name)`"), "\(name)") }
        #expect(listed.allSatisfy { WebhookEventType.isPattern($0) } && !WebhookEventType.isPattern("seats.*"))
        for event in Self.news {
            #expect(event.webhook.object.contains(":") && event.webhook.data.object?.isEmpty == false, "\(event.webhook.type)")
        }
    }

    @Test("each kind reaches an endpoint that wants it, and the messages of one object are counted without a gap")
    func reaches() async throws {
        let topics = Set(Self.news.map { type(of: $0).topic })
        let test = try await TestStore.make(
            migrations: try WebhooksRoom.migrations(), topics: Dictionary(uniqueKeysWithValues: topics.map { ($0, ["webhooks"]) }))
        let paper = PaperEndpoint()
        let room = Webhooks(store: test.store, sealer: test.sealer, transport: paper, entropy: test.entropy, settings: Settings())
        #expect(Set(room.subscribers().map(\.topic)) == topics)
        _ = try await room.create(url: "https://example.com/hook", events: ["*"], description: "", Self.tenant, test.act())
        let act = test.act()
        for event in Self.news { try await test.store.kernel(KernelReason("test.emit")) { try Self.emit(event, $0, act) } }
        for _ in 0..<4 {
            try await test.runDue(handlers: room.pumps() + room.jobs(), subscribers: room.subscribers())
            test.clock.advance(by: .minutes(1))
        }
        let bodies = try paper.sent.with { try $0.map { try JSONCoding.decode(JSONValue.self, Data($0.body.utf8)) } }
        #expect(Set(bodies.compactMap { $0["type"]?.string }) == Set(Self.news.map(\.webhook.type)))
        let ofLicense = bodies.filter { $0["object"]?.string == "license:\(Self.license)" }.compactMap { $0["sequence"]?.int }.sorted()
        #expect(ofLicense == (1...Int64(ofLicense.count)).map { $0 } && ofLicense.count == 11)
    }
    static func emit(_ event: some WebhookNews, _ db: any KernelScope, _ act: Act) throws { try db.emit(event, act) }
}
