import Foundation
import Testing
import Vocabulary

@testable import Store

/// Of several reasons to keep a record the longest wins, and a legal hold over all.
@Suite("retention: which reason wins")
struct RetentionRulingTests {
    static let days = Setting("test.days", default: 30, in: 1...100, reason: "of this test")
    static func day(_ number: Double) -> Timestamp { Timestamp(microseconds: Int64(number * 86_400_000_000)) }
    static func keep(_ kind: String, _ days: Int?) -> TenantKeep {
        TenantKeep(id: TenantKeep.ID(UUID()), kind: kind, days: days, why: "a duty of its own", since: day(1))
    }
    static func kind(
        _ duties: [RetentionDuty], spared: String? = nil, lengthens: Bool = true, every: Duration? = .days(1)
    ) -> RetentionKind {
        RetentionKind(
            "things", "Things", .tenant, tables: ["thing_all"], duties, end: .deleted, job: RetentionJob("things.sweep", every: every),
            spared: spared, canBeLengthened: lengthens)
    }
    static let short = RetentionDuty(.purpose, "short", from: "it came", clock: "came_at", .days(days))
    static let long = RetentionDuty(.law, "long", from: "it was settled", clock: "settled_at", .fixed(.days(100)))
    static let lasting = RetentionDuty.lasting(.tenant, "with its tenant")

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var kind: RetentionKind
        var clocks: [Timestamp?]
        var end: RetentionFacts.TenantEnd = .stays
        var keeps: [TenantKeep] = []
        var nextRun: Timestamp?
        let why: String
        let until: RetentionVerdict.Until
        var taken: Timestamp?
        var testDescription: String { name }
    }

    static let table: [Case] = [
        Case(
            name: "one duty", kind: kind([short]), clocks: [day(5)], nextRun: day(6), why: "short", until: .at(day(35)), taken: day(35)),
        Case(
            name: "the job comes after the end, not before", kind: kind([short]), clocks: [day(5.25)], nextRun: day(6), why: "short",
            until: .at(day(35.25)), taken: day(36)),
        Case(
            name: "a job that is late takes it when it comes", kind: kind([short]), clocks: [day(5)], nextRun: day(50), why: "short",
            until: .at(day(35)), taken: day(50)),
        Case(
            name: "a job of the record's own comes at its end", kind: kind([short], every: nil), clocks: [day(5)], why: "short",
            until: .at(day(35)), taken: day(35)),
        Case(
            name: "the longer law wins", kind: kind([short, long]), clocks: [day(5), day(0)], nextRun: day(6), why: "long",
            until: .at(day(100)), taken: day(100)),
        Case(
            name: "the longer purpose wins over a law that is nearly over", kind: kind([short, long]), clocks: [day(99), day(0)],
            nextRun: day(100), why: "short", until: .at(day(129)), taken: day(129)),
        Case(
            name: "what has not begun has no end", kind: kind([short, long]), clocks: [day(5), nil], why: "long",
            until: .open("its time has not begun: it was settled")),
        Case(
            name: "with its tenant", kind: kind([lasting, long]), clocks: [nil, day(0)], why: "with its tenant",
            until: .open("until the tenant is purged")),
        Case(
            name: "a tenant that leaves ends what is its own", kind: kind([lasting, short]), clocks: [nil, day(0)], end: .at(day(40)),
            nextRun: day(1), why: "with its tenant", until: .at(day(40)), taken: day(40)),
        Case(
            name: "the law outlives the tenant", kind: kind([lasting, long]), clocks: [nil, day(0)], end: .purged, nextRun: day(1),
            why: "long", until: .at(day(100)), taken: day(100)),
        Case(
            name: "a duty of the tenant's own lengthens", kind: kind([short]), clocks: [day(5)], keeps: [keep("things", 200)],
            nextRun: day(6), why: "a duty of its own", until: .at(day(205)), taken: day(205)),
        Case(
            name: "and never shortens", kind: kind([short]), clocks: [day(5)], keeps: [keep("things", 3)], nextRun: day(6), why: "short",
            until: .at(day(35)), taken: day(35)),
        Case(
            name: "another kind's is nothing to it", kind: kind([short]), clocks: [day(5)], keeps: [keep("others", 200)], nextRun: day(6),
            why: "short", until: .at(day(35)), taken: day(35)),
        Case(
            name: "a kind that cannot be lengthened is not", kind: kind([short], lengthens: false), clocks: [day(5)],
            keeps: [keep("things", 200)], nextRun: day(6), why: "short", until: .at(day(35)), taken: day(35)),
        Case(
            name: "a hold stands over all", kind: kind([short, long]), clocks: [day(5), nil], keeps: [keep("things", 900), keep("*", nil)],
            why: "a duty of its own", until: .open("until the legal hold is lifted")),
        Case(
            name: "but not over what it does not bind", kind: kind([short], spared: "a copy"), clocks: [day(5)], keeps: [keep("*", nil)],
            nextRun: day(6), why: "short", until: .at(day(35)), taken: day(35)),
    ]

    @Test("the longest reason wins", arguments: table)
    func longest(_ given: Case) {
        let facts = RetentionFacts(clocks: given.clocks, tenantEnd: given.end, keeps: given.keeps, nextRun: given.nextRun)
        let verdict = given.kind.judge(facts, Settings())
        #expect(verdict.reasons[verdict.longest].why == given.why && verdict.until == given.until, "\(verdict)")
        #expect(verdict.takenAt == given.taken, "\(verdict)")
        #expect(verdict.isHeld == (given.until == .open("until the legal hold is lifted")))
        // Whatever is said, nothing goes before any of its reasons is over.
        if let taken = verdict.takenAt {
            for reason in verdict.reasons { if case .at(let moment) = reason.until { #expect(taken >= moment) } }
        }
    }

    @Test("a name of a record is read as its key says, and nothing else is")
    func names() {
        let probe = RetentionProbe("thing_all", keys: [("thing_id", .id), ("place", .number)])
        let id = UUID().uuidString.lowercased()
        #expect(probe.values("\(id):7")?.last == .integer(7) && probe.values("\(id):7")?.count == 2)
        for bad in [id, "\(id):", ":7", "\(id):7:8", "x:7", "\(id):7'; DROP TABLE thing_all"] {
            #expect(probe.values(bad) == nil, "\(bad)")
        }
        let digest = RetentionProbe("thing", .ofPlatform, by: "digest", .digest)
        #expect(digest.values(String(repeating: "0a", count: 32)) == [.blob(Array(repeating: 10, count: 32))])
        for bad in ["", "zz", String(repeating: "0", count: 63), String(repeating: "g", count: 64)] { #expect(digest.values(bad) == nil) }
    }
}
