import Foundation
import HTTPEdge
import PlatformTesting
import Store
import Testing
import Vocabulary

@testable import Composition

/// Staff looks across tenants, over real rows.
@Suite("the back office")
struct BackofficeTests {
    private static let tenants = "/api/v1/admin/tenants"

    @Test("tenants are listed without names, by state, region and tier; whoever looks at one is seen by it")
    func tenantsOfAll() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (firm, platform) = (stage.firm, stage.firm.platform)
        _ = try await Customer.member(platform, "eve@example.com")
        var seen: [String] = []
        var target: String? = "\(Self.tenants)?limit=1"
        while let here = target {
            let page = await stage.root.call("GET", here)
            #expect(page.status == 200 && !page.text.contains("Analytical"), "\(page.text)")
            seen += page["tenants"]?.array?.compactMap { $0["id"]?.string } ?? []
            target = page["next_cursor"]?.string.map { "\(Self.tenants)?limit=1&cursor=\($0)" }
        }
        #expect(seen.count == 3 && Set(seen).count == 3 && seen.contains(stage.tenant), "\(seen)")
        func count(_ query: String) async -> Int? {
            await stage.root.call("GET", "\(Self.tenants)?\(query)")["tenants"]?.array?.count
        }
        #expect(await count("status=active&region=us") == 3)
        #expect(await count("status=suspended") == 0)
        #expect(await count("region=eu") == 0)
        #expect(await count("tier=free") == 2)
        #expect(await stage.root.call("GET", "\(Self.tenants)?status=asleep").status == 422)
        #expect(await firm.owner.call("GET", Self.tenants).status == 403)

        let one = await stage.root.call("GET", "\(Self.tenants)/\(stage.tenant)")
        #expect(one["name"] == "Analytical Engines" && one["members"] == 1 && one["tier"] == "free", "\(one.text)")
        #expect(one["subscription"] == .null && one["seats_sold"] == 1 && one["limits_networks"] == false)
        #expect(await stage.root.call("GET", "\(Self.tenants)/\(UUID().uuidString.lowercased())").status == 404)
        let said = try await platform.journalActions().filter { $0 == "staff.tenant_viewed tenant:\(stage.tenant)" }
        #expect(said.count == 2, "the tenant's journal and the platform's")

        // The window ends before the moment of the question.
        platform.clock.advance(by: .seconds(1))
        let found = await stage.root.call("GET", "/api/v1/admin/analytics")
        #expect(
            found["tenants"] == 3 && found["sign_ups"] == 3 && found["seats_sold"] == 2 && found["is_complete"] == true, "\(found.text)")
        #expect(found["monthly_recurring"] == [] && found["churn_basis_points"] == .null, "nobody pays")
        let file = await stage.root.call("GET", "/api/v1/admin/analytics/export")
        #expect(file.text.hasPrefix("metric,detail,value\r\n") && file.text.contains("sign_ups,,3\r\n"), "\(file.text)")
        #expect(await stage.root.call("GET", "/api/v1/admin/analytics?from=2020-01-01T00:00:00Z").status == 422)
        #expect(await stage.root.call("GET", "/api/v1/admin/analytics?to=2999-01-01T00:00:00Z").status == 422)
        await platform.close()
    }

    @Test(
        "licences are found across tenants by what is left to see of them, on either engine; no key is shown whole, and nobody else finds any"
    )
    func licencesOfAll() async throws {
        let stage = try await ImpersonationTests.Stage()
        let path = "/api/v1/admin/licenses"
        let eve = try await Customer.member(stage.firm.platform, "eve@example.com")
        let own = await stage.firm.owner.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["id"]?.string ?? ""
        let key = await stage.firm.owner.call("GET", "/api/v1/licenses/\(own)")["license"]?["key"]?.string ?? ""
        #expect(key.utf8.count > 20)
        for other in [stage.firm.owner, eve] { #expect(await other.call("GET", path).status == 403) }

        let all = await stage.root.call("GET", path)
        #expect(all.status == 200 && all["licenses"]?.array?.count == 2 && !all.text.contains(key), "\(all.text)")
        func ids(_ query: String) async -> [String] {
            let found = await stage.root.call("GET", "\(path)?\(query)")
            #expect(found.status == 200, "\(found.text)")
            return found["licenses"]?.array?.compactMap { $0["id"]?.string } ?? []
        }
        #expect(await ids("tenant=\(stage.tenant)") == [own])
        #expect(await ids("key_end=\(key.suffix(4).lowercased())&tier=free&status=active") == [own])
        #expect(await ids("key_end=\(key.suffix(4))&tenant=\(stage.tenant)") == [own])
        #expect(await ids("tenant=\(UUID().uuidString.lowercased())").isEmpty)
        #expect(await ids("tier=enterprise").isEmpty)
        #expect(await ids("status=suspended").isEmpty)
        for wrong in ["key_end=\(key)", "key_end=AB!D", "status=asleep", "tenant=x", "tier=", "whose=me"] {
            #expect(await stage.root.call("GET", "\(path)?\(wrong)").status == 422, "\(wrong)")
        }

        let held = await stage.root.call(
            "POST", "/api/v1/admin/tenants/\(stage.tenant)/licenses/\(own)/suspend", ["reason": "a key was lost"])
        #expect(held.status == 200)
        #expect(await ids("status=suspended") == [own])
        let first = await stage.root.call("GET", "\(path)?limit=1")
        let second = await stage.root.call("GET", "\(path)?limit=1&cursor=\(first["next_cursor"]?.string ?? "")")
        #expect(first["licenses"]?.array?.first?["id"] != second["licenses"]?.array?.first?["id"] && second.status == 200)
        let said = try await stage.firm.platform.journalActions()
        #expect(said.contains("license.sought_by_key_end license:\(own)") && said.contains("license.seen_by_staff tenant:\(stage.tenant)"))
        await stage.firm.platform.close()
    }
}
