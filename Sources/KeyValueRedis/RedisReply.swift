import KeyValue
import NIOCore
import RedisShim

/// What a server may say at most, for one answer.
package struct RedisBounds: Sendable, Hashable {
    package var answerBytes = 8_388_608
    package var answerParts: Int32 = 65_536
    /// Commands on their way over one connection, and their bytes; one more is refused at once.
    package var inFlight = 8_192
    package var inFlightBytes = 16_777_216
    /// From sending to the answer; a connection that is slower is given up.
    package var timeout: TimeAmount = .milliseconds(1_000)
    package var connectTimeout: TimeAmount = .milliseconds(1_000)
    /// Between two tries of a server that could not be reached: doubled each time up to the longest, less a random half.
    package var shortestPause: TimeAmount = .milliseconds(50)
    package var longestPause: TimeAmount = .seconds(5)
    package init() {}
}

package enum RedisFault: Error, Sendable, Hashable {
    /// Not reachable, too slow, or no master; what was sent may have been done.
    case away(String)
    /// More is on its way than may be.
    case busy
    /// The server's own words.
    case refused(String)
    /// What came is no answer, or past the bounds.
    case malformed(String)
    /// A URL that names no server.
    case address(String)
}

package enum RedisReply: Sendable, Hashable {
    case text([UInt8])
    case status(String)
    case integer(Int64)
    case list([RedisReply])
    case none
    case error(String)

    var string: String? {
        switch self {
        case .text(let bytes): String(decoding: bytes, as: UTF8.self)
        case .status(let text): text
        case .integer, .list, .none, .error: nil
        }
    }
    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    var members: [RedisReply]? { if case .list(let members) = self { members } else { nil } }

    /// As scripts see it; an error within a list counts for all of it.
    func scripted() throws(RedisFault) -> ScriptValue {
        switch self {
        case .text(let bytes): return .bytes(bytes)
        case .status(let text): return .bytes(Array(text.utf8))
        case .integer(let value): return .integer(value)
        case .none: return .none
        case .error(let text): throw .refused(text)
        case .list(let members):
            var values: [ScriptValue] = []
            values.reserveCapacity(members.count)
            for member in members { values.append(try member.scripted()) }
            return .list(values)
        }
    }
}

/// hiredis' reader over one connection's bytes. Its depth is hiredis' own, seven lists within each other.
final class RedisReader {
    private let reader: OpaquePointer

    init(_ bounds: RedisBounds) throws(RedisFault) {
        guard let reader = rr_open(bounds.answerBytes, bounds.answerParts) else { throw .malformed("no memory for a reader") }
        self.reader = reader
    }
    deinit { rr_close(reader) }

    /// Every whole answer in what came so far.
    func read(_ buffer: inout ByteBuffer) throws(RedisFault) -> [RedisReply] {
        var replies: [RedisReply] = []
        // In parts, so that a bound on what waits is a bound on one answer and not on a burst of them.
        while let part = buffer.readSlice(length: min(buffer.readableBytes, 65_536)), part.readableBytes > 0 {
            let isTaken = part.withUnsafeReadableBytes { bytes in
                rr_feed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
            guard isTaken == 1 else { throw broken() }
            reading: while true {
                switch rr_next(reader) {
                case RR_READY: replies.append(answer())
                case RR_MORE: break reading
                default: throw broken()
                }
            }
        }
        return replies
    }

    private func broken() -> RedisFault { .malformed(String(cString: rr_reason(reader))) }

    private func answer() -> RedisReply {
        var count: Int32 = 0
        guard let nodes = rr_nodes(reader, &count) else { return .none }
        var place = 0
        return Self.reply(UnsafeBufferPointer(start: nodes, count: Int(count)), rr_arena(reader), &place)
    }
    private static func reply(_ nodes: UnsafeBufferPointer<rr_node>, _ arena: UnsafePointer<CChar>?, _ place: inout Int) -> RedisReply {
        guard place < nodes.count else { return .none }
        let node = nodes[place]
        place += 1
        let text = UnsafeRawBufferPointer(start: arena.map { $0 + Int(node.kind == RR_INTEGER.rawValue ? 0 : node.value) }, count: 0)
        switch UInt32(node.kind) {
        case RR_INTEGER.rawValue: return .integer(node.value)
        case RR_LIST.rawValue:
            var members: [RedisReply] = []
            members.reserveCapacity(Int(node.count))
            for _ in 0..<node.count { members.append(reply(nodes, arena, &place)) }
            return .list(members)
        case RR_NONE.rawValue: return .none
        case RR_TEXT.rawValue: return .text([UInt8](UnsafeRawBufferPointer(start: text.baseAddress, count: Int(node.count))))
        case RR_STATUS.rawValue:
            return .status(String(decoding: UnsafeRawBufferPointer(start: text.baseAddress, count: Int(node.count)), as: UTF8.self))
        default:
            return .error(
                String(decoding: UnsafeRawBufferPointer(start: text.baseAddress, count: min(Int(node.count), 512)), as: UTF8.self))
        }
    }
}

extension ByteBuffer {
    /// One command as the server reads it.
    mutating func writeCommand(_ arguments: [ScriptArgument]) {
        writeStaticString("*")
        writeString(String(arguments.count))
        writeStaticString("\r\n")
        for argument in arguments {
            switch argument {
            case .text(let text): writeBulk(text.utf8.count) { $0.writeString(text) }
            case .bytes(let bytes): writeBulk(bytes.count) { $0.writeBytes(bytes) }
            case .integer(let value):
                let text = String(value)
                writeBulk(text.utf8.count) { $0.writeString(text) }
            }
        }
    }
    private mutating func writeBulk(_ count: Int, _ body: (inout ByteBuffer) -> Void) {
        writeStaticString("$")
        writeString(String(count))
        writeStaticString("\r\n")
        body(&self)
        writeStaticString("\r\n")
    }
}
