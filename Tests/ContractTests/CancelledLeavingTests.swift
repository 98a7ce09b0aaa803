import Foundation
import PlatformTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// A subscription that is cancelled, with the shipped plugin and over the wire: what is planned, what calls it off, and what is left.
@Suite("leaving after a cancellation")
struct CancelledLeavingTests {
    static let path = LeavingTests.path

    /// Somebody who has bought, and what the provider goes on to tell.
    struct Buyer {
        let platform: TestPlatform
        let ada: Customer
        let start: Timestamp
        var end: Timestamp { start + .days(30) }

        static func make(policies: URL? = nil, buys: Bool = true) async throws -> Buyer {
            let platform = try await TestPlatform.open(
                yaml: "http: {limits_enabled: false, public_url: \"http://127.0.0.1:8080\"}\nbilling: {default_provider: sandbox}",
                environment: ["SANDBOX_WEBHOOK_SECRET": DeclineTests.secret], policies: policies)
            await platform.platform.plugins.load()
            let buyer = Buyer(platform: platform, ada: try await Customer.member(platform), start: platform.clock.now())
            if buys { try await buyer.buy("1") }
            return buyer
        }
        func checkout() async throws -> JSONValue {
            let checkout = try await call("POST", "/api/v1/billing/checkout", ["tier": "team", "interval": "month", "quantity": 3])
            return .string(try #require(checkout["session_id"]?.string, "\(checkout.status) \(checkout.text)"))
        }
        /// The first through a checkout; whoever has something buys another one on the provider's own page.
        func buy(_ name: String, isFirst: Bool = true) async throws {
            let now = platform.clock.now()
            if isFirst {
                try await tell(
                    "checkout.paid", "paid\(name)",
                    [
                        "id": try await checkout(), "customer": "cus_1", "subscription": .string("sub_\(name)"), "paid": true,
                        "failed": false,
                    ])
            }
            try await change("active", "born\(name)", of: name, from: now)
            try await tell(
                "invoice.paid", "bill\(name)",
                [
                    "id": .string("in_\(name)"), "customer": "cus_1", "subscription": .string("sub_\(name)"), "paid": true, "failed": false,
                    "amount_minor": 8700, "currency": "USD", "period_start": .string(now.iso8601),
                    "period_end": .string((now + .days(30)).iso8601),
                ])
        }
        func tell(_ type: String, _ event: String, _ data: JSONValue) async throws {
            try await DeclineTests.tell(platform, type, "evt_\(event)", data)
        }
        /// The provider describes the subscription.
        func change(
            _ status: String, _ event: String, of name: String = "1", from: Timestamp? = nil, cancelsAt: Timestamp? = nil,
            endedAt: Timestamp? = nil
        ) async throws {
            let from = from ?? start
            var data: [String: JSONValue] = [
                "id": .string("sub_\(name)"), "customer": "cus_1", "status": .string(status), "tier": "team", "interval": "month",
                "quantity": 3, "period_start": .string(from.iso8601), "period_end": .string((from + .days(30)).iso8601),
            ]
            if let cancelsAt { data["cancels_at"] = .string(cancelsAt.iso8601) }
            if let endedAt { data["ended_at"] = .string(endedAt.iso8601) }
            try await tell("subscription.changed", event, .object(data))
        }
        /// Signed in anew: days go by between two looks.
        func call(_ method: String, _ target: String, _ body: JSONValue? = nil) async throws -> TestPlatform.Answer {
            let login = await platform.call(
                "POST", "/api/v1/auth/login", ["email": "ada@example.com", "password": .string(Customer.password)])
            return await platform.call(method, target, body, token: try #require(login["access_token"]?.string, "\(login.text)"))
        }
        func leaving() async throws -> TestPlatform.Answer { try await call("GET", CancelledLeavingTests.path) }
        func wait(_ time: Duration) async throws {
            platform.clock.advance(by: time)
            try await platform.runDue()
        }
        func mails(_ subject: String) throws -> Int {
            let folder = platform.data.appendingPathComponent("mailbox")
            return try FileManager.default.contentsOfDirectory(atPath: folder.path).count { name in
                try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).contains("Subject: \(subject)")
            }
        }
        static let planned = "Your subscription ends, and what happens then"
        static let stays = "Your organisation stays"
    }

    /// The shipped policies with others in force.
    private func policies(_ line: String) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: folder)
        let file = folder.appendingPathComponent("init.lua")
        let text = try String(contentsOf: file, encoding: .utf8)
        let changed = text.replacing("    \"billing/dunning\",", with: "    \"billing/dunning\", \(line),")
        #expect(changed != text)
        try changed.write(to: file, atomically: true, encoding: .utf8)
        return folder
    }

    @Test("it is planned when it is known, begins when what is paid for is over, and can come back; late and repeated news change nothing")
    func life() async throws {
        let buyer = try await Buyer.make()
        let platform = buyer.platform
        #expect(try await buyer.leaving()["error"] == "offboarding_none")
        platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        let planned = try await buyer.leaving()
        #expect(planned["state"] == "scheduled" && planned["cause"] == "cancelled" && planned["reason"] == "other", "\(planned.text)")
        #expect(planned["leaves_at"]?.string == buyer.end.iso8601 && planned["called_off_at"] == .null)
        #expect(planned["can_return_until"]?.string == (buyer.end + .days(30)).iso8601)
        #expect(try buyer.mails(Buyer.planned) == 1)
        // Twice, and told anew under another name.
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        try await buyer.change("active", "c2", cancelsAt: buyer.end)
        #expect(try await buyer.leaving()["id"] == planned["id"])
        try await buyer.wait(.days(29) - .minutes(1))
        #expect(try await buyer.call("GET", "/api/v1/licenses").status == 200)
        #expect(try await buyer.leaving()["state"] == "scheduled")
        try await buyer.wait(.minutes(1))
        #expect(try await buyer.call("GET", "/api/v1/licenses")["error"] == "tenant_leaving")
        let left = try await buyer.leaving()
        #expect(left["state"] == "retained" && left["id"] == planned["id"] && left["cause"] == "cancelled", "\(left.text)")
        #expect(left["retained_until"]?.string == (buyer.end + .days(30)).iso8601)
        try await buyer.change("cancelled", "e1", cancelsAt: buyer.end, endedAt: buyer.end)
        #expect(try await buyer.leaving()["state"] == "retained")
        #expect(try buyer.mails(Buyer.planned) == 1 && buyer.mails("Your organisation has left") == 1)

        try await buyer.wait(.days(20))
        #expect(try await buyer.call("POST", "\(Self.path)/reactivate").status == 200)
        try await platform.runDue()
        // The same end lets nobody leave twice, however late it is told once more.
        try await buyer.change("cancelled", "e1", cancelsAt: buyer.end, endedAt: buyer.end)
        try await buyer.change("cancelled", "e2", cancelsAt: buyer.end, endedAt: buyer.end)
        try await buyer.wait(.days(29))
        #expect(try await buyer.leaving()["state"] == "reactivated")
        #expect(try await buyer.call("GET", "/api/v1/licenses").status == 200)
        // Whoever came back and buys nothing has as long as anybody who does not pay.
        try await buyer.wait(.days(1))
        let lapsed = try await buyer.leaving()
        #expect(lapsed["cause"] == "lapsed" && lapsed["reason"] == "unpaid" && lapsed["state"] == "retained", "\(lapsed.text)")
        #expect(try await platform.isJournalIntact())
        await platform.close()
    }

    @Test("a cancellation that is taken back calls it off, and the next one plans it anew")
    func resumed() async throws {
        let buyer = try await Buyer.make()
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        let first = try await buyer.leaving()["id"]
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "r1")
        let off = try await buyer.leaving()
        #expect(off["state"] == "withdrawn" && off["called_off_at"]?.string == buyer.platform.clock.now().iso8601, "\(off.text)")
        #expect(off["can_return_until"] == .null)
        #expect(try buyer.mails(Buyer.stays) == 1)
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c2", cancelsAt: buyer.end)
        let second = try await buyer.leaving()
        #expect(second["state"] == "scheduled" && second["id"] != first && second["called_off_at"] == .null)
        #expect(try buyer.mails(Buyer.planned) == 2)
        // What came before comes late.
        try await buyer.change("active", "r1")
        #expect(try await buyer.leaving()["state"] == "scheduled")
        try await buyer.wait(.days(27))
        #expect(try await buyer.leaving()["state"] == "retained")
        await buyer.platform.close()
    }

    @Test("another purchase calls it off, and its own end plans it for a later day")
    func bought() async throws {
        let buyer = try await Buyer.make()
        buyer.platform.clock.advance(by: .days(10))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        #expect(try await buyer.leaving()["state"] == "scheduled")
        buyer.platform.clock.advance(by: .days(5))
        try await buyer.buy("2", isFirst: false)
        let off = try await buyer.leaving()
        #expect(off["state"] == "withdrawn" && off["called_off_at"]?.string != nil, "\(off.text)")
        let from = buyer.start + .days(15)
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c2", of: "2", from: from, cancelsAt: from + .days(30))
        #expect(try await buyer.leaving()["leaves_at"]?.string == (from + .days(30)).iso8601)
        try await buyer.wait(.days(15))
        #expect(try await buyer.leaving()["state"] == "scheduled")
        await buyer.platform.close()
    }

    @Test("an owner who stays anyway is told apart from the platform, and is asked nothing more by the same end")
    func withdrawn() async throws {
        let buyer = try await Buyer.make()
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        let answer = try await buyer.call("POST", "\(Self.path)/withdraw")
        #expect(answer["state"] == "withdrawn" && answer["called_off_at"] == .null, "\(answer.text)")
        #expect(try buyer.mails(Buyer.stays) == 0)
        try await buyer.change("active", "c2", cancelsAt: buyer.end)
        try await buyer.wait(.days(29))
        try await buyer.change("cancelled", "e1", cancelsAt: buyer.end, endedAt: buyer.end)
        try await buyer.wait(.days(29))
        #expect(try await buyer.leaving()["state"] == "withdrawn")
        #expect(try await buyer.call("GET", "/api/v1/licenses").status == 200)
        try await buyer.wait(.days(2))
        let over = try await buyer.leaving()
        #expect(over["cause"] == "lapsed" && over["state"] == "retained", "\(over.text)")
        await buyer.platform.close()
    }

    @Test("a purchase of which is heard only after the end brings everything back, by itself and with all members")
    func late() async throws {
        let buyer = try await Buyer.make()
        let firm = PeopleTests.Firm(platform: buyer.platform, owner: buyer.ada)
        _ = try await firm.member("grace@example.com", "developer")
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        try await buyer.wait(.days(30))
        #expect(try await buyer.leaving()["state"] == "retained")
        try await buyer.change("active", "r1")
        try await buyer.tell(
            "invoice.paid", "b2",
            [
                "id": "in_2", "customer": "cus_1", "subscription": "sub_1", "paid": true, "failed": false, "amount_minor": 8700,
                "currency": "USD", "period_start": .string(buyer.end.iso8601), "period_end": .string((buyer.end + .days(30)).iso8601),
            ])
        try await buyer.wait(.minutes(1))
        let back = try await buyer.leaving()
        #expect(back["state"] == "reactivated", "\(back.text)")
        #expect(try buyer.mails(Buyer.stays) == 1)
        _ = try await firm.signIn("grace@example.com")
        let licences = try await buyer.call("GET", "/api/v1/licenses")["licenses"]?.array
        #expect(licences?.contains { $0["tier"] == "team" && $0["status"] == "active" } == true)
        // The owners' own wish is another thing.
        buyer.platform.clock.advance(by: .seconds(1))
        #expect(try await buyer.call("POST", Self.path, ["reason": "other", "when": "now"]).status == 201)
        try await buyer.platform.runDue()
        try await buyer.change("active", "r2")
        try await buyer.wait(.minutes(5))
        // The sandbox cannot end a sale that it did not make: that step waits.
        #expect(try await buyer.leaving()["state"] == "leaving")
        await buyer.platform.close()
    }

    @Test("what an owner asks for takes the place of what was planned")
    func replaced() async throws {
        let buyer = try await Buyer.make()
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        buyer.platform.clock.advance(by: .seconds(1))
        let asked = try await buyer.call("POST", Self.path, ["reason": "quality", "when": "now"])
        #expect(asked.status == 201 && asked["cause"] == "asked" && asked["state"] == "leaving", "\(asked.text)")
        await buyer.platform.close()
    }

    @Test("a subscription that ended for want of money goes the way of those who do not pay, and one that was never granted goes none")
    func unpaid() async throws {
        let buyer = try await Buyer.make()
        try await buyer.wait(.days(30))
        let from = buyer.end
        try await buyer.tell(
            "invoice.failed", "f1",
            [
                "id": "in_f", "customer": "cus_1", "subscription": "sub_1", "paid": false, "failed": true, "amount_minor": 8700,
                "currency": "USD", "period_start": .string(from.iso8601), "period_end": .string((from + .days(30)).iso8601),
            ])
        buyer.platform.clock.advance(by: .days(2))
        try await buyer.change("cancelled", "e1", from: from, endedAt: buyer.platform.clock.now())
        let now = try await buyer.leaving()
        #expect(now["error"] == "offboarding_none", "\(now.text)")
        try await buyer.wait(.days(31))
        #expect(try await buyer.leaving()["cause"] == "lapsed")
        await buyer.platform.close()

        let free = try await Buyer.make(buys: false)
        try await free.tell(
            "checkout.waiting", "w1",
            ["id": try await free.checkout(), "customer": "cus_1", "subscription": "sub_1", "paid": false, "failed": false])
        try await free.change("incomplete", "i1")
        free.platform.clock.advance(by: .days(1))
        try await free.change("cancelled", "i2", endedAt: free.platform.clock.now())
        let bought = try await free.call("GET", "/api/v1/billing/subscription")["subscription"]
        #expect(bought?["status"] == "cancelled", "\(String(describing: bought))")
        try await free.wait(.days(60))
        #expect(try await free.leaving()["error"] == "offboarding_none")
        await free.platform.close()
    }

    @Test("a contract that holds longer keeps the tenant, until it ends")
    func contract() async throws {
        let buyer = try await Buyer.make()
        let tenant = try #require(TenantID(try await buyer.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let contracts = buyer.platform.platform.rooms.billing.contracts
        func act() -> Act { Act(actor: .system("test"), requestID: "contract", now: buyer.platform.clock.now()) }
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        let terms: JSONValue = ["seats_per_unit": 2]
        _ = try await contracts.agree(
            .init(tier: "team", terms: terms, endsAt: buyer.end + .days(5), reason: "agreed by phone"), with: tenant, act())
        try await buyer.platform.runDue()
        #expect(try await buyer.leaving()["called_off_at"]?.string != nil)
        try await buyer.wait(.days(31))
        #expect(try await buyer.leaving()["state"] == "withdrawn")
        try await buyer.wait(.days(4))
        #expect(try await buyer.leaving()["state"] == "retained")
        await buyer.platform.close()
    }

    @Test("nor does who has paid nothing for thirty days leave while a contract holds, but when it is over")
    func lapsedUnderContract() async throws {
        let folder = try policies("{ \"offboarding/cancelled\", settings = { when = \"never\" } }")
        defer { try? FileManager.default.removeItem(at: folder) }
        let buyer = try await Buyer.make(policies: folder)
        let tenant = try #require(TenantID(try await buyer.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        _ = try await buyer.platform.platform.rooms.billing.contracts.agree(
            .init(tier: "team", terms: ["seats_per_unit": 2], endsAt: buyer.end + .days(45), reason: "agreed by phone"), with: tenant,
            Act(actor: .system("test"), requestID: "contract", now: buyer.platform.clock.now()))
        for _ in 0..<36 { try await buyer.wait(.days(2)) }
        #expect(buyer.platform.clock.now() == buyer.end + .days(43))
        #expect(try await buyer.leaving()["error"] == "offboarding_none")
        try await buyer.wait(.days(2))
        #expect(try await buyer.leaving()["cause"] == "lapsed")
        await buyer.platform.close()
    }

    @Test("a policy lets it leave at once, or not because of this", arguments: ["now", "never"])
    func policy(when: String) async throws {
        let folder = try policies("{ \"offboarding/cancelled\", settings = { when = \"\(when)\" } }")
        defer { try? FileManager.default.removeItem(at: folder) }
        let buyer = try await Buyer.make(policies: folder)
        buyer.platform.clock.advance(by: .days(1))
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        let found = try await buyer.leaving()
        if when == "now" {
            #expect(found["state"] == "leaving" && found["leaves_at"]?.string == buyer.platform.clock.now().iso8601, "\(found.text)")
            #expect(try await buyer.call("GET", "/api/v1/licenses")["error"] == "tenant_leaving")
            #expect(try buyer.mails(Buyer.planned) == 1)
        } else {
            #expect(found["error"] == "offboarding_none", "\(found.text)")
            try await buyer.wait(.days(29))
            try await buyer.wait(.days(29))
            #expect(try await buyer.leaving()["error"] == "offboarding_none")
            try await buyer.wait(.days(2))
            #expect(try await buyer.leaving()["cause"] == "lapsed")
        }
        await buyer.platform.close()
    }

    @Test("who cancels with a reason is offered something; without an answer it leaves as planned")
    func offers() async throws {
        let folder = try policies("\"offboarding/retention-offers\"")
        defer { try? FileManager.default.removeItem(at: folder) }
        let buyer = try await Buyer.make(policies: folder)
        buyer.platform.clock.advance(by: .days(1))
        // The sandbox knows nothing of a sale that it did not make itself: what it was asked is written down as done.
        try await buyer.platform.platform.rooms.store.kernel(KernelReason("test.cancelled")) { db in
            try db.run(
                SQL(
                    "test.cancelled",
                    """
                    INSERT INTO billing_operation_all (tenant_id, id, provider, kind, object, wish, attempt, status, tries, asked_at, created_at, settled_at, reason)
                    SELECT tenant_id, id, provider, 'cancel', object, '{}', 1, 'done', 0, 1, 1, 1, 'too_expensive' FROM subscription_all
                    """))
        }
        try await buyer.change("active", "c1", cancelsAt: buyer.end)
        let offered = try await buyer.leaving()
        #expect(offered["state"] == "offered" && offered["offer"]?["kind"] == "downgrade", "\(offered.text)")
        #expect(offered["reason"] == "price" && offered["leaves_at"]?.string == buyer.end.iso8601)
        #expect(try buyer.mails("Your subscription ends, and we have an offer") == 1 && buyer.mails(Buyer.planned) == 0)
        let refused = try await buyer.call("POST", "\(Self.path)/offer", ["take": false])
        #expect(refused["state"] == "scheduled" && refused["leaves_at"]?.string == buyer.end.iso8601, "\(refused.text)")
        try await buyer.wait(.days(29))
        #expect(try await buyer.leaving()["state"] == "retained")
        await buyer.platform.close()
    }
}
