import Foundation
import HTTPEdge
import NIOCore

/// A whole request of the plainest kind that came in one read: what almost every client sends almost every time, read without NIO's decoder, which
/// costs several times as much. There is no second opinion about HTTP in here: whatever is not exactly of this form is left, to the last
/// byte, to the decoder, and so is everything that comes after it on the connection.
///
///     (GET|POST|PUT|PATCH|DELETE) SP /target SP "HTTP/1.1" CRLF *( token ":" [SP] value CRLF ) CRLF body
///
/// One `Host`; no `Content-Length`, or one that is exactly what follows; nothing else that says how a message is framed or what becomes of
/// the connection, but `Connection: keep-alive`; no value that is empty, begins or ends with a space, or holds anything but printable ASCII.
struct PlainRequest {
    let method: String
    let target: String
    let headers: HeaderFields
    let body: Data

    /// Nil: it is the decoder's.
    init?(_ bytes: UnsafeRawBufferPointer, maxHeaderBytes: Int, maxHeaderFields: Int) {
        var reader = PlainReader(bytes)
        guard let read = reader.request(maxHeaderBytes, maxHeaderFields) else { return nil }
        self = read
    }
    fileprivate init(method: String, target: String, headers: HeaderFields, body: Data) {
        (self.method, self.target, self.headers, self.body) = (method, target, headers, body)
    }
}

/// Of the bytes of one read.
private struct PlainReader {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func request(_ maxBytes: Int, _ maxFields: Int) -> PlainRequest? {
        guard let method = method() else { return nil }
        let start = at
        guard at < bytes.count, bytes[at] == UInt8(ascii: "/") else { return nil }
        while at < bytes.count, PlainReader.isOfTarget(bytes[at]) { at += 1 }
        let target = text(start..<at)
        guard takes(" HTTP/1.1\r\n") else { return nil }
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(12)
        var (hosts, length) = (0, Int?.none)
        while !takes("\r\n") {
            guard let (name, value) = field(), fields.count < maxFields else { return nil }
            switch PlainReader.meaning(bytes[name]) {
            case .none: break
            case .host: hosts += 1
            case .length:
                guard length == nil, let number = number(value) else { return nil }
                length = number
            case .connection: guard PlainReader.isSame(bytes[value], "keep-alive") else { return nil }
            case .others: return nil
            }
            fields.append((text(name), text(value)))
        }
        guard hosts == 1, at <= maxBytes, bytes.count - at == length ?? 0 else { return nil }
        return PlainRequest(
            method: method, target: target, headers: HeaderFields(fields), body: Data(UnsafeRawBufferPointer(rebasing: bytes[at...])))
    }

    private mutating func method() -> String? {
        if takes("POST ") { return "POST" }
        if takes("GET ") { return "GET" }
        if takes("PUT ") { return "PUT" }
        if takes("PATCH ") { return "PATCH" }
        return takes("DELETE ") ? "DELETE" : nil
    }

    /// Name and value of one field, its line's end taken.
    private mutating func field() -> (name: Range<Int>, value: Range<Int>)? {
        let start = at
        while at < bytes.count, PlainReader.isOfName(bytes[at]) { at += 1 }
        let name = start..<at
        guard !name.isEmpty, at < bytes.count, bytes[at] == UInt8(ascii: ":") else { return nil }
        at += 1
        if at < bytes.count, bytes[at] == 0x20 { at += 1 }
        guard let base = bytes.baseAddress, let end = memchr(base + at, 0x0D, bytes.count - at) else { return nil }
        let value = at..<UnsafeRawPointer(end) - base
        at = value.upperBound
        guard let last = value.last, bytes[value.lowerBound] != 0x20, bytes[last] != 0x20, takes("\r\n"),
            EdgeText.isPrintable(UnsafeRawBufferPointer(rebasing: bytes[value]).assumingMemoryBound(to: UInt8.self), from: 0x20)
        else { return nil }
        return (name, value)
    }
    private func number(_ range: Range<Int>) -> Int? {
        guard range.count <= 8 else { return nil }
        var number = 0
        for sign in bytes[range] {
            guard sign >= UInt8(ascii: "0"), sign <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int(sign - UInt8(ascii: "0"))
        }
        return number
    }
    private mutating func takes(_ wanted: StaticString) -> Bool {
        let count = wanted.utf8CodeUnitCount
        guard at + count <= bytes.count, let start = bytes.baseAddress, memcmp(start + at, wanted.utf8Start, count) == 0 else {
            return false
        }
        at += count
        return true
    }
    private func text(_ range: Range<Int>) -> String { String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self) }

    // MARK: Words

    private enum Meaning {
        case none
        case host
        case length
        case connection
        /// Framing, another protocol, or a client that waits before it sends.
        case others
    }
    private static func meaning(_ name: Slice<UnsafeRawBufferPointer>) -> Meaning {
        // The length tells almost all of them apart.
        switch name.count {
        case 2 where isSame(name, "te"): .others
        case 4 where isSame(name, "host"): .host
        case 6 where isSame(name, "expect"): .others
        case 7 where isSame(name, "upgrade") || isSame(name, "trailer"): .others
        case 10 where isSame(name, "connection"): .connection
        case 10 where isSame(name, "keep-alive"): .others
        case 14 where isSame(name, "content-length"): .length
        case 14 where isSame(name, "http2-settings"): .others
        case 16 where isSame(name, "proxy-connection"): .others
        case 17 where isSame(name, "transfer-encoding"): .others
        default: .none
        }
    }
    /// But for the case of letters; `wanted` is lower.
    private static func isSame(_ text: Slice<UnsafeRawBufferPointer>, _ wanted: StaticString) -> Bool {
        guard text.count == wanted.utf8CodeUnitCount else { return false }
        for (index, sign) in text.enumerated() {
            let lower = sign >= UInt8(ascii: "A") && sign <= UInt8(ascii: "Z") ? sign | 0x20 : sign
            guard lower == wanted.utf8Start[index] else { return false }
        }
        return true
    }

    private static func isOfName(_ sign: UInt8) -> Bool {
        switch sign {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
    /// What RFC 3986 lets into a path and a query.
    private static func isOfTarget(_ sign: UInt8) -> Bool {
        switch sign {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "?")...UInt8(ascii: "Z"), UInt8(ascii: "$")...UInt8(ascii: ";"),
            UInt8(ascii: "="), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "!"):
            true
        default: false
        }
    }
}
