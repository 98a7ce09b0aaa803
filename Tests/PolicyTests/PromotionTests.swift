import Foundation
import HookEngine
import Synchronization
import Testing

@testable import PolicyHost

@Suite("one set takes the place of another")
struct PromotionTests {
    private static func files(_ seats: Int) -> [String: String] {
        [
            "init.lua": "return { platform = { 'x/y' } }", "README.md": "mine",
            "x/y/policy.lua": "return { id = 'x.y', api = 1, on_seat_request = function() return allow{ overdraft_seats = \(seats) } end }",
        ]
    }
    private final class Stop: Sendable {
        let isOver = Mutex(false)
        let asked = Mutex(0)
    }
    private func promotion(_ folder: PolicyFolder) -> (PolicyPromotion, PolicyArchive) {
        let archive = PolicyArchive(directory: folder.url.deletingLastPathComponent().appending(path: "kept"))
        return (PolicyPromotion(directory: folder.url, archive: archive, definitions: Hooked.all, data: []), archive)
    }

    @Test("a promotion names what it replaces, keeps both, and a roll back by hash brings the first again")
    func promoteAndBack() async throws {
        let folder = try PolicyFolder(Self.files(1))
        var other = Self.files(2)
        other["z/w/policy.lua"] = "return { id = 'z.w', api = 1, on_signup = function() end }"
        let candidate = try PolicyFolder(other)
        let (promotion, archive) = promotion(folder)
        let engine = folder.engine()
        engine.keep(in: archive)
        let first = try engine.load()
        let done = try promotion.promote(candidate.url, replacing: first.short)
        #expect(done.before == first)
        #expect(FileManager.default.contents(atPath: folder.url.appending(path: "README.md").path) == Data("mine".utf8))
        // The watcher sees it as any edit: two looks, and it is live.
        engine.look()
        engine.look()
        #expect(engine.hash == done.after)
        #expect(archive.list().first == done.after)
        #expect(Set(archive.list()) == [first, done.after])

        let kept = try #require(archive.folder(first.short))
        let back = try promotion.promote(kept, replacing: done.after.hex)
        #expect(back.after == first)
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "z/w/policy.lua").path))
        try engine.load()
        #expect(engine.hash == first)
        #expect(archive.list().first == first)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.url.deletingLastPathComponent().path)
        #expect(Set(left) == ["policies", "kept"], "no draft stays")
    }

    @Test("who means to replace another set than the one in force is told, and nothing changes")
    func moved() throws {
        let folder = try PolicyFolder(Self.files(1))
        let candidate = try PolicyFolder(Self.files(2))
        let (promotion, _) = promotion(folder)
        for wrong in ["", "0000000000", "ab"] {
            #expect(throws: PolicyPromotion.Moved.self) { try promotion.promote(candidate.url, replacing: wrong) }
        }
        #expect(folder.findings().isEmpty)
        #expect(try String(contentsOf: folder.url.appending(path: "x/y/policy.lua"), encoding: .utf8).contains("overdraft_seats = 1"))
    }

    @Test("a candidate that could not go live is not promoted, and says why")
    func refused() throws {
        let folder = try PolicyFolder(Self.files(1))
        let candidate = try PolicyFolder(
            Self.files(2).merging(["x/y/policy_test.lua": "return { { name = 'n', hook = 'on_moon', input = {} } }"]) { $1 })
        let (promotion, _) = promotion(folder)
        let hash = try folder.engine().load()
        let refusal = #expect(throws: PolicyRefusal.self) { try promotion.promote(candidate.url, replacing: hash.hex) }
        #expect(refusal?.findings.first?.message.contains("hook must be one") == true)
        #expect(try folder.engine().load() == hash)
    }

    @Test("the archive keeps the newest sets and no more")
    func archive() throws {
        let folder = try PolicyFolder(Self.files(0))
        let archive = PolicyArchive(directory: folder.url.deletingLastPathComponent().appending(path: "kept"), keeps: 3)
        let engine = folder.engine()
        engine.keep(in: archive)
        var hashes: [PolicySetHash] = []
        for seats in 1...5 {
            for (path, text) in Self.files(seats) { try folder.write(path, text) }
            hashes.append(try engine.load())
        }
        #expect(Set(archive.list()) == Set(hashes.suffix(3)))
        #expect(archive.folder(String(hashes[4].hex.prefix(8))) != nil)
        #expect(archive.folder(hashes[0].hex) == nil)
        #expect(archive.folder("") == nil)
        let bench = try PolicyWorkbench(directory: try #require(archive.folder(hashes[3].hex)), definitions: Hooked.all)
        #expect(bench.hash == hashes[3], "what is kept is the same set")
    }

    @Test("a thousand reloads under load: no question fails, none is answered by two versions")
    func reloads() async throws {
        @Sendable func write(_ version: Int, _ folder: PolicyFolder) throws {
            try folder.write(
                "a/b/policy.lua",
                "return { id = 'a.b', api = 1, on_seat_request = function() return allow{ overdraft_seats = \(version % 1_000) } end }")
            try folder.write(
                "c/d/policy.lua",
                "return { id = 'c.d', api = 1, on_seat_request = function() return allow{ lease_ttl_seconds = \(1_000 + version % 1_000) } end }"
            )
        }
        let folder = try PolicyFolder(["init.lua": "return { platform = { 'a/b', 'c/d' } }"])
        try write(0, folder)
        let engine = folder.engine()
        try engine.load()
        let stop = Stop()
        let asked = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    var count = 0
                    var hashes: [String: Int64] = [:]
                    while !stop.isOver.withLock({ $0 }) {
                        let verdict = try await engine.decide(SeatHook.self, .init(), .test())
                        guard case .allow = verdict.outcome else {
                            Issue.record("refused: \(verdict.outcome)")
                            stop.isOver.withLock { $0 = true }
                            break
                        }
                        let seats = verdict.terms.overdraftSeats ?? -1
                        #expect(verdict.terms.ttlSeconds == 1_000 + seats)
                        #expect(hashes[verdict.policyHash, default: seats] == seats)
                        hashes[verdict.policyHash] = seats
                        count += 1
                        stop.asked.withLock { $0 += 1 }
                        await Task.yield()
                    }
                    return count
                }
            }
            group.addTask {
                for version in 1...1_000 {
                    try write(version, folder)
                    try engine.load()
                    // Whatever else the machine does: each set is asked something.
                    let before = stop.asked.withLock { $0 }
                    while stop.asked.withLock({ $0 }) == before, !stop.isOver.withLock({ $0 }) { await Task.yield() }
                }
                stop.isOver.withLock { $0 = true }
                return 0
            }
            return try await group.reduce(0, +)
        }
        #expect(asked >= 1_000)
    }
}
