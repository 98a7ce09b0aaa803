import NIOCore
import NIOHTTP1

/// How a request says where its body ends. Two answers at once, or one that another reader might understand otherwise, are refused:
/// a proxy in front of us must never see other requests than we do (RFC 9112, 6.3 and 11.2).
enum Framing: Equatable {
    case none
    case length(Int)
    case chunked
    case malformed

    init(_ head: HTTPRequestHead) {
        var (lengths, codings, hosts) = (0, 0, 0)
        var found = Framing.none
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 4 where name.lowercased() == "host": hosts += 1
            case 14 where name.lowercased() == "content-length":
                lengths += 1
                guard !value.isEmpty, value.utf8.count <= 18, value.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(value)
                else {
                    self = .malformed
                    return
                }
                found = .length(length)
            case 17 where name.lowercased() == "transfer-encoding":
                codings += 1
                guard value.lowercased() == "chunked" else {
                    self = .malformed
                    return
                }
                found = .chunked
            default: break
            }
        }
        let isOld = head.version == .http1_0
        let isKnown = isOld || head.version == .http1_1
        guard isKnown, lengths + codings <= 1, hosts <= 1, hosts == 1 || isOld, !(isOld && codings > 0) else {
            self = .malformed
            return
        }
        self = found
    }
}

/// Shows the connection the bytes that have come, before the decoder gets those that are not taken.
final class ByteWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    private let connection: ConnectionHandler
    init(_ connection: ConnectionHandler) { self.connection = connection }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !connection.takes(unwrapInboundIn(data)) { context.fireChannelRead(data) }
    }
}
