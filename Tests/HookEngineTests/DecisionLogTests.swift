import Foundation
import HookEngine
import Testing
import Vocabulary

@Suite("decisions are kept")
struct DecisionLogTests {
    private final class Folder {
        let url = FileManager.default.temporaryDirectory.appending(path: "decisions-\(UUID().uuidString)")
        deinit { try? FileManager.default.removeItem(at: url) }
        var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
        func text(_ name: String) throws -> String { try String(contentsOf: url.appending(path: name), encoding: .utf8) }
    }

    private static func record(_ number: Int = 0, kind: HookDefinition.Kind = .decide, at seconds: Int64 = 1_795_253_400) -> DecisionRecord
    {
        let time = Timestamp(seconds: seconds)
        let tenant = TenantID("018f0000-0000-7000-8000-000000000001")
        return DecisionRecord(
            id: DecisionID("018f0000-0000-7000-8000-00000000000a").map { $0 } ?? Identifier(UUID()), time: time, hook: "on_seat_request",
            kind: kind, subject: HookSubject(tenant: tenant, tier: "pro", requestID: "r-\(number)", now: time),
            input: .object([("user", .object([("role", .string("a\"b\\c\n\u{7f}ü"))])), ("list", .list([.int(-12), .bool(true), .null]))]),
            answers: [
                PolicyAnswer(layer: .platform, policy: "a.b", file: "a/b/policy.lua", line: 0, content: .abstain, fuel: 100),
                PolicyAnswer(
                    layer: .tier, policy: "x.y", file: "x/y/policy.lua", line: 12, content: .deny(reason: "no", retryAfterSeconds: 60)),
            ], outcome: .deny(reason: "no", retryAfterSeconds: 60), terms: [], decidedBy: 1, policyHash: "abc", seed: 255, fuel: 100,
            microseconds: 7)
    }

    @Test("a record is one line of JSON that holds everything needed to replay it")
    func line() throws {
        let line = String(decoding: Self.record().line().array, as: UTF8.self)
        #expect(
            line == """
                {"id":"018f0000-0000-7000-8000-00000000000a","time":"2026-11-21T09:30:00Z","hook":"on_seat_request","outcome":"deny",\
                "reason":"no","retry_after_seconds":60,"policy":"x.y","at":"x/y/policy.lua:12",\
                "tenant":"018f0000-0000-7000-8000-000000000001","tier":"pro","request_id":"r-0","policy_hash":"abc",\
                "seed":"00000000000000ff","fuel":100,"microseconds":7,"input":{"user":{"role":"a\\"b\\\\c\\u000a\\u007fü"},\
                "list":[-12,true,null]},"answers":[{"layer":"platform","policy":"a.b","at":"a/b/policy.lua","answer":"abstain","fuel":100},\
                {"layer":"tier","policy":"x.y","at":"x/y/policy.lua:12","answer":"deny","reason":"no","retry_after_seconds":60,"fuel":0}]}

                """)
        #expect(try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))["input"]?["user"]?["role"] == "a\"b\\c\n\u{7f}ü")
    }

    @Test("what is recorded is in the file when record returns, and is read back in order")
    func readBack() async throws {
        let folder = Folder()
        let log = try DecisionLog(directory: folder.url)
        for number in 0..<5 { try await log.record(Self.record(number, kind: number == 3 ? .plan : .decide)) }
        #expect(folder.names == ["20261121T093000Z-000001.jsonl"])
        #expect(try folder.text(folder.names[0]).split(separator: "\n").count == 5)
        var reader = DecisionReader(directory: folder.url)
        #expect(try reader.last(2).map(Self.request) == ["r-3", "r-4"])
        #expect(try reader.next() == [])
        try await log.record(Self.record(5))
        #expect(try reader.next().map(Self.request) == ["r-5"])
    }

    @Test("a person sees who decided what, where and why")
    func human() async throws {
        let folder = Folder()
        let log = try DecisionLog(directory: folder.url)
        try await log.record(Self.record())
        var reader = DecisionReader(directory: folder.url)
        guard case .line(let line)? = try reader.last(1).first else {
            Issue.record("no line")
            return
        }
        #expect(
            line.human == "2026-11-21T09:30:00Z  on_seat_request  deny no (retry after 60 s)  by x.y at x/y/policy.lua:12  "
                + "tenant 018f0000-0000-7000-8000-000000000001  request r-0")
    }

    @Test("a line torn by a crash is reported, and the next process goes on after it")
    func torn() async throws {
        let folder = Folder()
        try await DecisionLog(directory: folder.url).record(Self.record(0))
        let file = folder.url.appending(path: folder.names[0])
        let handle = try FileHandle(forWritingTo: file)
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("{\"id\":\"half".utf8))
        try handle.close()
        var early = DecisionReader(directory: folder.url)
        #expect(try early.last(10).map(Self.request) == ["r-0"], "it may still be in the making")
        try await DecisionLog(directory: folder.url).record(Self.record(1))
        var reader = DecisionReader(directory: folder.url)
        #expect(try reader.last(10).map(Self.request) == ["r-0", "torn {\"id\":\"half", "r-1"])
        #expect(folder.names.count == 1)
    }

    @Test("segments are bounded, the oldest go first, and a reader follows over the border")
    func rotation() async throws {
        let folder = Folder()
        let size = Self.record().line().count
        let log = try DecisionLog(directory: folder.url, limits: .init(segmentBytes: size * 2, keptBytes: size * 5, keptDays: 90))
        var reader = DecisionReader(directory: folder.url)
        var followed: [String] = []
        for number in 0..<9 {
            try await log.record(Self.record(number, at: 1_795_253_400 + Int64(number)))
            followed += try reader.next().map(Self.request)
        }
        #expect(followed == (0..<9).map { "r-\($0)" })
        #expect(folder.names.map { String($0.suffix(12)) } == ["000003.jsonl", "000004.jsonl", "000005.jsonl"])
        var late = DecisionReader(directory: folder.url)
        #expect(try late.last(4).map(Self.request) == ["r-5", "r-6", "r-7", "r-8"])
    }

    @Test("segments older than the days to keep go, whatever their size")
    func age() async throws {
        let folder = Folder()
        let log = try DecisionLog(directory: folder.url, limits: .init(segmentBytes: 1, keptBytes: 1 << 30, keptDays: 2))
        for day in 0..<5 { try await log.record(Self.record(day, at: 1_795_253_400 + Int64(day) * 86_400)) }
        #expect(folder.names.map { String($0.prefix(8)) } == ["20261122", "20261123", "20261124", "20261125"])
    }

    @Test("a directory that cannot be written to is an error, not a lost decision")
    func unwritable() async throws {
        let folder = Folder()
        let log = try DecisionLog(directory: folder.url)
        try FileManager.default.removeItem(at: folder.url)
        try Data().write(to: folder.url)
        await #expect(throws: DecisionLogFault.self) { try await log.record(Self.record()) }
        #expect(throws: DecisionLogFault.self) { try DecisionLog(directory: folder.url.appending(path: "below")) }
    }

    @Test("many at once lose nothing and tear nothing")
    func crowd() async throws {
        let folder = Folder()
        let log = try DecisionLog(directory: folder.url, limits: .init(segmentBytes: 20_000))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 { group.addTask { try await log.record(Self.record(number)) } }
            try await group.waitForAll()
        }
        var reader = DecisionReader(directory: folder.url)
        #expect(Set(try reader.last(1_000).map(Self.request)) == Set((0..<200).map { "r-\($0)" }))
    }

    private static func request(_ item: DecisionReader.Item) -> String {
        switch item {
        case .line(let line): line.json["request_id"]?.string ?? "?"
        case .torn(_, let beginning): "torn \(beginning)"
        }
    }
}
