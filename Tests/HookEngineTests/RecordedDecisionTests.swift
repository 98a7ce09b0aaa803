import Foundation
import HookEngine
import Testing
import Vocabulary

@Suite("a line of the log is read back")
struct RecordedDecisionTests {
    private func read(_ text: String) throws -> HookValue {
        try Data(text.utf8).withUnsafeBytes { bytes in
            do throws(HookValueReader.Fault) { return try HookValueReader.read(bytes) } catch { throw error }
        }
    }

    @Test("every member comes back as it was written")
    func roundTrip() throws {
        let record = DecisionRecord(
            id: DecisionID("018f0000-0000-7000-8000-0000000000aa")!, time: Timestamp(microseconds: 1_795_253_400_000_120), hook: "on_x",
            kind: .decide,
            subject: HookSubject(
                tenant: TenantID("018f0000-0000-7000-8000-000000000001"), tier: "pro", requestID: "r\"\\1", now: Timestamp(seconds: 1)),
            input: .object([("a", .string("ü\u{1}\"\\ \u{7f}")), ("n", .int(.min)), ("l", .list([.bool(true), .null, .object([])]))]),
            answers: [
                PolicyAnswer(
                    layer: .platform, policy: "p.q", file: "p/q/policy.lua", line: 3, content: .deny(reason: "no", retryAfterSeconds: 9),
                    fuel: 5)
            ], outcome: .deny(reason: "no", retryAfterSeconds: 9), terms: [], decidedBy: 0, policyHash: "ab", seed: .max, fuel: 5,
            microseconds: 7)
        let back = try record.line().withBytes { bytes throws in try RecordedDecision(bytes) }
        #expect(back.id == record.id)
        #expect(back.time == record.time)
        #expect(back.tenant == record.subject.tenant && back.tier == "pro" && back.requestID == "r\"\\1")
        #expect(back.input == record.input)
        #expect(back.seed == .max && back.fuel == 5 && back.microseconds == 7)
        #expect(back.outcome == "deny" && back.reason == "no" && back.retryAfterSeconds == 9)
        #expect(back.policy == "p.q" && back.place == "p/q/policy.lua:3")
        #expect(back.wasAsked)
    }

    @Test(
        "JSON is read strictly, with the place of the first fault",
        arguments: [
            ("{\"a\":1.5}", 5), ("{\"a\":1e3}", 5), ("{\"a\" 1}", 5), ("[1,]", 3), ("{\"a\":tru}", 5), ("1 2", 2), ("\"x", 1),
            ("99999999999999999999", 0),
        ])
    func faults(_ text: String, _ offset: Int) {
        let fault = #expect(throws: HookValueReader.Fault.self) { try read(text) }
        #expect(fault?.offset == offset, "\(fault?.message ?? "")")
    }

    @Test("a line that was tampered with is read or refused: no byte at any place keeps the reader for ever", .timeLimit(.minutes(1)))
    func tampered() throws {
        let line =
            #"{"id":"018f0000-0000-7000-8000-0000000000aa","hook":"on_x","fuel":5,"input":{"a":[1,true,null],"b":{"c":"d"}},"answers":[]}"#
        let good = Array(line.utf8)
        var refused = 0
        for place in good.indices {
            for byte in [0, 1, 11, 27, 31, 34, 44, 58, 91, 92, 93, 123, 125, 127, 255] as [UInt8] {
                var bytes = good
                bytes[place] = byte
                bytes.withUnsafeBytes { raw in
                    do throws(HookValueReader.Fault) { _ = try RecordedDecision(raw) } catch { refused += 1 }
                    do throws(HookValueReader.Fault) { _ = try HookValueReader.read(raw) } catch { refused += 1 }
                }
            }
        }
        #expect(refused > good.count)
        #expect(throws: HookValueReader.Fault.self) {
            try Data([0x1b]).withUnsafeBytes { raw in
                var reader = HookValueReader(raw)
                _ = try reader.skip()
            }
        }
    }

    @Test("names keep their order and escapes are undone")
    func values() throws {
        let value = try read(" {\"z\" : \"\\u00e4\\n\\ud83d\\ude00\", \"a\": [ ] , \"m\":{\"x\":-3}} ")
        #expect(value == .object([("z", .string("ä\n😀")), ("a", .list([])), ("m", .object([("x", .int(-3))]))]))
        if case .object(let members) = value { #expect(members.map(\.0) == ["z", "a", "m"]) }
    }
}
