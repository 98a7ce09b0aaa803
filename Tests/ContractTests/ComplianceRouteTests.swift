import Composition
import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("compliance over HTTP")
struct ComplianceRouteTests {
    static let path = "/api/v1/compliance"

    @Test("an owner reviews access, has soc2 evaluated, reads results, history and gaps, and exports; nobody else's can be seen")
    func life() async throws {
        let platform = try await TestPlatform.open()
        await platform.platform.plugins.load()
        let owner = try await Customer.member(platform)
        let stranger = try await Customer.member(platform, "grace@example.com")
        let frameworks = await owner.call("GET", "\(Self.path)/frameworks")
        #expect(frameworks.status == 200 && frameworks["frameworks"]?.array?.first?["id"] == "soc2", "\(frameworks.text)")
        #expect(await owner.call("GET", "\(Self.path)/frameworks/soc2/export")["error"] == "compliance_never_evaluated")

        let opened = await owner.call("POST", "\(Self.path)/access-reviews", [:])
        #expect(opened.status == 201, "\(opened.text)")
        let review = "\(Self.path)/access-reviews/\(opened["id"]?.string ?? "")"
        #expect(await owner.call("POST", "\(review)/sign-off", [:])["undecided"] == 1)
        let own = opened["items"]?.array?.first?["membership_id"] ?? .null
        let last = await owner.call("POST", "\(review)/decisions", ["membership_id": own, "decision": "removed"])
        #expect(last.status == 409 || last.status == 422, "\(last.text)")
        #expect(await owner.call("POST", "\(review)/decisions", ["membership_id": own, "decision": "confirmed"]).status == 200)
        let signed = await owner.call("POST", "\(review)/sign-off", [:])
        #expect(signed.status == 200 && signed["signed_off_at"]?.string == platform.clock.now().iso8601, "\(signed.text)")
        #expect(await owner.call("GET", "\(Self.path)/access-reviews")["reviews"]?.array?.count == 1)

        let run = await owner.call("POST", "\(Self.path)/frameworks/soc2/run", [:], key: "once")
        #expect(run.status == 201 && run["framework_failed"] == 0 && run["passed"] == 4, "\(run.text)")
        #expect(await owner.call("POST", "\(Self.path)/frameworks/soc2/run", [:], key: "once")["id"] == run["id"])
        let soon = await owner.call("POST", "\(Self.path)/frameworks/soc2/run", [:])
        #expect(soon.status == 429 && soon["error"] == "compliance_run_too_soon")
        let controls = await owner.call("GET", "\(Self.path)/frameworks/soc2/controls")["controls"]?.array ?? []
        var outcomes: [String: String] = [:]
        for item in controls where item["control"]?["reads"]?.array?.isEmpty == false {
            outcomes[item["control"]?["id"]?.string ?? ""] = item["result"]?["outcome"]?.string
        }
        #expect(
            outcomes == [
                "CC2.1": "pass", "CC6.1": "fail", "CC6.1-K": "pass", "CC6.2": "pass", "CC6.3": "pass", "CC8.1": "not_evaluated",
            ])
        let gaps = await owner.call("GET", "\(Self.path)/frameworks/soc2/gaps")["gaps"]?.array ?? []
        #expect(gaps.count == 30 && gaps.first?["control"]?["id"] == "CC6.1")
        let history = await owner.call("GET", "\(Self.path)/frameworks/soc2/controls/CC6.3")
        #expect(history["history"]?.array?.count == 1 && history["control"]?["id"] == "CC6.3", "\(history.text)")
        #expect(await owner.call("GET", "\(Self.path)/frameworks/soc2/controls/CC99").status == 404)
        let export = await owner.call("GET", "\(Self.path)/frameworks/soc2/export")
        #expect(export.status == 200 && export["files"]?["evidence.json"] != nil && export["signature"]?.string != nil)

        #expect(await stranger.call("GET", review).status == 404)
        #expect(await stranger.call("POST", "\(review)/sign-off", [:]).status == 404)
        #expect(await stranger.call("GET", "\(Self.path)/frameworks/soc2/gaps")["run"] == nil)
        for target in ["frameworks", "frameworks/soc2/gaps", "frameworks/soc2/export"] {
            #expect(await owner.call("GET", "/api/v1/admin/compliance/\(target)").status == 403, "\(target)")
            #expect(await platform.call("GET", "\(Self.path)/\(target)").status == 401, "\(target)")
        }
        await platform.close()
    }
}
