import Foundation
import HTTPEdge
import Testing
import Vocabulary

@testable import HTTPServer

@Suite("Plain requests", .serialized)
struct PlainRequestTests {
    private static func read(_ bytes: some Collection<UInt8>, maxBytes: Int = 32_768, maxFields: Int = 100) -> PlainRequest? {
        Array(bytes).withUnsafeBytes { PlainRequest($0, maxHeaderBytes: maxBytes, maxHeaderFields: maxFields) }
    }
    private static func get(_ fields: String, _ rest: String = "") -> String { "GET /a HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\(rest)" }

    @Test("what almost every client sends is read, to the last byte")
    func reads() throws {
        let text =
            "POST /a/b%20c?d=e&f HTTP/1.1\r\nHost: a:80\r\nAuthorization: Bearer x.y-z\r\nACCEPT:*/*\r\ncontent-LENGTH: 5\r\n\r\nabc\0\n"
        let read = try #require(Self.read(text.utf8))
        #expect(read.method == "POST" && read.target == "/a/b%20c?d=e&f" && Array(read.body) == Array("abc\0\n".utf8))
        #expect(read.headers.fields.map(\.name) == ["Host", "Authorization", "ACCEPT", "content-LENGTH"])
        #expect(read.headers.fields.map(\.value) == ["a:80", "Bearer x.y-z", "*/*", "5"])
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let read = try #require(Self.read("\(method) / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n".utf8))
            #expect(read.method == method && read.body.isEmpty)
        }
    }

    @Test(
        "anything else is the decoder's",
        arguments: [
            // Not whole, or more than one.
            "", "G", "GET /a HTTP/1.1\r\nHost: a\r\n", "GET /a HTTP/1.1\r\nHost: a\r\n\r", Self.get("", "x"),
            Self.get("Content-Length: 2\r\n", "x"),
            Self.get("Content-Length: 2\r\n", "xyz"), Self.get("Content-Length: 0\r\n", "x"), Self.get("") + Self.get(""),
            // Other lines of request.
            "\r\n" + Self.get(""), "get /a HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a  HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.2\r\nHost: a\r\n\r\n", "GET /a http/1.1\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1\nHost: a\n\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a\tHTTP/1.1\r\nHost: a\r\n\r\n", "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            // Hosts, lengths, framing, other protocols.
            "GET /a HTTP/1.1\r\n\r\n", Self.get("Host: a\r\n"), Self.get("HOST: b\r\n"),
            Self.get("Content-Length: 1\r\nContent-Length: 1\r\n", "x"),
            Self.get("Content-Length: +1\r\n", "x"), Self.get("Content-Length: 1,1\r\n", "x"), Self.get("Content-Length: 1 1\r\n", "x"),
            Self.get("Content-Length:\r\n"), Self.get("Content-Length: 0x1\r\n", "x"), Self.get("Content-Length: 000000001\r\n", "x"),
            Self.get("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), Self.get("transfer-encoding: identity\r\n"),
            Self.get("Connection: close\r\n"),
            Self.get("Connection: keep-alive, x\r\n"), Self.get("Connection: upgrade\r\n"), Self.get("Upgrade: h2c\r\n"),
            Self.get("HTTP2-Settings: a\r\n"),
            Self.get("Expect: 100-continue\r\n"), Self.get("TE: trailers\r\n"), Self.get("Trailer: a\r\n"), Self.get("Keep-Alive: 5\r\n"),
            Self.get("Proxy-Connection: keep-alive\r\n"),
            // Fields that another reader might read otherwise.
            Self.get("X : a\r\n"), Self.get("X\t: a\r\n"), Self.get(": a\r\n"), Self.get("X\r\n"), Self.get("X: a\r\n b\r\n"),
            Self.get(" X: a\r\n"), Self.get("X: \r\n"),
            Self.get("X:\r\n"), Self.get("X:  a\r\n"), Self.get("X:\ta\r\n"), Self.get("X: a \r\n"), Self.get("X: a\tb\r\n"),
            Self.get("X: a\rb\r\n"), Self.get("X: a\nb\r\n"),
            Self.get("X: a\u{0}b\r\n"), Self.get("X: \u{e9}\r\n"), Self.get("X: a\u{7f}\r\n"), Self.get("X(Y): a\r\n"),
            Self.get("X\u{e9}: a\r\n"), Self.get("X: a\n"),
        ])
    func leaves(_ text: String) { #expect(Self.read(text.utf8) == nil, "\(text.debugDescription)") }

    @Test("its bounds are those of the decoder")
    func bounds() {
        let text = Self.get("X: a\r\nY: b\r\n")
        #expect(Self.read(text.utf8, maxBytes: text.utf8.count, maxFields: 3) != nil)
        #expect(Self.read(text.utf8, maxBytes: text.utf8.count - 1) == nil)
        #expect(Self.read(text.utf8, maxFields: 2) == nil)
    }

    /// Says all that it was asked.
    private static func mirror(_ count: Count) -> [Route] {
        [Method.get, .post, .put, .patch, .delete].map { method in
            Route(
                method, "/{any}", name: "t.mirror.\(method.rawValue)", summary: "", access: .proof, limit: .webhook,
                answers: [RouteAnswer(200, "")], maxBodyBytes: 1_000
            ) { call in
                count.add()
                let headers = call.headers.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                let text = "\(call.method.rawValue) \(call.path) \(call.parameters) \(call.query.sorted { $0.key < $1.key }) \(headers) "
                return Reply(status: 200, headers: [("content-type", "text/plain")], body: Data(text.utf8) + call.body)
            }
        }
    }

    /// The decoder passes over an empty line before a request; there is none that is plain.
    private static let toDecoder = Array("\r\n".utf8)
    private static let last = Array("GET /nope/nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)

    @Test("whatever is read as plain, the decoder reads in the same way", arguments: 0..<4)
    func agreement(_ lane: Int) async throws {
        let seeds = [
            "GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
            "POST /hello?a=b HTTP/1.1\r\nHost: localhost:80\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
            "PUT /h%20o HTTP/1.1\r\nHost: [::1]\r\nX-Request-Id: 7\r\nCookie: a=b; c=d\r\nContent-Length: 12\r\n\r\n0\r\n\r\nGET / H",
            "DELETE /a;b HTTP/1.1\r\nhost:localhost\r\ncookie: a\r\ncookie: b\r\ncontent-length: 0\r\n\r\n",
        ].map { Array($0.utf8) }
        // What a change puts in its place: pieces that mean something to somebody.
        let words = [
            ":", " ", "\r\n", "\r", "\n", "\t", "\0", ",", ";", "%", "%0a", "#", "/", "//", "?", "@", "=", "0", "1", "+", "-", "_", "~",
            "\"",
            "\\",
            "\u{7f}", "\u{e9}", "Host: b\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
            "X: y\r\n", "HTTP/1.0",
            "HEAD", "{", "}", "[", "]", "^", "`", "|", "<", ">", "'", "!", "$", "&", "(", ")", "*", ".",
        ].map { Array($0.utf8) }
        let count = Count()
        try await Loopback.serve(Self.mirror(count)) { server in
            let nowhere = try await answers(server, [Self.last])
            var random = Steps(seed: UInt64(lane + 11))
            var agreed = 0
            for _ in 0..<6_000 {
                var bytes = seeds[random.below(seeds.count)]
                for _ in 0...random.below(3) {
                    let place = random.below(bytes.count)
                    switch random.below(4) {
                    case 0: bytes[place] = UInt8(random.below(256))
                    case 1: bytes.remove(at: place)
                    case 2: bytes.insert(contentsOf: words[random.below(words.count)], at: place)
                    default: bytes.replaceSubrange(place..<place + 1, with: words[random.below(words.count)])
                    }
                }
                guard Self.read(bytes) != nil else { continue }
                let plain = try await answers(server, [bytes, Self.last])
                let decoded = try await answers(server, [Self.toDecoder + bytes + Self.last])
                // The decoder's reader gives a body up, and with it the connection, where nothing takes one; here it has been read.
                let isGivenUp = decoded.statuses.count == 1 && decoded.contains("\r\nconnection: close\r\n")
                let expected = isGivenUp ? decoded.replacing("\r\nconnection: close\r\n", with: "\r\n") + nowhere : decoded
                #expect(plain == expected && plain.statuses.count == 2, "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
                agreed += 1
            }
            #expect(agreed > 300 && count.now > agreed / 2)
        }
    }
    /// Without what differs from answer to answer.
    private func answers(_ server: Loopback.Server, _ pieces: [[UInt8]]) async throws -> String {
        let port = server.port
        let text = try await Offside.run {
            let socket = try Socket(port: port)
            defer { socket.close() }
            var text = ""
            for (index, piece) in pieces.enumerated() {
                socket.send(piece)
                // A piece is read by itself where the answer to the one before is there.
                if index < pieces.count - 1 { text += socket.read { $0.isWhole } }
            }
            return text + socket.read { _ in false }
        }
        return text.split(separator: "\r\n", omittingEmptySubsequences: false)
            .filter { !$0.hasPrefix("date: ") && !$0.hasPrefix("x-request-id: ") }.joined(separator: "\r\n")
            .replacing(#/"request_id":"[^"]*"/#, with: "")
    }
}

extension String {
    /// One answer has come with all of its body.
    fileprivate var isWhole: Bool {
        guard let end = range(of: "\r\n\r\n"), let length = range(of: "content-length: ") else { return false }
        return self[end.upperBound...].utf8.count >= Int(self[length.upperBound...].prefix { $0.isNumber }) ?? .max
    }
}
