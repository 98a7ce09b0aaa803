import Foundation
import Testing

@testable import Composition

@Suite("Answers of a name server")
struct DNSAnswerTests {
    /// A header, one question for `_x.example.com`, and these records as they stand.
    private func message(_ records: [[UInt8]], count: Int? = nil) -> [UInt8] {
        let answers = UInt8(count ?? records.count)
        let name: [UInt8] = [2] + Array("_x".utf8) + [7] + Array("example".utf8) + [3] + Array("com".utf8) + [0]
        return [0, 1, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0] + name + [0, 16, 0, 1] + records.flatMap { $0 }
    }
    private func record(_ texts: [String], type: UInt8 = 16) -> [UInt8] {
        let data = texts.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        return [0xC0, 12, 0, type, 0, 1, 0, 0, 0, 60, UInt8(data.count >> 8), UInt8(data.count & 255)] + data
    }

    @Test("texts of several strings are one, other records are passed over")
    func texts() throws {
        let bytes = message([record(["v=spf1 ", "-all"]), record(["x"], type: 5), record(["coditect-domain=1"])])
        #expect(try DNSAnswer.texts(bytes) == ["v=spf1 -all", "coditect-domain=1"])
        #expect(try DNSAnswer.texts(message([])).isEmpty)
    }

    @Test("an answer that is cut off anywhere, counts wrong or loops, is refused and reads nothing beyond its end")
    func hostile() throws {
        let whole = message([record(["coditect-domain=1"])])
        for end in 0..<whole.count {
            let found = try? DNSAnswer.texts(Array(whole[..<end]))
            #expect(found?.isEmpty ?? true)
        }
        #expect(throws: (any Error).self) { try DNSAnswer.texts(message([record(["a"])], count: 9)) }
        var lying = record(["abc"])
        lying[12] = 200
        #expect(throws: (any Error).self) { try DNSAnswer.texts(message([lying])) }
        var name = message([record(["abc"])])
        name[12] = 0x80
        #expect(throws: (any Error).self) { try DNSAnswer.texts(name) }
    }
}
