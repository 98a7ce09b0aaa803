import Foundation
import HTTPEdge
import PlatformTesting
import Store
import Testing
import Vocabulary

@testable import Composition

/// A sale at the sandbox that it knows nothing of, and a licence that shows something else: both are found, and read by who pays alone.
@Suite("corrections over the wire")
struct CorrectionRouteTests {
    static let path = "/api/v1/billing/corrections"

    @Test("a comparison's corrections are read page by page by their own tenant, mailed once, and by nobody else")
    func read() async throws {
        let platform = try await TestPlatform.open(
            yaml: "http: {limits_enabled: false, public_url: \"http://127.0.0.1:8080\"}\nbilling: {default_provider: sandbox}",
            environment: ["SANDBOX_WEBHOOK_SECRET": DeclineTests.secret])
        await platform.platform.plugins.load()
        let ada = try await Customer.member(platform)
        let eve = try await Customer.member(platform, "eve@example.com")
        #expect(await ada.call("GET", Self.path).text == #"{"corrections":[],"next_cursor":null}"#)
        let order: JSONValue = ["tier": "team", "interval": "month", "quantity": 3, "coupon": "SANDBOX25"]
        let checkout = await ada.call("POST", "/api/v1/billing/checkout", order)
        let session = try #require(checkout["session_id"]?.string, "\(checkout.status) \(checkout.text)")
        let start = platform.clock.now()
        try await DeclineTests.tell(
            platform, "checkout.paid", "evt_1",
            ["id": .string(session), "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false])
        try await DeclineTests.tell(
            platform, "subscription.changed", "evt_2",
            [
                "id": "sub_1", "customer": "cus_1", "status": "active", "tier": "team", "interval": "month", "quantity": 3,
                "period_start": .string(start.iso8601), "period_end": .string((start + .days(30)).iso8601),
            ])
        try await DeclineTests.tell(
            platform, "invoice.paid", "evt_3",
            [
                "id": "in_1", "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false, "amount_minor": 8700,
                "currency": "USD", "period_start": .string(start.iso8601), "period_end": .string((start + .days(30)).iso8601),
            ])
        let bought = await ada.call("GET", "/api/v1/billing/subscription")
        #expect(bought["subscription"]?["coupon"]?["basis_points_off"] == 2_500, "\(bought.text)")
        platform.clock.advance(by: .minutes(10))
        // What the licence was told is lost, as after a disk that went back.
        try await platform.platform.rooms.store.kernel(KernelReason("test.lose")) { db in
            try db.run(SQL("test.lose", "UPDATE license_all SET version = 0, tier = 'free' WHERE tier = 'team'"))
        }
        let act = Act(actor: .system("test"), requestID: "compare", now: platform.clock.now())
        try await platform.platform.rooms.billing.requestReconciliation(act)
        try await platform.runDue()
        let all = await ada.call("GET", Self.path)
        let found = try #require(all["corrections"]?.array, "\(all.text)")
        let access = try #require(found.first { $0["found_in"] == "access" }, "\(all.text)")
        #expect(access["done"] == "corrected" && access["changes_access"] == true && access["before"]?["tier"] == "free")
        #expect(access["after"]?["tier"] == "team" && access["after"]?["quantity"] == 3 && access["provider"] == "sandbox")
        #expect(found.contains { $0["found_in"] == "provider" && $0["done"] == "staff_looks" }, "\(all.text)")
        #expect(!all.text.contains("sub_1") && !all.text.contains("cus_1"))
        let first = await ada.call("GET", Self.path + "?limit=1")
        let cursor = try #require(first["next_cursor"]?.string, "\(first.text)")
        let second = await ada.call("GET", Self.path + "?limit=1&cursor=\(cursor)")
        #expect([first, second].compactMap { $0["corrections"]?.array?.first?["id"] } == found.prefix(2).compactMap { $0["id"] })
        #expect(await eve.call("GET", Self.path).text == #"{"corrections":[],"next_cursor":null}"#)
        for _ in 0..<2 {
            platform.clock.advance(by: .minutes(11))
            try await platform.runDue()
        }
        let folder = platform.data.appendingPathComponent("mailbox")
        let mails = try FileManager.default.contentsOfDirectory(atPath: folder.path).map {
            try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
        }.filter { $0.contains("Something in your account was corrected") }
        #expect(mails.count == 1 && mails.first?.contains("ada@example.com") == true && mails.first?.contains("sandbox") == true)
        await platform.close()
    }
}
