import Composition
import Foundation
import HTTPEdge
import PlatformTesting
import Testing
import Vocabulary

@Suite("from a declined card to a grace, with the shipped plugin and the shipped policy")
struct DeclineTests {
    static let secret = "whsec_of_a_test_that_is_long_enough"

    /// One of the sandbox's webhooks, signed as it signs them.
    static func tell(_ platform: TestPlatform, _ type: String, _ id: String, _ data: JSONValue) async throws {
        let now = platform.clock.now()
        let body = JSONWriter.data(["id": .string(id), "type": .string(type), "created": .string(now.iso8601), "data": data])
        let header = try WebhookSignature(secrets: [secret]).header(body: body, at: now)
        let answer = await platform.call(
            "POST", "/webhooks/sandbox", headers: ["sandbox-signature": header, "content-type": "application/json"], raw: body)
        #expect(answer.status == 200, "\(answer.text)")
        try await platform.runDue()
    }

    @Test(
        "the reason decides how long everything goes on to work",
        arguments: [("insufficient_funds", 14), ("expired_card", 7), ("lost_or_stolen", 2), ("", 7)])
    func grace(reason: String, days: Int64) async throws {
        let policies = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: policies)
        defer { try? FileManager.default.removeItem(at: policies) }
        let order = policies.appendingPathComponent("init.lua")
        let text = try String(contentsOf: order, encoding: .utf8)
        try Data(text.replacingOccurrences(of: "    \"billing/dunning\",", with: "    \"billing/dunning-by-reason\",").utf8).write(
            to: order)
        let platform = try await TestPlatform.open(
            yaml: "http: {limits_enabled: false, public_url: \"http://127.0.0.1:8080\"}\nbilling: {default_provider: sandbox}",
            environment: ["SANDBOX_WEBHOOK_SECRET": Self.secret], policies: policies)
        await platform.platform.plugins.load()
        let ada = try await Customer.member(platform)
        let checkout = await ada.call("POST", "/api/v1/billing/checkout", ["tier": "team", "interval": "month", "quantity": 1])
        let session = try #require(checkout["session_id"]?.string, "\(checkout.status) \(checkout.text)")
        let start = platform.clock.now()
        func subscription(_ status: String, from: Timestamp) -> JSONValue {
            [
                "id": "sub_1", "customer": "cus_1", "status": .string(status), "tier": "team", "interval": "month", "quantity": 1,
                "period_start": .string(from.iso8601), "period_end": .string((from + .days(30)).iso8601),
            ]
        }
        try await Self.tell(
            platform, "checkout.paid", "evt_1",
            ["id": .string(session), "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false])
        try await Self.tell(platform, "subscription.changed", "evt_2", subscription("active", from: start))
        try await Self.tell(
            platform, "invoice.paid", "evt_3",
            [
                "id": "in_1", "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false, "amount_minor": 2900,
                "currency": "USD", "period_start": .string(start.iso8601), "period_end": .string((start + .days(30)).iso8601),
            ])
        platform.clock.advance(by: .days(30))
        let failed = platform.clock.now()
        try await Self.tell(
            platform, "invoice.failed", "evt_4",
            [
                "id": "in_2", "customer": "cus_1", "subscription": "sub_1", "paid": false, "failed": true, "amount_minor": 2900,
                "currency": "USD", "decline_reason": reason.isEmpty ? nil : .string(reason), "period_start": .string(failed.iso8601),
                "period_end": .string((failed + .days(30)).iso8601),
            ])
        let login = await platform.call(
            "POST", "/api/v1/auth/login", ["email": "ada@example.com", "password": .string(Customer.password)])
        let later = Customer(platform: platform, token: try #require(login["access_token"]?.string))
        let standing = await later.call("GET", "/api/v1/billing/subscription")
        #expect(standing.text.contains("\"grace\""), "\(standing.text)")
        #expect(standing.text.contains((failed + .days(days)).iso8601), "\(standing.text) wanted \((failed + .days(days)).iso8601)")
        await platform.close()
    }
}
