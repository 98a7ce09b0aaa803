import Composition
import Foundation
import Simulation
import Testing
import Vocabulary

@Suite("a tenant's coming months, on a copy of a server's data")
struct ForecastTests {
    /// Seventeen days of a customer whose card then dies, as a server would hold them.
    static let past = """
        simulation: 1
        days: 17
        tenants:
          - name: acme
            life:
              - { at: day 0, do: sign_up }
              - { at: day 0 01:00, do: subscribe, tier: pro, interval: month, quantity: 2 }
              - { at: day 1, do: invite, email: grace@acme.example, role: admin }
        """

    /// Every file with its bytes, but for what SQLite leaves beside a database that somebody reads: an index, and a log without a word in it.
    static func contents(_ folder: URL) throws -> [String: Data] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return Dictionary(
            uniqueKeysWithValues: names.filter { !$0.hasSuffix("-shm") }.compactMap { name in
                (try? Data(contentsOf: folder.appendingPathComponent(name))).flatMap { $0.isEmpty ? nil : (name, $0) }
            })
    }

    /// The policies in force, but with another grace after a payment that failed.
    static func candidate(graceDays: Int) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("candidate-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: LifeTests.root.appendingPathComponent("policies"), to: folder)
        let file = folder.appendingPathComponent("init.lua")
        let text = try String(contentsOf: file, encoding: .utf8)
        let changed = text.replacing(
            "    \"billing/dunning\",", with: "    { \"billing/dunning\", settings = { grace_days = \(graceDays) } },")
        #expect(changed != text)
        try Data(changed.utf8).write(to: file)
        return folder
    }

    @Test("the same policies make no difference, a candidate's does, and the server's own data stays as it is")
    func candidate() async throws {
        let data = FileManager.default.temporaryDirectory.appendingPathComponent("forecast-\(UUID().uuidString)")
        let script = try ScriptFile.read(Self.past, name: "past.yaml")
        let server = try LifeTests.desk.options(script, data: data, environment: [:])
        let past = try SimulationRun(script, over: server)
        defer { withExtendedLifetime(past) {} }
        #expect(try await past.live().findings.isEmpty)
        let tenant = try #require(await past.tenants.first)
        let before = try Self.contents(data)

        var order = ForecastOrder(tenant: tenant, from: script.end, policies: server.policies)
        order.months = 2
        order.candidate = server.policies
        let dies = "simulation: 1\ntenants:\n  - { name: acme, life: [{ at: day 2, do: card_declines, reason: expired_card }] }\n"
        order.script = try ScriptFile.read(dies, name: "dies.yaml", start: order.from)
        let same = try await SimulationDesk.forecast(order, over: server)
        #expect(same.findings.isEmpty && same.differences.isEmpty, "\(same.findings) \(same.differences)")
        #expect(same.text().contains("no difference between the policies in force"))
        let lived = same.inForce.timeline
        #expect(lived.title == "The next 2 months of acme")
        #expect(lived.entries.first?.what.hasPrefix("is active: 2 × pro, until 2027-02-15") == true, "\(lived.entries.first?.what ?? "")")
        #expect(lived.entries.contains { $0.kind == .money && $0.what.contains("declined: expired_card") })
        #expect(lived.entries.contains { $0.kind == .mail && $0.what.hasPrefix("to owner@acme.example") })

        order.candidate = try Self.candidate(graceDays: 21)
        defer { if let folder = order.candidate { try? FileManager.default.removeItem(at: folder) } }
        let other = try await SimulationDesk.forecast(order, over: server)
        let suspended = other.differences.filter { $0.entry.state == "suspended" }
        #expect(suspended.map(\.side) == [.inForce, .candidate], "\(other.text())")
        #expect(suspended.count == 2 && suspended[1].entry.at - suspended[0].entry.at == .days(14))
        let lines = other.jsonLines.split(separator: "\n")
        for line in lines { #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) } }
        #expect(TimelinePicture(other.lanes).svg.contains(">candidate</text>"))
        #expect(try Self.contents(data) == before)

        order.tenant = TenantID(UUID())
        await #expect(throws: ScriptRefused.self) { try await SimulationDesk.forecast(order, over: server) }
    }

    @Test("a script for a look ahead has one tenant, whom nobody signs in for, and begins now")
    func script() async throws {
        let text = """
            simulation: 1
            start: 2027-01-01
            tenants: [{ name: acme, life: [{ at: day 1, do: card_declines }] }]
            """
        let now = Timestamp(seconds: 1_800_000_000)
        #expect(throws: ScriptRefused.self) { try ScriptFile.read(text, name: "x.yaml", start: now) }
        let begun = try ScriptFile.read(text.replacing("start: 2027-01-01\n", with: ""), name: "x.yaml", start: now)
        #expect(begun.lives[0].steps[0].at == now + .days(1))
    }

    @Test("days in a state, money, mails and denials are summed up")
    func figures() {
        let start = Timestamp(seconds: 1_798_761_600)
        var timeline = Timeline(title: "A life", start: start, end: start + .days(10), tenants: ["acme"])
        var (active, grace) = (TimelineEntry(start, "acme", .state, "a"), TimelineEntry(start + .days(4), "acme", .state, "b"))
        (active.state, grace.state) = ("active", "grace")
        var paid = TimelineEntry(start + .days(1), "acme", .money, "9.00 USD paid")
        paid.movedMinor = 900
        timeline.entries = [
            active, paid, TimelineEntry(start, "acme", .mail, "to a"), grace, TimelineEntry(start, "acme", .decision, "on_x: deny no by y"),
        ]
        let figures = Forecast.Figures(timeline)
        #expect(figures.secondsIn == ["active": 4 * 86_400, "grace": 6 * 86_400])
        #expect(figures.paidMinor == 900 && figures.mails == 1 && figures.denials == 1)
    }
}
