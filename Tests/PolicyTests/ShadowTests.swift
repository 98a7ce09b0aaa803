import Foundation
import HookEngine
import Synchronization
import Testing

@testable import PolicyHost

@Suite("a candidate decides beside the live set")
struct ShadowTests {
    private static func files(_ body: String) -> [String: String] {
        [
            "init.lua": "return { platform = { 'x/y' } }",
            "x/y/policy.lua": "return { id = 'x.y', api = 1,\n on_seat_request = function(request)\n \(body)\n end }",
        ]
    }

    @Test("a planted change is reported as exactly the questions that it flips, and the live answers stay")
    func flips() async throws {
        let folder = try PolicyFolder(Self.files("return allow{ overdraft_seats = 1 }"))
        let candidate = try PolicyFolder(
            Self.files("if request.license.seats_used % 10 == 3 then return deny('planted') end return allow{ overdraft_seats = 1 }"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink, limits: .init(shadowQueue: 1_000))
        try engine.load()
        let hash = try engine.shadow(candidate.url)
        for used in 0..<500 {
            let verdict = try await engine.decide(SeatHook.self, .init(used: Int64(used)), .test())
            #expect(verdict.outcome == .allow)
            if used % 100 == 99 { await engine.settleShadow() }
        }
        await engine.settleShadow()
        let report = try #require(engine.shadowReport)
        #expect(report.candidate == hash && report.candidate != engine.hash)
        #expect(report.asked == 500 && report.dropped == 0 && report.failures == 0)
        #expect(report.flips == 50 && report.same == 450)
        #expect(report.byChange == ["on_seat_request: allow → deny planted": 50])
        let planted = sink.records.filter { ($0.input["license"]?["seats_used"]?.int ?? 0) % 10 == 3 }.map(\.id)
        #expect(report.listed.map(\.decision) == planted)
        #expect(report.judged(by: .init(questions: 1_000)) == .notYet)
        #expect(report.judged(by: .init(questions: 100, flipBasisPoints: 999)) == .unfit("answered 50 of 500 otherwise"))
        #expect(report.judged(by: .init(questions: 100, flipBasisPoints: 1_000)) == .fit)
        engine.endShadow()
        #expect(engine.shadowReport == nil)
    }

    @Test("one that burns its whole budget or fails touches no answer; what its queue has no room for is dropped and counted")
    func misbehaves() async throws {
        let folder = try PolicyFolder(Self.files("return allow{ overdraft_seats = 1 }"))
        let candidate = try PolicyFolder(Self.files("while true do end"))
        let engine = folder.engine(limits: .init(shadowQueue: 4))
        try engine.load()
        try engine.shadow(candidate.url)
        for _ in 0..<400 {
            let verdict = try await engine.decide(SeatHook.self, .init(), .test())
            #expect(verdict.outcome == .allow && verdict.terms.overdraftSeats == 1)
        }
        await engine.settleShadow()
        let report = try #require(engine.shadowReport)
        #expect(report.asked + report.dropped == 400)
        #expect(report.failures == report.asked && report.asked >= 4)
        guard case .unfit(let why) = report.judged(by: .init()) else {
            Issue.record("a candidate that fails is fit")
            return
        }
        #expect(why.contains("x/y/policy.lua:") && why.contains("budget"))
    }

    @Test("a candidate that could not go live is refused with its findings")
    func refused() async throws {
        let folder = try PolicyFolder(Self.files("return allow{}"))
        let candidate = try PolicyFolder(Self.files("return request.usr"))
        let engine = folder.engine()
        try engine.load()
        #expect(throws: PolicyRefusal.self) { try engine.shadow(candidate.url) }
        #expect(engine.shadowReport == nil)
    }

    @Test("a set that fails too often after it went live gives way to the one before, and says why")
    func probation() async throws {
        let folder = try PolicyFolder(Self.files("return allow{ overdraft_seats = 1 }"))
        let engine = folder.engine()
        let first = try engine.load()
        let news = News()
        news.listen(to: engine)
        for (path, text) in Self.files("local t = nil return t.x") { try folder.write(path, text) }
        let second = try engine.load()
        for _ in 0..<11 {
            let verdict = try await engine.decide(SeatHook.self, .init(), .test())
            #expect(verdict.policyHash == second.hex)
        }
        #expect(engine.hash == first)
        #expect(try await engine.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 1)
        let told = news.told.withLock { $0 }
        #expect(told.count == 1)
        // Whoever lives by the data files hears of both.
        #expect(news.live.withLock { $0 } == [second, first])
        #expect(
            told.first?.contains("11 of the first 11 decisions failed, first: x/y/policy.lua:3: attempt to index a nil value") == true,
            "\(told)")
        #expect(engine.refused.count == 1)

        // An edit is read as any other.
        for (path, text) in Self.files("return allow{ overdraft_seats = 2 }") { try folder.write(path, text) }
        engine.look()
        engine.look()
        #expect(try await engine.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 2)
    }

    @Test("a set that was rolled back stays away over a restart until its folder changes or somebody insists")
    func withdrawn() async throws {
        let folder = try PolicyFolder(Self.files("return allow{ overdraft_seats = 1 }"))
        let archive = PolicyArchive(directory: folder.url.deletingLastPathComponent().appending(path: "kept"))
        func start() throws -> (engine: PolicyEngine, news: News) {
            let engine = folder.engine(limits: .init(probation: .init(decisions: 20, failures: 2)))
            let news = News()
            news.listen(to: engine)
            engine.keep(in: archive)
            try engine.load()
            return (engine, news)
        }
        let good = try #require(try start().engine.hash)
        // Edited while nothing ran: what was live then is what it gives way to.
        for (path, text) in Self.files("local t = nil return t.x") { try folder.write(path, text) }
        let (first, news) = try start()
        let bad = try #require(first.hash)
        for _ in 0..<3 { _ = try await first.decide(SeatHook.self, .init(), .test()) }
        #expect(first.hash == good)
        let withdrawal = try #require(archive.withdrawal(of: bad))
        #expect(withdrawal.back == good.hex && withdrawal.why.contains("3 of the first 3 decisions failed"))
        #expect(news.withdrawn.withLock { $0 } == [withdrawal])

        let (second, again) = try start()
        #expect(second.hash == good)
        #expect(try await second.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 1)
        #expect(second.refused.map(\.message) == [withdrawal.description])
        #expect(again.told.withLock { $0 }.count == 1)
        #expect(again.withdrawn.withLock { $0 }.isEmpty, "it is told once, not at each start")
        second.reload()
        #expect(second.hash == good)

        try second.load(insisting: true)
        #expect(second.hash == bad && archive.withdrawals().isEmpty && second.refused.isEmpty)
        for _ in 0..<3 { _ = try await second.decide(SeatHook.self, .init(), .test()) }
        #expect(second.hash == good && archive.withdrawal(of: bad) != nil)

        // Promoting it is insisting too, in the place of either.
        let promotion = PolicyPromotion(directory: folder.url, archive: archive, definitions: Hooked.all, data: [])
        _ = try promotion.promote(folder.url, replacing: good.hex)
        #expect(archive.withdrawals().isEmpty)

        try archive.withdraw(PolicyWithdrawal(set: bad.hex, back: good.hex, why: "again", time: "then"))
        for (path, text) in Self.files("return allow{ overdraft_seats = 2 }") { try folder.write(path, text) }
        let third = try start().engine
        #expect(try await third.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 2)
    }

    @Test("a set that goes live just before a restart is on probation after it, until it has proved itself")
    func probationOverRestart() async throws {
        let folder = try PolicyFolder(Self.files("return allow{ overdraft_seats = 1 }"))
        let archive = PolicyArchive(directory: folder.url.deletingLastPathComponent().appending(path: "kept-on-trial"))
        func start() throws -> PolicyEngine {
            let engine = folder.engine(limits: .init(probation: .init(decisions: 20, failures: 2)))
            engine.keep(in: archive)
            try engine.load()
            return engine
        }
        func ask(_ engine: PolicyEngine, _ used: Int64, _ times: Int) async throws {
            for _ in 0..<times { _ = try await engine.decide(SeatHook.self, .init(used: used), .test()) }
        }
        let good = try #require(try start().hash)
        let fails = "if request.license.seats_used == 9 then error('no') end return allow{ overdraft_seats = 2 }"
        for (path, text) in Self.files(fails) { try folder.write(path, text) }
        let second = try start()
        let edited = try #require(second.hash)
        try await ask(second, 9, 2)
        #expect(second.hash == edited)

        // Two failures were allowed, and the count begins anew: what failed before the restart is not held against it.
        let third = try start()
        try await ask(third, 9, 2)
        #expect(third.hash == edited)
        try await ask(third, 9, 1)
        #expect(third.hash == good && archive.withdrawal(of: edited)?.back == good.hex)

        try archive.readmit(edited)
        let fourth = try start()
        try await ask(fourth, 1, 20)
        let fifth = try start()
        try await ask(fifth, 9, 3)
        #expect(fifth.hash == edited, "it has proved itself")
    }

    @Test("a verdict is told once, when there are enough questions or too many failures, and later ones change nothing")
    func judged() async throws {
        let folder = try PolicyFolder(Self.files("return allow{ overdraft_seats = 1 }"))
        func planted(_ from: Int, _ what: String) -> String {
            "if request.license.seats_used >= \(from) then \(what) end return allow{ overdraft_seats = 1 }"
        }
        let cases: [(body: String, asked: Int, verdict: PolicyShadowReport.Verdict?)] = [
            ("return allow{ overdraft_seats = 1 }", 10, .fit), (planted(8, "return deny('x')"), 10, .unfit("answered 2 of 10 otherwise")),
            (planted(9, "return deny('x')"), 10, .fit), (planted(4, "error('no')"), 5, nil),
        ]
        for (body, asked, verdict) in cases {
            let candidate = try PolicyFolder(Self.files(body))
            let engine = folder.engine()
            let news = News()
            news.listen(to: engine)
            try engine.load()
            let hash = try engine.shadow(candidate.url, thresholds: .init(questions: 10, flipBasisPoints: 1_000, failures: 0))
            for used in 0..<30 { _ = try await engine.decide(SeatHook.self, .init(used: Int64(used)), .test()) }
            await engine.settleShadow()
            let told = news.judged.withLock { $0 }
            #expect(told.map(\.candidate) == [hash] && told.map(\.asked) == [asked])
            if let verdict {
                #expect(told.first?.verdict == verdict)
            } else if case .unfit(let why)? = told.first?.verdict {
                #expect(why.hasPrefix("failed 1 times, first: x/y/policy.lua:3:"))
            } else {
                Issue.record("a failing candidate is \(told.map(\.verdict))")
            }
            #expect(engine.shadowReport?.verdict == told.first?.verdict && engine.shadowReport?.asked == 30)
        }
    }

    @Test("a set that has proved itself stays, whatever comes later")
    func proved() {
        var probation = PolicyProbation.Count(.init(decisions: 100, failures: 2))
        for number in 0..<99 { if case .goesOn = probation.count(failure: number == 5 ? "x" : nil) {} else { Issue.record("\(number)") } }
        if case .proved = probation.count(failure: nil) {} else { Issue.record("not proved") }
    }
}

private final class News: Sendable {
    let told = Mutex<[String]>([])
    let live = Mutex<[PolicySetHash]>([])
    let withdrawn = Mutex<[PolicyWithdrawal]>([])
    let judged = Mutex<[PolicyShadowReport]>([])

    func listen(to engine: PolicyEngine) {
        engine.onNews { [self] item in
            switch item {
            case .refused(let findings): told.withLock { $0 += findings.map(\.description) }
            case .live(let hash, _): live.withLock { $0.append(hash) }
            case .withdrawn(let withdrawal): withdrawn.withLock { $0.append(withdrawal) }
            case .judged(let report, _): judged.withLock { $0.append(report) }
            }
        }
    }
}
