import Foundation
import Simulation
import Testing
import Vocabulary

@Suite("lives in virtual time")
struct LifeTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let desk = SimulationDesk(policies: root.appendingPathComponent("policies"))
    static let examples = root.appendingPathComponent("examples/simulations")
    static let names = ((try? FileManager.default.contentsOfDirectory(atPath: examples.path)) ?? []).filter { $0.hasSuffix(".yaml") }
        .sorted()

    static func example(_ name: String) throws -> Script {
        try ScriptFile.read(String(contentsOf: examples.appendingPathComponent(name), encoding: .utf8), name: name)
    }

    @Test("there are examples for every kind of life") func examplesAreThere() { #expect(Self.names.count >= 7, "\(Self.names)") }

    /// The short ones; `make interop` lives all of them.
    @Test("an example is lived as it says", arguments: ["long-grace.yaml", "outage.yaml", "team.yaml"])
    func example(_ name: String) async throws {
        let timeline = try await Self.desk.live(Self.example(name))
        #expect(timeline.findings.isEmpty, "\(timeline.findings)")
        #expect(timeline.entries.contains { $0.kind == .money && ($0.movedMinor ?? 0) > 0 })
        #expect(timeline.entries.contains { $0.kind == .mail } && timeline.entries.contains { $0.kind == .state })
        #expect(!timeline.text().contains(#/[0-9a-f]{8}-[0-9a-f]{4}-/#), "a timeline tells no ids")
    }

    @Test("a death at each point is told, and what was asked is done once")
    func deaths() async throws {
        let timeline = try await Self.desk.live(Self.example("deaths.yaml"))
        let deaths = timeline.entries.filter { $0.what.hasPrefix("the platform dies") }
        #expect(deaths.count == 7, "\(deaths.map(\.what))")
        let bought = timeline.entries.filter { $0.kind == .state && $0.what.hasPrefix("subscription.activated") }
        #expect(bought.count == 1)
        let changes = timeline.entries.filter { $0.kind == .state && $0.what.hasPrefix("billing_operation.done: kind change") }
        #expect(changes.count == 1, "the change was asked again under its key")
    }

    @Test("the same seed gives the same bytes, another seed others")
    func sameSeed() async throws {
        var script = RandomLives(tenants: 2, days: 45, seed: 5).script()
        let first = try await Self.desk.live(script)
        let second = try await Self.desk.live(script)
        #expect(first.text() == second.text())
        #expect(first.jsonLines == second.jsonLines)
        #expect(TimelinePicture(first).svg == TimelinePicture(second).svg)
        script = RandomLives(tenants: 2, days: 45, seed: 6).script()
        #expect(try await Self.desk.live(script).text() != first.text())
    }

    @Test("an expectation that does not hold is a finding with its line")
    func wrongExpectation() async throws {
        let text = """
            simulation: 1
            days: 3
            tenants:
              - name: acme
                life:
                  - { at: day 0, do: sign_up }
                  - { at: day 0 01:00, do: call, method: GET, path: /api/v1/nowhere, status: 200 }
            expect:
              - { at: day 1, access: true, state: active }
            """
        let timeline = try await Self.desk.live(ScriptFile.read(text, name: "wrong.yaml"))
        #expect(timeline.findings.count == 3, "\(timeline.findings)")
        #expect(timeline.findings.contains { $0.contains("line 9: access is false, expected true") })
        #expect(timeline.findings.contains { $0.contains("line 7: GET /api/v1/nowhere answered 404") })
    }
}

@Suite("a timeline is told as text, as JSON Lines and as a picture")
struct TimelineTests {
    @Test("each line of JSON is an object, and the last one holds the findings")
    func jsonLines() async throws {
        let timeline = try await LifeTests.desk.live(LifeTests.example("card-dies.yaml"))
        let lines = timeline.jsonLines.split(separator: "\n")
        #expect(lines.count == timeline.entries.count + 1)
        for line in lines { #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) } }
        #expect(lines.last == "{\"findings\":[]}")
    }

    @Test("the picture has a title, a description that says as much, and no word unescaped")
    func picture() {
        let start = Timestamp(seconds: 1_798_761_600)
        var timeline = Timeline(title: "Life & death", start: start, end: start + .days(100), tenants: ["acme"])
        var bought = TimelineEntry(start + .days(1), "acme", .state, "subscription.activated")
        bought.state = "active"
        var paid = TimelineEntry(start + .days(1), "acme", .money, "99.00 USD paid")
        paid.movedMinor = 9_900
        timeline.entries = [bought, paid, TimelineEntry(start + .days(2), "acme", .mail, "to <script>o&o@acme.example")]
        let svg = TimelinePicture(timeline).svg
        #expect(svg.contains("<title id=\"title\">Life &amp; death</title>"))
        #expect(svg.contains("acme: active from 2027-01-02; 99.00 paid, 1 mails."))
        #expect(svg.contains("to &lt;script&gt;o&amp;o@acme.example") && !svg.contains("<script"))
        #expect(svg.contains("prefers-color-scheme:dark") && svg.contains("class=\"active\""))
    }
}
