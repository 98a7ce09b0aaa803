import Foundation
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

/// Over the wire, with the shipped sandbox: what waits is shown, withdrawn, found done, refused and mailed; nobody else sees or moves it.
@Suite("wishes for a quantity over the wire")
struct QuantityWishRouteTests {
    static let path = "/api/v1/billing/subscription"

    private static func subscription(_ quantity: Int, from start: Timestamp) -> JSONValue {
        [
            "id": "sub_1", "customer": "cus_1", "status": "active", "tier": "team", "interval": "month", "quantity": .int(Int64(quantity)),
            "period_start": .string(start.iso8601), "period_end": .string((start + .days(30)).iso8601),
        ]
    }

    private static func bought() async throws -> (TestPlatform, Customer, Timestamp) {
        let platform = try await TestPlatform.open(
            yaml: "http: {limits_enabled: false, public_url: \"http://127.0.0.1:8080\"}\nbilling: {default_provider: sandbox}",
            environment: ["SANDBOX_WEBHOOK_SECRET": DeclineTests.secret])
        await platform.platform.plugins.load()
        let ada = try await Customer.member(platform)
        let checkout = await ada.call("POST", "/api/v1/billing/checkout", ["tier": "team", "interval": "month", "quantity": 3])
        let session = try #require(checkout["session_id"]?.string, "\(checkout.status) \(checkout.text)")
        let start = platform.clock.now()
        try await DeclineTests.tell(
            platform, "checkout.paid", "evt_1",
            ["id": .string(session), "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false])
        try await DeclineTests.tell(platform, "subscription.changed", "evt_2", subscription(3, from: start))
        try await DeclineTests.tell(
            platform, "invoice.paid", "evt_3",
            [
                "id": "in_1", "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false, "amount_minor": 8700,
                "currency": "USD", "period_start": .string(start.iso8601), "period_end": .string((start + .days(30)).iso8601),
            ])
        return (platform, ada, start)
    }
    private static func mails(_ platform: TestPlatform) throws -> [String] {
        let folder = platform.data.appendingPathComponent("mailbox")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).map {
            try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
        }.filter { $0.contains("Your change of quantity was not made") }
    }

    @Test("is accepted, shown with when and by whom, withdrawn once, and seen by nobody else")
    func withdrawn() async throws {
        let (platform, ada, _) = try await Self.bought()
        let eve = try await Customer.member(platform, "eve@example.com")
        let me = try #require(await ada.call("GET", "/api/v1/users/me")["id"]?.string)
        let now = platform.clock.now()
        let first = await ada.call("POST", "\(Self.path)/change", ["quantity": 5], key: "one")
        #expect(first.status == 202 && first["operation"] == .null, "\(first.text)")
        platform.clock.advance(by: .seconds(20))
        let second = await ada.call("POST", "\(Self.path)/change", ["quantity": 8, "apply": "window"])
        #expect(second.status == 202, "\(second.text)")
        let shown = await ada.call("GET", Self.path)
        let wish = try #require(shown["subscription"]?["quantity_wish"], "\(shown.text)")
        #expect(wish["quantity"] == 8 && wish["status"] == "waiting" && wish["wished_by"]?.string == me)
        #expect(wish["opened_at"]?.string == now.iso8601 && wish["wished_at"]?.string == (now + .seconds(20)).iso8601)
        #expect(wish["carried_out_at"]?.string == (now + .seconds(60)).iso8601 && wish["operation_id"] == .null)
        #expect(shown["subscription"]?["quantity"] == 3)
        // The same key is the same wish, which a later one has overtaken.
        let again = await ada.call("POST", "\(Self.path)/change", ["quantity": 5], key: "one")
        #expect(again["subscription"]?["quantity_wish"]?["quantity"] == 8, "\(again.text)")
        let id = try #require(shown["subscription"]?["id"]?.string)
        #expect(await eve.call("POST", "\(Self.path)/withdraw", ["subscription_id": .string(id)]).status == 404)
        #expect(await eve.call("POST", "\(Self.path)/withdraw", [:])["error"] == "no_quantity_wish")
        let wrong = await ada.call("POST", "\(Self.path)/change", ["quantity": 9, "apply": "window", "due_now_minor": 0])
        #expect(wrong.status == 422 && wrong.text.contains("\"apply\""), "\(wrong.text)")
        #expect(await ada.call("POST", "\(Self.path)/change", ["quantity": 9, "apply": "later"]).status == 422)
        let back = await ada.call("POST", "\(Self.path)/withdraw", [:], key: "back")
        #expect(back.status == 200 && back["subscription"]?["quantity_wish"] == .null, "\(back.text)")
        #expect(await ada.call("POST", "\(Self.path)/withdraw", [:], key: "back").text == back.text)
        #expect(await ada.call("POST", "\(Self.path)/withdraw", [:])["error"] == "no_quantity_wish")
        platform.clock.advance(by: .minutes(2))
        try await platform.runDue()
        #expect(await ada.call("GET", "/api/v1/billing/operations").text == #"{"next_cursor":null,"operations":[]}"#)
        await platform.close()
    }

    @Test("what the provider says by itself makes a call needless; what it refuses is shown and mailed, once")
    func carriedOut() async throws {
        let (platform, ada, start) = try await Self.bought()
        #expect(await ada.call("POST", "\(Self.path)/change", ["quantity": 5]).status == 202)
        platform.clock.advance(by: .seconds(30))
        try await DeclineTests.tell(platform, "subscription.changed", "evt_4", Self.subscription(5, from: start))
        platform.clock.advance(by: .seconds(30))
        try await platform.runDue()
        let done = await ada.call("GET", Self.path)
        #expect(done["subscription"]?["quantity_wish"] == .null && done["subscription"]?["quantity"] == 5, "\(done.text)")
        #expect(await ada.call("GET", "/api/v1/billing/operations")["operations"]?.array == [])
        // The sandbox's own books know nothing of this subscription: it refuses.
        #expect(await ada.call("POST", "\(Self.path)/change", ["quantity": 7]).status == 202)
        platform.clock.advance(by: .seconds(60))
        try await platform.runDue()
        let refused = await ada.call("GET", Self.path)
        let wish = try #require(refused["subscription"]?["quantity_wish"], "\(refused.text)")
        #expect(wish["status"] == "refused" && wish["code"]?.string != nil && refused["subscription"]?["quantity"] == 5, "\(refused.text)")
        let operations = await ada.call("GET", "/api/v1/billing/operations")["operations"]?.array ?? []
        #expect(operations.count == 1 && operations.first?["status"] == "refused" && operations.first?["id"] == wish["operation_id"])
        platform.clock.advance(by: .minutes(5))
        try await platform.runDue()
        let mails = try Self.mails(platform)
        #expect(mails.count == 1 && mails.first?.contains("ada@example.com") == true)
        await platform.close()
    }

    @Test("the licence page shows what waits, and takes it back")
    func page() async throws {
        let (platform, ada, _) = try await Self.bought()
        let cookie = try await FactorRouteTests.signIn(platform)
        func licence() async -> TestPlatform.Answer { await platform.call("GET", "/licence", headers: ["cookie": cookie]) }
        #expect(await !licence().text.contains("A change of quantity waits"))
        _ = await ada.call("POST", "\(Self.path)/change", ["quantity": 5])
        let shown = await licence()
        #expect(shown.text.contains("A change of quantity waits") && shown.text.contains("From 3 to 5, asked for by you"), "\(shown.text)")
        func hidden(_ name: String) throws -> String {
            try #require(shown.text.firstMatch(of: try Regex("name=\"\(name)\" value=\"([^\"]+)\"", as: (Substring, Substring).self))).1
                .description
        }
        let form = "csrf_token=\(try hidden("csrf_token"))&subscription=\(try hidden("subscription"))"
        for _ in 0..<2 {
            let answer = await platform.call(
                "POST", "/billing/withdraw",
                headers: ["cookie": cookie, "content-type": "application/x-www-form-urlencoded"], raw: Data(form.utf8))
            #expect(answer.status == 303 && answer.headers.contains { $0.0 == "location" && $0.1 == "/licence" }, "\(answer.text)")
        }
        #expect(await !licence().text.contains("A change of quantity waits"))
        #expect(await ada.call("GET", Self.path)["subscription"]?["quantity_wish"] == .null)
        await platform.close()
    }
}
