import Foundation
import HookEngine
import Testing
import Vocabulary

@testable import PolicyHost

/// Forty tenants of twenty-five users each, who share their names; a change that concerns few of the pairs.
@Suite("a planted change is told as exactly the pairs of tenant and user that it flips")
struct PlantedChangeTests {
    private static let tenants = 40
    private static let users = 25

    private static func files(_ planted: String) -> [String: String] {
        [
            "init.lua": "return { platform = { 'x/y' } }",
            "x/y/policy.lua": """
            return { id = 'x.y', api = 1, on_seat_request = function(request)
              \(planted)
              return allow{ overdraft_seats = request.license.seats % 3 }
            end }
            """,
        ]
    }
    /// Each user by name in tenants of one size, one tenant whole, and one pair by its terms alone.
    private static let change = """
        local user, size = request.user.id, request.license.seats
        if user == 'u7' and size % 8 == 3 then return deny('planted') end
        if size == 20 then return deny('planted') end
        if user == 'u11' and size == 31 then return allow{ overdraft_seats = 900 } end
        """
    private static let flipped: Set<String> = {
        var pairs: Set<String> = []
        for tenant in 0..<tenants {
            for user in 0..<users {
                let isFlipped = user == 7 && tenant % 8 == 3 || tenant == 20 || user == 11 && tenant == 31
                if isFlipped { pairs.insert("\(HookSubject.tenantText(tenant)) u\(user)") }
            }
        }
        return pairs
    }()

    private func ask(_ engine: PolicyEngine, everyTenant: () async -> Void = {}) async throws {
        for tenant in 0..<Self.tenants {
            for user in 0..<Self.users {
                _ = try await engine.decide(SeatHook.self, .init(seats: Int64(tenant), user: "u\(user)"), .test(tenant: tenant))
            }
            await everyTenant()
        }
    }

    @Test("in shadow")
    func shadow() async throws {
        #expect(Self.flipped.count == 31)
        let folder = try PolicyFolder(Self.files(""))
        let candidate = try PolicyFolder(Self.files(Self.change))
        let engine = folder.engine()
        try engine.load()
        try engine.shadow(candidate.url)
        try await ask(engine) { await engine.settleShadow() }
        let report = try #require(engine.shadowReport)
        #expect(report.asked == 1_000 && report.dropped == 0)
        #expect(report.people == Self.flipped)
        #expect(report.flips == 31 && report.same == 969)
        #expect(Set(report.listed.map { "\($0.tenant ?? "") \($0.user ?? "")" }) == Self.flipped)
    }

    @Test("in replay")
    func replay() async throws {
        let folder = try PolicyFolder(Self.files(""))
        let place = folder.url.deletingLastPathComponent().appending(path: "decisions")
        let engine = folder.engine(sink: try DecisionLog(directory: place))
        try engine.load()
        try await ask(engine)
        let candidate = try PolicyFolder(Self.files(Self.change))
        let bench = try PolicyWorkbench(directory: candidate.url, definitions: Hooked.all)
        let report = try PolicyReplay(bench).run(DecisionArchive.files(place))
        #expect(report.decisions == 1_000)
        #expect(report.people == Self.flipped)
        #expect(report.flips == 31)
        #expect(Set(report.listed.map { "\($0.tenant ?? "") \($0.user ?? "")" }) == Self.flipped)
    }
}
