import Foundation
import HookEngine
import Testing
import Vocabulary

@testable import PolicyHost

@Suite("recorded decisions are asked again")
struct ReplayTests {
    private static let hours = """
        return { id = "x.y", api = 1, settings = { from_hour = { type = "integer", default = 8 } },
          on_seat_request = function(request, settings)
            if request.user.role == "contractor" and request.license.seats_used < settings.from_hour then
              return deny("outside_hours", { retry_after_seconds = 60 * math.random(1, 9) })
            end
            return allow{ overdraft_seats = request.license.seats % 3 }
          end,
          on_payment = function(request)
            if request.event.type == "payment_failed" then return plan{ start_grace{ days = 7 } } end
          end,
        }
        """

    private func bench(_ folder: PolicyFolder) throws -> PolicyWorkbench {
        try PolicyWorkbench(directory: folder.url, definitions: Hooked.all)
    }

    /// A log of its own, written by an engine over the folder.
    private func log(_ folder: PolicyFolder, decisions: Int) async throws -> URL {
        let place = folder.url.deletingLastPathComponent().appending(path: "decisions")
        let engine = folder.engine(sink: try DecisionLog(directory: place))
        try engine.load()
        for number in 0..<decisions {
            let role = number % 4 == 0 ? "contractor" : "developer"
            _ = try await engine.decide(SeatHook.self, .init(role: role, seats: Int64(number % 7), used: Int64(number % 16)), .test())
            if number % 5 == 0 {
                // One that fails is recorded too.
                _ = try? await engine.plan(PaymentHook.self, number % 2 == 0 ? "payment_failed" : "refund_created", .test())
            }
        }
        return place
    }

    @Test("the same set gives the same bytes and the same fuel")
    func same() async throws {
        let folder = try PolicyFolder.single(Self.hours)
        let place = try await log(folder, decisions: 1_000)
        let report = try PolicyReplay(bench(folder)).run(DecisionArchive.files(place))
        #expect(report.decisions == 1_200)
        #expect(report.same == 1_200)
        #expect(report.broken.isEmpty && report.flips == 0)
    }

    @Test("an edited record is told as one that the set never gave")
    func edited() async throws {
        let folder = try PolicyFolder.single(Self.hours)
        let place = try await log(folder, decisions: 20)
        let file = try #require(DecisionArchive.files(place).first)
        var text = try String(contentsOf: file, encoding: .utf8)
        text.replace("\"fuel\":", with: "\"fuel\":1", maxReplacements: 1)
        try text.write(to: file, atomically: true, encoding: .utf8)
        let report = try PolicyReplay(bench(folder)).run([file])
        #expect(report.broken.count == 1)
        #expect(report.flips == 0)
    }

    @Test("a change that flips known decisions is reported as exactly those, by tenant, tier, role and term")
    func flips() async throws {
        let folder = try PolicyFolder.single(Self.hours)
        let place = try await log(folder, decisions: 320)
        try folder.write("x/y/policy.lua", Self.hours.replacing("default = 8", with: "default = 9"))
        let report = try PolicyReplay(bench(folder)).run(DecisionArchive.files(place))
        // Contractors ask with used = 0, 4, 8 or 12: the eights flip, one question in sixteen.
        #expect(report.flips == 20)
        #expect(report.byRole == ["contractor": 20])
        #expect(report.byHook == ["on_seat_request": 20])
        #expect(report.byChange == ["on_seat_request: allow → deny outside_hours": 20])
        #expect(report.people == ["018f0000-0000-7000-8000-000000000001 u1"])
        #expect(report.broken.isEmpty)
        #expect(report.flips + report.same + report.equal == report.decisions)

        try folder.write(
            "x/y/policy.lua", Self.hours.replacing("request.license.seats % 3", with: "0").replacing("days = 7", with: "days = 3"))
        let terms = try PolicyReplay(bench(folder)).run(DecisionArchive.files(place))
        #expect(terms.shifts["overdraft_seats"]?.after == 0)
        #expect(terms.shifts["start_grace.days"] == .init(decisions: 32, before: 224, after: 96))
    }

    @Test("one thread and two report the same")
    func threads() async throws {
        let folder = try PolicyFolder.single(Self.hours)
        let place = try await log(folder, decisions: 100)
        try folder.write("x/y/policy.lua", Self.hours.replacing("default = 8", with: "default = 16"))
        let files = DecisionArchive.files(place)
        let one = try PolicyReplay(bench(folder)).run(files, threads: 1)
        let two = try PolicyReplay(bench(folder)).run(files, threads: 2)
        #expect(one.listed.map(\.id) == two.listed.map(\.id))
        #expect(one.byChange == two.byChange)
    }

    @Test("what asked nobody, what is torn and what hook is gone are counted apart")
    func apart() async throws {
        let folder = try PolicyFolder.single(Self.hours)
        let place = try await log(folder, decisions: 5)
        let file = try #require(DecisionArchive.files(place).first)
        var text = try String(contentsOf: file, encoding: .utf8)
        let first = try #require(text.split(separator: "\n").first)
        text += first.replacing("\"hook\":\"on_seat_request\"", with: "\"hook\":\"on_moon\"") + "\n"
        text += String(first.prefix(100)) + "\n"
        try text.write(to: file, atomically: true, encoding: .utf8)
        let report = try PolicyReplay(bench(folder)).run([file])
        #expect(report.unknown == 1)
        #expect(report.torn == 1)
        #expect(report.same == 6)
    }

    /// Every way in which a decision can end, chosen by the decision's own seed.
    private static let mixed = """
        return { id = "x.y", api = 1,
          on_seat_request = function(request)
            local n = math.random(1, 100)
            if n <= 4 then while true do end end
            if n <= 8 then local s = "x" while true do s = s .. s end end
            if n <= 12 then error("planted " .. n) end
            if n <= 16 then return allow{ overdraft_seats = "many" } end
            if n <= 40 then return deny("planted_" .. n, { retry_after_seconds = n }) end
            if n <= 50 then return end
            if n <= 55 then return deny("with \\"quotes\\", \\\\ and \u{e9}") end
            return allow{ overdraft_seats = n, lease_ttl_seconds = 60 + request.license.seats_used }
          end,
          on_payment = function(request)
            local n = math.random(1, 10)
            if n == 1 then return {} end
            if n <= 5 then return plan{ start_grace{ days = n }, send_mail{ template = "t" .. n } } end
          end,
        }
        """

    @Test("what was stopped by a budget, failed, denied or planned comes back to the same bytes and fuel")
    func mixed() async throws {
        let folder = try PolicyFolder.single(Self.mixed)
        let place = try await log(folder, decisions: 1_000)
        let file = try #require(DecisionArchive.files(place).first)
        let text = try String(contentsOf: file, encoding: .utf8)
        for part in [
            "budget of instructions", "budget of memory", "planted 1", "allow in on_seat_request", "retry_after_seconds", "start_grace",
            "on_payment answered",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        let report = try PolicyReplay(bench(folder)).run([file])
        #expect(report.decisions == 1_200 && report.same == 1_200 && report.broken.isEmpty)
    }

    @Test("the quick way and the general one report the same of every line, whatever was done to it")
    func quickAndGeneral() async throws {
        let folder = try PolicyFolder.single(Self.mixed)
        let place = try await log(folder, decisions: 400)
        let file = try #require(DecisionArchive.files(place).first)
        let lines = try Data(contentsOf: file).split(separator: 10).map { Array($0) }
        // Half of the lines stay as they are; the others are changed in one place.
        let random = CountingEntropy()
        func number(_ below: Int) -> Int { Int(random.bytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) % below }
        let pieces = ["0", "-", " ", "\"", "\\", "{", "}", ",", "null", "1", "\u{e9}", ":", "a", "true", "\\u0041"].map { Array($0.utf8) }
        var damaged: [UInt8] = []
        for round in 0..<4 {
            for original in lines {
                var line = original
                if round > 0 {
                    let at = number(line.count)
                    switch number(3) {
                    case 0: line.remove(at: at)
                    case 1: line.insert(contentsOf: pieces[number(pieces.count)], at: at)
                    default: line.replaceSubrange(at...at, with: pieces[number(pieces.count)])
                    }
                }
                damaged += line + [10]
            }
        }
        try Data(damaged).write(to: file)
        let quick = try PolicyReplay(bench(folder)).run([file])
        let general = try PolicyReplay(bench(folder), isQuick: false).run([file])
        #expect(quick.same >= lines.count && quick.torn > 0 && quick.broken.count > 0)
        #expect(quick.decisions == general.decisions && quick.same == general.same && quick.equal == general.equal)
        #expect(quick.flips == general.flips && quick.torn == general.torn && quick.unknown == general.unknown)
        #expect(quick.unasked == general.unasked && quick.broken == general.broken)
        #expect(quick.listed.map(\.id) == general.listed.map(\.id) && quick.people == general.people && quick.byChange == general.byChange)
    }

    @Test("lines are whole wherever a piece of the file ends")
    func pieces() async throws {
        let folder = try PolicyFolder.single(Self.hours)
        let place = try await log(folder, decisions: 50)
        let files = DecisionArchive.files(place)
        for size in [1, 7, 100, 611, 4_096] {
            let report = try PolicyReplay(bench(folder), chunkBytes: size).run(files)
            #expect(report.decisions == 60 && report.same == 60 && report.torn == 0)
        }
    }
}
