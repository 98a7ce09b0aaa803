import Foundation
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

/// Staff agrees something with one tenant, and everything that reads the tier follows.
@Suite("contracts with tenants")
struct AgreementTests {
    @Test("what staff agrees holds for seats, quotas and figures, is seen by its tenant with the reason, and ends by its date")
    func agreed() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (owner, root, platform) = (stage.firm.owner, stage.root, stage.firm.platform)
        let path = "/api/v1/admin/tenants/\(stage.tenant)/contracts"
        let end = (platform.clock.now() + .hours(12)).iso8601
        let body: JSONValue = [
            "tier": "free", "reason": "a school", "ends_at": .string(end),
            "terms": [
                "seats_per_unit": 7, "quotas": ["ai_requests": ["limit": 90, "per": "month"]],
            ],
        ]
        for other in [owner, try await Customer.member(platform, "eve@example.com")] {
            #expect(await other.call("POST", path, body).status == 403)
        }
        #expect(await root.call("POST", path.replacing(stage.tenant, with: UUID().uuidString.lowercased()), body).status == 404)
        let refused = await root.call("POST", path, ["tier": "free", "reason": "x", "terms": ["seats": 7]])
        #expect(refused.status == 422 && refused["complaints"]?.array?.count == 1, "\(refused.text)")
        let made = await root.call("POST", path, body, key: "once")
        #expect(made.status == 201 && made["status"] == "active" && made["seats_per_unit"] == 7, "\(made.text)")
        #expect(await root.call("POST", path, body, key: "once")["id"] == made["id"])
        let changed = made["changes"]?.array?.first { $0["field"] == "seats_per_unit" }
        #expect(changed == ["field": "seats_per_unit", "listed": 1, "agreed": 7], "\(made.text)")
        #expect(await root.call("POST", path, body)["error"] == "contract_overlaps")
        try await platform.runDue()

        #expect(await owner.call("GET", "/api/v1/billing/usage").text.contains(#""limit":90"#))
        #expect(await owner.call("GET", "/api/v1/licenses/features")["limits"]?["ai_requests"] == 90)
        #expect(await root.call("GET", "/api/v1/admin/tenants/\(stage.tenant)")["seats_sold"] == 7)
        let seen = await owner.call("GET", "/api/v1/billing/contracts")
        #expect(seen["contracts"]?.array?.first?["versions"]?.array?.first?["reason"] == "a school", "\(seen.text)")
        #expect(try await platform.journalActions().contains("contract.agreed contract:\(made["id"]?.string ?? "")"))

        // Another version, and one that was read too early.
        let one = "\(path)/\(made["id"]?.string ?? "")"
        let next = Self.with(body, ["version": 1, "terms": ["seats_per_unit": 9]])
        let revised = await root.call("PUT", one, next)
        #expect(revised.status == 200 && revised["version"] == 2 && revised["versions"]?.array?.count == 2, "\(revised.text)")
        let late = await root.call("PUT", one, next)
        #expect(late.status == 409 && late["error"] == "contract_changed" && late["version"] == 2, "\(late.text)")
        #expect(await root.call("GET", "/api/v1/admin/tenants/\(stage.tenant)")["seats_sold"] == 9)
        #expect(await root.call("GET", path)["contracts"]?.array?.count == 1)

        platform.clock.advance(by: .hours(12))
        let after = await root.call("GET", "/api/v1/admin/tenants/\(stage.tenant)")
        #expect(after["seats_sold"] == 1, "no job has run: \(after.text)")
        #expect(await root.call("GET", path)["contracts"]?.array?.first?["status"] == "ended")
        try await platform.runDue()
        #expect(try await platform.journalActions().contains("contract.ended contract:\(made["id"]?.string ?? "")"))
        await platform.close()
    }

    private static func with(_ body: JSONValue, _ more: [String: JSONValue]) -> JSONValue {
        .object((body.object ?? [:]).merging(more) { $1 })
    }
}
