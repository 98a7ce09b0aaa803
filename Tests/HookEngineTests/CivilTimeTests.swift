import HookEngine
import Testing
import Vocabulary

@Suite("the calendar of a decision")
struct CivilTimeTests {
    @Test(
        "a moment has its date, time and weekday, before 1970 too",
        arguments: [
            ("1970-01-01T00:00:00Z", 4), ("2000-02-29T23:59:59Z", 2), ("2026-11-21T09:30:00.000001Z", 6), ("1969-12-31T23:59:59.5Z", 3),
            ("1900-03-01T12:00:00Z", 4), ("2100-02-28T00:00:00Z", 7), ("2400-02-29T06:07:08Z", 2),
        ] as [(String, Int64)])
    func civil(text: String, weekday: Int64) throws {
        let moment = try #require(Timestamp(iso8601: text))
        let time = CivilTime(moment)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(time.year)-\(two(time.month))-\(two(time.day))T\(two(time.hour)):\(two(time.minute)):\(two(time.second))"
        #expect(moment.iso8601.hasPrefix(date))
        #expect(time.weekday == weekday)
        #expect(time.microsecond == (moment.microseconds % 1_000_000 + 1_000_000) % 1_000_000)
    }

    @Test("a record writes its time as every other answer does")
    func line() {
        for moment in [Timestamp(microseconds: 1_795_253_400_000_042), Timestamp(seconds: 0), Timestamp(microseconds: -1)] {
            let record = DecisionRecord(
                id: Identifier(.init()), time: moment, hook: "h", kind: .decide,
                subject: HookSubject(tenant: nil, tier: nil, requestID: "r", now: moment), input: .object([]), answers: [], outcome: .allow,
                terms: [], decidedBy: nil, policyHash: "", seed: 0, fuel: 0, microseconds: 0)
            #expect(String(decoding: record.line().array, as: UTF8.self).contains("\"time\":\"\(moment.iso8601)\""))
        }
    }
}
