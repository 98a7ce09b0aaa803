import Foundation
import Identity
import NIOPosix

/// TXT records by the machine's own resolver, that of glibc: its servers, its time-outs, TCP where an answer is too large for UDP.
struct DNSResolver: DomainResolver {
    struct Failed: Error, CustomStringConvertible { let description: String }

    private typealias Query = @convention(c) (UnsafePointer<CChar>, Int32, Int32, UnsafeMutablePointer<UInt8>, Int32) -> Int32
    private static let maxAnswerBytes = 65_536
    private static let (classInternet, typeText): (Int32, Int32) = (1, 16)

    func texts(of name: String) async throws -> [String] {
        try await NIOThreadPool.singleton.runIfActive { try Self.look(name) }
    }

    private static func look(_ name: String) throws -> [String] {
        guard let symbol = dlsym(nil, "res_query") ?? dlsym(nil, "__res_query") else { throw Failed(description: "no resolver") }
        let query = unsafeBitCast(symbol, to: Query.self)
        var answer = [UInt8](repeating: 0, count: maxAnswerBytes)
        let count = query(name, classInternet, typeText, &answer, Int32(answer.count))
        // A name without such a record is an answer; glibc says so by HOST_NOT_FOUND and NO_DATA, which it keeps per thread.
        guard count > 0 else { return [] }
        return try DNSAnswer.texts(Array(answer.prefix(min(Int(count), answer.count))))
    }
}

/// As much of RFC 1035 as the TXT records of an answer need.
enum DNSAnswer {
    private static let maxRecords = 200

    static func texts(_ bytes: [UInt8]) throws -> [String] {
        var reader = Reader(bytes: bytes)
        try reader.skip(4)
        let (questions, answers) = (try reader.word(), try reader.word())
        try reader.skip(4)
        guard questions <= 4 else { throw DNSResolver.Failed(description: "an answer with too many questions") }
        for _ in 0..<questions {
            try reader.skipName()
            try reader.skip(4)
        }
        var found: [String] = []
        for _ in 0..<min(answers, maxRecords) {
            try reader.skipName()
            let type = try reader.word()
            try reader.skip(6)
            let length = try reader.word()
            let end = reader.index + length
            guard end <= bytes.count else { throw DNSResolver.Failed(description: "a record that is cut off") }
            if type == 16 {
                var text: [UInt8] = []
                while reader.index < end {
                    let count = Int(bytes[reader.index])
                    guard reader.index + 1 + count <= end else { throw DNSResolver.Failed(description: "a text that is cut off") }
                    text += bytes[(reader.index + 1)..<(reader.index + 1 + count)]
                    reader.index += 1 + count
                }
                if let string = String(validating: text, as: UTF8.self) { found.append(string) }
            }
            reader.index = end
        }
        return found
    }

    private struct Reader {
        let bytes: [UInt8]
        var index = 0

        mutating func skip(_ count: Int) throws {
            guard index + count <= bytes.count else { throw DNSResolver.Failed(description: "an answer that is cut off") }
            index += count
        }
        mutating func word() throws -> Int {
            try skip(2)
            return Int(bytes[index - 2]) << 8 | Int(bytes[index - 1])
        }
        /// A pointer ends a name; none is followed, since no name is read.
        mutating func skipName() throws {
            while true {
                try skip(1)
                let length = Int(bytes[index - 1])
                if length == 0 { return }
                if length >= 0xC0 { return try skip(1) }
                guard length < 64 else { throw DNSResolver.Failed(description: "a name that is none") }
                try skip(length)
            }
        }
    }
}
