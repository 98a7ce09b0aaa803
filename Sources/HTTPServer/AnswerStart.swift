import HTTPEdge
import NIOCore
import NIOHTTP1

/// What of a request decides how its answer looks, and what becomes of the connection.
struct Manner {
    let isToHead: Bool
    /// HTTP/1.0
    let isToOld: Bool
    /// The connection may go on.
    let isKept: Bool

    /// Of bytes that never became a request.
    static let unknown = Manner(isToHead: false, isToOld: false, isKept: false)
    static let plain = Manner(isToHead: false, isToOld: false, isKept: true)

    init(isToHead: Bool, isToOld: Bool, isKept: Bool) {
        (self.isToHead, self.isToOld, self.isKept) = (isToHead, isToOld, isKept)
    }
    init(_ head: HTTPRequestHead) {
        self.init(isToHead: head.method == .HEAD, isToOld: head.version == .http1_0, isKept: head.isKeepAlive && head.method != .CONNECT)
    }
}

/// How an answer begins on the wire: its status line and its headers. What frames it is said here and nowhere else; names and values were looked
/// at by the edge, which lets no control character out.
struct AnswerStart {
    private let reply: Reply
    private let date: String
    private let manner: Manner
    private let isLast: Bool

    init(_ reply: Reply, _ manner: Manner, date: String, isLast: Bool) {
        self.reply = reply
        self.date = date
        self.manner = manner
        self.isLast = isLast
    }

    /// No body follows, whatever the method was (RFC 9110, 6.4.1).
    private var hasNoBody: Bool { reply.status == 204 || reply.status == 304 }

    func write(to out: inout ByteBuffer) {
        out.writeStaticString("HTTP/1.1 ")
        let status = HTTPResponseStatus(statusCode: reply.status)
        out.writeString(String(status.code))
        out.writeStaticString(" ")
        out.writeString(status.reasonPhrase)
        out.writeStaticString("\r\n")
        for (name, value) in reply.headers where !(hasNoBody && (name == "content-length" || name == "transfer-encoding")) {
            out.writeString(name)
            out.writeStaticString(": ")
            out.writeString(value)
            out.writeStaticString("\r\n")
        }
        out.writeStaticString("date: ")
        out.writeString(date)
        if !hasNoBody, !manner.isToHead {
            out.writeStaticString("\r\ncontent-length: ")
            out.writeString(String(reply.length))
        }
        if isLast {
            out.writeStaticString("\r\nconnection: close\r\n\r\n")
        } else if manner.isToOld {
            out.writeStaticString("\r\nconnection: keep-alive\r\n\r\n")
        } else {
            out.writeStaticString("\r\n\r\n")
        }
    }

    /// The whole of a short answer.
    func writeWhole(to out: inout ByteBuffer) {
        write(to: &out)
        if !hasNoBody { out.writeBytes(reply.body) }
    }
}
