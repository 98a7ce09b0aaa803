import Foundation
import Licensing
import Testing
import Vocabulary

struct LifecycleTests {
    static let t0 = Timestamp(seconds: 1_800_000_000)
    static func day(_ count: Int64) -> Timestamp { t0 + .days(count) }

    struct Reading: CustomTestStringConvertible, Sendable {
        let name: String
        let terms: LicenseTerms
        /// Status on each of the days.
        let expected: [Int64: LicenseStatus]
        let end: Timestamp?
        var testDescription: String { name }
    }
    static let readings: [Reading] = [
        Reading(
            name: "active until the period ends; at the very end news of the renewal is awaited, but not for a day",
            terms: LicenseTerms(standing: .active, periodEnd: day(30)),
            expected: [0: .active, 29: .active, 30: .grace, 31: .expired, 99: .expired], end: day(30)),
        Reading(
            name: "what does not renew ends at the very moment",
            terms: LicenseTerms(standing: .active, periodEnd: day(30), cancelsAt: day(30)),
            expected: [29: .active, 30: .expired], end: day(30)),
        Reading(
            name: "free has no end", terms: LicenseTerms(standing: .active, periodEnd: nil), expected: [0: .active, 9_999: .active],
            end: nil),
        Reading(
            name: "grace lasts beyond the period and then suspends by itself",
            terms: LicenseTerms(standing: .grace, periodEnd: day(30), graceUntil: day(37)),
            expected: [30: .grace, 36: .grace, 37: .suspended, 99: .suspended], end: day(37)),
        Reading(
            name: "a grace shorter than what is paid for takes nothing away",
            terms: LicenseTerms(standing: .grace, periodEnd: day(30), graceUntil: day(7)), expected: [8: .grace, 30: .suspended],
            end: day(30)),
        Reading(
            name: "suspended whatever the period", terms: LicenseTerms(standing: .suspended, periodEnd: day(30)),
            expected: [0: .suspended, 40: .suspended], end: day(30)),
        Reading(
            name: "cancelled runs to the end that was paid for", terms: LicenseTerms(standing: .cancelled, periodEnd: day(30)),
            expected: [0: .active, 29: .active, 30: .expired], end: day(30)),
        Reading(
            name: "cancelled at a day ends on that day", terms: LicenseTerms(standing: .cancelled, periodEnd: day(30), cancelsAt: day(3)),
            expected: [2: .active, 3: .expired], end: day(3)),
        Reading(
            name: "what staff holds is suspended while it could be used, and over when it is over",
            terms: LicenseTerms(standing: .cancelled, periodEnd: day(30), heldAt: day(1)), expected: [2: .suspended, 30: .expired],
            end: day(30)),
        Reading(
            name: "revoked is revoked", terms: LicenseTerms(standing: .active, periodEnd: day(30), revokedAt: day(1)),
            expected: [1: .revoked, 40: .revoked], end: day(30)),
    ]

    @Test("the life of a licence is sound, and its page shows it as it is declared")
    func shown() throws {
        let life = LicenseTransition.lifecycle
        #expect(life.flaws.isEmpty, "\(life.flaws)")
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../docs/explanation/life-of-a-licence.md")
        let page = try String(contentsOf: file, encoding: .utf8)
        #expect(page.contains("```mermaid\n\(life.diagram)\n```"), "expected:\n\(life.diagram)")
        #expect(page.contains("\n\(life.table)\n"), "expected:\n\(life.table)")
        #expect(life.isFinal(.revoked) && life.transition(from: .suspended, to: .active)?.name == "reinstate")
    }

    @Test("status follows from the terms and the moment alone", arguments: readings)
    func status(_ reading: Reading) {
        for (day, status) in reading.expected { #expect(reading.terms.status(at: Self.day(day)) == status, "day \(day)") }
        #expect(reading.terms.effectiveEnd == reading.end)
    }

    @Test("news of a renewal is awaited for an hour, and the end that is shown moves with it")
    func leeway() {
        let terms = LicenseTerms(standing: .active, periodEnd: Self.day(30))
        #expect(terms.effectiveEnd(at: Self.day(30) - .seconds(1)) == Self.day(30))
        #expect(terms.effectiveEnd(at: Self.day(30)) == Self.day(30) + .hours(1))
        #expect(terms.status(at: Self.day(30) + .hours(1) - .seconds(1)) == .grace)
        #expect(terms.status(at: Self.day(30) + .hours(1)) == .expired)
    }

    struct Step: CustomTestStringConvertible, Sendable {
        let before: LicenseTerms?
        let after: LicenseTerms
        let verb: String?
        var testDescription: String {
            "\(before.map { $0.standing.rawValue } ?? "none") → \(after.standing.rawValue): \(verb ?? "nothing")"
        }
    }
    static func terms(_ standing: StandingChanged.Standing, _ end: Int64 = 30, grace: Int64? = nil, cancels: Int64? = nil) -> LicenseTerms {
        LicenseTerms(standing: standing, periodEnd: day(end), graceUntil: grace.map(day), cancelsAt: cancels.map(day))
    }
    static let steps: [Step] = [
        Step(before: nil, after: terms(.active), verb: "issue"),
        Step(before: terms(.active), after: terms(.active, 60), verb: "renew"),
        Step(before: terms(.active), after: terms(.active), verb: nil),
        Step(before: terms(.active), after: terms(.grace, grace: 37), verb: "enter grace"),
        Step(before: terms(.grace, grace: 37), after: terms(.active, 60), verb: "renew"),
        Step(before: terms(.grace, grace: 37), after: terms(.suspended), verb: "suspend"),
        // The grace ran out on day 10, the check is on day 20: the suspension is told all the same.
        Step(before: terms(.grace, 5, grace: 10), after: terms(.suspended, 5), verb: "suspend"),
        Step(before: terms(.active), after: terms(.suspended), verb: "suspend"),
        Step(before: terms(.suspended), after: terms(.active, 60), verb: "reinstate"),
        Step(before: terms(.suspended), after: terms(.grace, grace: 37), verb: "reinstate"),
        Step(before: terms(.active, 5), after: terms(.active, 60), verb: "renew"),
        Step(before: terms(.active), after: terms(.cancelled, cancels: 3), verb: "expire"),
        Step(before: terms(.suspended), after: terms(.cancelled, cancels: 3), verb: "expire"),
        Step(before: terms(.active), after: terms(.cancelled), verb: nil),
        Step(before: terms(.cancelled, cancels: 3), after: terms(.active, 60), verb: "renew"),
    ]

    @Test("what was done to a licence has one name", arguments: steps)
    func transitions(_ step: Step) {
        #expect(LicenseTransition.between(step.before, step.after, now: Self.day(20))?.verb == step.verb)
    }

    @Test("a revoked licence never becomes anything else, and every other transition starts and ends where it says")
    func declared() {
        for transition in LicenseTransition.all { #expect(!transition.from.contains(.revoked)) }
        let standings = StandingChanged.Standing.all
        for old in standings {
            for new in standings {
                let (before, after) = (Self.terms(old, grace: 37, cancels: 3), Self.terms(new, 60, grace: 67, cancels: 10))
                guard let found = LicenseTransition.between(before, after, now: Self.day(5)) else { continue }
                #expect(found.to.contains(after.status(at: Self.day(5))), "\(old) → \(new)")
            }
        }
    }
}

extension StandingChanged.Standing { static let all: [Self] = [.active, .grace, .suspended, .cancelled] }
