import Foundation
import Simulation
import Testing
import Vocabulary

@Suite("a script is read strictly")
struct ScriptTests {
    static func script(_ more: String, head: String = "simulation: 1\n") -> String {
        head + more + "\ntenants:\n  - name: acme\n    life:\n      - { at: day 0, do: sign_up }\n"
    }

    @Test("moments are days from the start, times of a day, dates and instants")
    func moments() throws {
        let text = """
            simulation: 1
            start: 2027-01-01T09:00:00Z
            tenants:
              - name: acme
                life:
                  - { at: day 0, do: sign_up }
                  - { at: day 2 10:30, do: resume }
                  - { at: 2027-02-01, do: resume }
                  - { at: "2027-02-01T12:00:00Z", do: cancel }
            """
        let script = try ScriptFile.read(text, name: "life.yaml")
        #expect(
            script.lives[0].steps.map(\.at.iso8601) == [
                "2027-01-01T09:00:00Z", "2027-01-03T10:30:00Z", "2027-02-01T00:00:00Z", "2027-02-01T12:00:00Z",
            ])
        #expect(script.lives[0].steps[3].deed == .cancel(.periodEnd))
    }

    @Test(
        "what is wrong is said with its line, and everything at once",
        arguments: [
            ("colour: red", "life.yaml:2: the script knows no 'colour'"),
            ("days: 0", "life.yaml:2: days must be a whole number from 1 to 3660"),
            ("days: 99999", "life.yaml:2: days must be a whole number"),
            ("start: yesterday", "life.yaml:2: start must be a date between 2020 and 2100"),
            ("provider: { webhooks: sideways }", "life.yaml:2: webhooks must be one of in_order"),
            ("provider: { retry_days: [5, 3] }", "retry_days must rise"),
            ("provider:\n  outages: [{ from: day 3, to: day 2 }]", "an outage must end after it began"),
            ("crashes: [{ at: day 3, during: lunch }]", "life.yaml:2: during must be one of mail"),
            ("expect: [{ at: day 3, state: \"a\\u0007b\" }]", "without control characters"),
            ("expect: [{ at: day 3 }]", "an expectation says access, state or tier"),
            ("expect: [{ at: day 3, tenant: nobody, access: true }]", "an expectation names one of the tenants"),
        ])
    func refusals(_ more: String, _ sentence: String) throws {
        let refused = try #require(throws: ScriptRefused.self) { try ScriptFile.read(Self.script(more), name: "life.yaml") }
        #expect(refused.description.contains(sentence), "\(refused)")
    }

    @Test("an expectation after the end, an unknown step and a life out of order are refused together")
    func manyAtOnce() throws {
        let text = """
            simulation: 1
            days: 10
            tenants:
              - name: acme
                life:
                  - { at: day 3, do: sign_up }
                  - { at: day 2, do: dance }
                  - { at: day 1, do: resume, loudly: true }
                  - { at: day 1, do: resume }
            expect: [{ at: day 11, access: true }]
            """
        let refused = try #require(throws: ScriptRefused.self) { try ScriptFile.read(text, name: "life.yaml") }
        #expect(refused.findings.count == 5, "\(refused)")
        #expect(refused.description.contains("life.yaml:7: a step says what to do: back_up, call, cancel"))
        #expect(refused.description.contains("the step resume knows no 'loudly'"))
        #expect(refused.description.contains("life.yaml:9: a life is written in the order of its time"))
        #expect(refused.description.contains("it lies after the end of the simulation"))
    }

    @Test("what is no script at all is refused and not lived")
    func nonsense() {
        for text in ["", "- 1", "simulation: 2\ntenants: []", "tenants: [", "simulation: 1", String(repeating: "#", count: 1_048_577)] {
            #expect(throws: ScriptRefused.self) { try ScriptFile.read(text, name: "x.yaml") }
        }
    }

    @Test("anchors that multiply are counted each time they are read")
    func multiplied() throws {
        var body = "&a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
        for level in 1...6 { body = "&a\(level) [\(body), " + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]" }
        let text = """
            simulation: 1
            tenants:
              - name: acme
                life:
                  - { at: day 0, do: call, method: POST, path: /x, body: { many: \(body) } }
            """
        let refused = try #require(throws: ScriptRefused.self) { try ScriptFile.read(text, name: "life.yaml") }
        #expect(refused.description.contains("the script is too large"), "\(refused)")
    }
}
