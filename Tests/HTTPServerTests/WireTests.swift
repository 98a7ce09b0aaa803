import Foundation
import HTTPEdge
import Testing
import Vocabulary

@testable import HTTPServer

@Suite("On the wire", .serialized)
struct WireTests {
    private func routes(_ count: Count = Count()) -> [Route] {
        [
            Route(.get, "/hello", name: "t.hello", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
                count.add()
                return .json(value: ["hello": "world"])
            },
            Route(.get, "/smuggled", name: "t.smuggled", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) {
                _ in
                count.add()
                return .json(value: ["smuggled": true])
            },
            Route(
                .post, "/echo", name: "t.echo", summary: "", access: .proof, limit: .webhook, answers: [RouteAnswer(200, "")],
                maxBodyBytes: 1_000
            ) { call in
                count.add()
                return Reply(status: 200, headers: [("content-type", "text/plain")], body: call.body)
            },
            Route(.get, "/empty", name: "t.empty", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(204, "")]) { _ in
                Reply(status: 204)
            },
            Route(.get, "/large", name: "t.large", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
                Reply(status: 200, body: Data(repeating: 0x61, count: 4_000_000))
            },
        ]
    }

    @Test("requests on one connection are answered in their order, also when they come all at once")
    func pipelined() async throws {
        try await Loopback.serve(routes()) { server in
            let one = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let echo = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
            let last = "GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            let text = try await server.exchange([one + echo + one + last])
            #expect(text.statuses == [200, 200, 200, 404])
            #expect(text.contains("\r\n\r\nabcHTTP/1.1 200"))
            let slow = try await server.exchange((one + echo + last).map { String($0) })
            #expect(slow.statuses == [200, 200, 404])
        }
    }

    @Test("an answer has its date, length and request id; HEAD and 204 have no body")
    func heads() async throws {
        try await Loopback.serve(routes()) { server in
            let get = try await server.request("GET /hello")
            #expect(
                get.contains("\r\ncontent-length: 17\r\n") && get.hasSuffix("\r\n\r\n{\"hello\":\"world\"}")
                    && get.contains("\r\nx-request-id: "))
            #expect(get.contains(" GMT\r\n") && get.contains("\r\nconnection: close\r\n"))
            let head = try await server.request("HEAD /hello")
            #expect(head.contains("\r\ncontent-length: 17\r\n") && head.hasSuffix("\r\n\r\n"))
            let empty = try await server.request("GET /empty")
            #expect(
                empty.hasPrefix("HTTP/1.1 204") && !empty.contains("content-length") && !empty.contains("transfer-encoding")
                    && empty.hasSuffix("\r\n\r\n"))
            let old = try await server.exchange(["GET /hello HTTP/1.0\r\n\r\n"])
            #expect(old.statuses == [200] && old.contains("connection: close"))
            let kept = try await server.exchange(["GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n"])
            #expect(kept.statuses == [200, 200] && kept.contains("connection: keep-alive"))
            #expect(try await server.request("GET /large").utf8.count > 4_000_000)
        }
    }

    @Test("a client that has said all it has to say gets its answers, and the connection ends")
    func halfClosed() async throws {
        try await Loopback.serve(routes()) { server in
            let port = server.port
            let (text, span) = try await Offside.run { () -> (String, Duration) in
                let socket = try Socket(port: port)
                defer { socket.close() }
                socket.send(Array("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
                shutdown(socket.descriptor, Int32(SHUT_WR))
                var text = ""
                let span = ContinuousClock().measure { text = socket.read { _ in false } }
                return (text, span)
            }
            #expect(text.statuses == [200, 200] && span < .seconds(5))
        }
    }

    @Test("the caller's address is the peer's")
    func address() async throws {
        let route = Route(
            .get, "/who", name: "t.who", summary: "", access: .operatorOnly, limit: .unlimited, answers: [RouteAnswer(200, "")]
        ) { call in
            .json(value: ["address": .string(call.act.address ?? ""), "origin": .string(call.origin)])
        }
        try await Loopback.serve([route]) { server in
            let text = try await server.request("GET /who")
            #expect(text.hasSuffix("{\"address\":\"127.0.0.1\",\"origin\":\"http://localhost\"}"))
        }
    }

    @Test("the date is as RFC 9110 writes it")
    func date() {
        #expect(DateLine.text(Timestamp(seconds: 784_111_777)) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(DateLine.text(Timestamp(seconds: 1_800_000_000)) == "Fri, 15 Jan 2027 08:00:00 GMT")
    }

    @Test("chunked bodies are read whole, and cut at the route's bound")
    func chunked() async throws {
        let count = Count()
        try await Loopback.serve(routes(count)) { server in
            let chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            let fine = try await server.exchange([chunked, "3\r\nabc\r\n", "4;ext=1\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n"])
            #expect(fine.statuses == [200] && fine.hasSuffix("abcdefg"))
            let part = "100\r\n" + String(repeating: "x", count: 256) + "\r\n"
            let large = try await server.exchange([chunked] + Array(repeating: part, count: 50))
            #expect(large.statuses == [413] && large.contains("body_too_large") && large.contains("connection: close"))
            #expect(count.now == 1)
        }
    }

    @Test("a body announced too long is refused before it is read; one that fits is asked for where the client waits")
    func expect() async throws {
        let count = Count()
        try await Loopback.serve(routes(count)) { server in
            let head = { (length: Int) in
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: \(length)\r\n\r\n"
            }
            let large = try await server.exchange([head(1_001)]) { $0.contains("}") }
            #expect(large.statuses == [413] && large.contains("\"limit_bytes\":1000"))
            let asked = try await server.exchange([head(3)]) { $0.contains("100 Continue\r\n\r\n") }
            #expect(asked == "HTTP/1.1 100 Continue\r\n\r\n")
            let sent = try await server.exchange([head(3), "abc"])
            #expect(sent.statuses == [100, 200] && sent.hasSuffix("abc"))
            let none = try await server.request("POST /nope", ["Content-Length: 500000"], body: String(repeating: "x", count: 500_000))
            #expect(none.statuses == [404])
            #expect(count.now == 1)
        }
    }

    private static let get = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    private static func post(_ headers: String, _ body: String) -> String {
        "POST /echo HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n\r\n\(body)"
    }

    /// Each of these, were it read one way here and another way by a proxy before us, would hide the request that follows.
    private static let ambiguous: [String] = [
        post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\n" + get),
        post("Content-Length: 3\r\nContent-Length: 0", "abc" + get), post("Content-Length: 0\r\nContent-Length: 0", get),
        post("Content-Length: 3, 3", "abc" + get),
        post("Content-Length: +3", "abc" + get), post("Content-Length: -1", get), post("Content-Length: 0x3", "abc" + get),
        post("Content-Length: 3 3", "abc" + get),
        post("Content-Length:", get), post("Content-Length: 99999999999999999999", get),
        post("Content-Length: 18446744073709551619", "abc" + get), post("Content-Length : 3", "abc" + get),
        post("Content-Length\t: 3", "abc" + get), post(" Content-Length: 3", "abc" + get), post("Content\u{0}-Length: 3", "abc" + get),
        post("Transfer-Encoding: identity", get), post("Transfer-Encoding: chunked, identity", "0\r\n\r\n" + get),
        post("Transfer-Encoding: identity, chunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n" + get), post("Transfer-Encoding: xchunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n" + get),
        post("Transfer-Encoding : chunked", "0\r\n\r\n" + get), post("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked\r\nX: a\rb", "0\r\n\r\n" + get), post("X: a\u{0}b", get), post("Bad Name: x", get),
        post("Ba(d: x", get), post("\u{e9}: x", get), post(": x", get),
        post("Transfer-Encoding: chunked", "0x3\r\nabc\r\n0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked", "-1\r\nabc\r\n0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked", "3 \r\nabc\r\n0\r\n\r\n" + get),
        post("Transfer-Encoding: chunked", "\r\nabc\r\n0\r\n\r\n" + get), post("Transfer-Encoding: chunked", "3\nabc\n0\n\n" + get),
        "POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get,
        "GET /hello HTTP/1.1\r\n\r\n" + get,
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + get, "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" + get,
        "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n" + get,
        "GET /hello HTTP/1.2\r\nHost: a\r\n\r\n" + get, "GET /hello HTTP/01.1\r\nHost: a\r\n\r\n" + get,
        "GET /hello\r\n\r\n" + get, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /hello HTTP/1.1\nHost: a\n\n" + get, "GET /hel\u{0}lo HTTP/1.1\r\nHost: a\r\n\r\n" + get,
        "BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n" + get, "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}",
    ]

    @Test("a message that two readers might frame differently is refused, and nothing after it is read")
    func smuggling() async throws {
        let count = Count()
        try await Loopback.serve(routes(count)) { server in
            for message in Self.ambiguous {
                let text = try await server.exchange([message])
                #expect(!text.contains("\"smuggled\""), "\(text)")
                #expect(
                    text.statuses == [400] && text.contains("connection: close"),
                    "\(message.debugDescription) → \(text.prefix(40).debugDescription)")
                #expect(count.now == 0)
            }
        }
    }

    @Test("headers beyond their bounds are 431")
    func headers() async throws {
        try await Loopback.serve(
            routes(), Settings().setting(HTTPEdgeSettings.maxHeaderBytes, to: 4_096).setting(HTTPEdgeSettings.maxHeaderFields, to: 16)
        ) { server in
            for headers in [
                ["X: " + String(repeating: "a", count: 5_000)], (0..<100).map { "X\($0): \(String(repeating: "a", count: 60))" },
                (0..<20).map { "X\($0): a" },
            ] {
                let text = try await server.request("GET /hello", headers)
                #expect(text.statuses == [431] && text.contains("headers_too_large") && text.contains("connection: close"))
            }
            #expect(try await server.request("GET /" + String(repeating: "a", count: 5_000)).statuses == [431])
        }
        try await Loopback.serve(routes()) { server in
            let text = try await server.request("GET /" + String(repeating: "a", count: 9_000))
            #expect(text.statuses == [414])
        }
    }

    @Test("targets that are none are 400")
    func targets() async throws {
        try await Loopback.serve(routes()) { server in
            for target in ["/%", "/%zz", "/%00", "/%ff", "http://evil.example/hello", "/hello#a", "\\hello"] {
                let text = try await server.request("GET \(target)")
                #expect(text.statuses == [400], "\(target)")
            }
        }
    }

    @Test("what asks to become another protocol is answered as what it is, and ends the connection where it must")
    func upgrades() async throws {
        try await Loopback.serve(routes()) { server in
            let upgrade = try await server.exchange([
                "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
            ])
            #expect(upgrade.statuses == [200])
            let connect = try await server.exchange(["CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + Self.get])
            #expect(connect.statuses == [400] && !connect.contains("smuggled\":"))
        }
    }

    @Test("mutilated messages, cut and closed anywhere, never end the server and never answer 5xx")
    func mutilated() async throws {
        let seeds =
            Self.ambiguous + [
                "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\n\r\nHEAD /empty HTTP/1.0\r\n\r\n",
                Self.post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nT: x\r\n\r\n")
                    + Self.post("Content-Length: 3\r\nExpect: 100-continue", "abc") + Self.get,
                Self.post("Content-Length: 5000", String(repeating: "x", count: 5_000)) + Self.get,
            ]
        try await Loopback.serve(routes()) { server in
            let port = server.port
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<4 {
                    group.addTask {
                        try await Offside.run {
                            var random = Steps(seed: UInt64(lane + 1))
                            for _ in 0..<150 {
                                var bytes = Array(seeds[random.below(seeds.count)].utf8)
                                for _ in 0..<random.below(4) where !bytes.isEmpty {
                                    switch random.below(4) {
                                    case 0: bytes[random.below(bytes.count)] = UInt8(random.below(256))
                                    case 1: bytes.remove(at: random.below(bytes.count))
                                    case 2: bytes.insert(bytes[random.below(bytes.count)], at: random.below(bytes.count))
                                    default: bytes.removeLast(random.below(bytes.count))
                                    }
                                }
                                let socket = try Socket(port: port)
                                defer { socket.close() }
                                let cut = random.below(bytes.count + 1)
                                socket.send(Array(bytes[..<cut]))
                                if random.below(2) == 0 { usleep(500) }
                                socket.send(Array(bytes[cut...]))
                                if random.below(3) == 0 { continue }
                                shutdown(socket.descriptor, Int32(SHUT_WR))
                                let text = socket.read { _ in false }
                                if let worst = text.statuses.max(), worst >= 500 { throw Ended(text: String(text.prefix(200))) }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let text = try await server.request("GET /hello")
            #expect(text.statuses == [200])
        }
    }
    private struct Ended: Error { let text: String }

    @Test("many connections at once are all answered")
    func many() async throws {
        let count = Count()
        try await Loopback.serve(routes(count)) { server in
            let one = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let last = "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            let answered = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<32 {
                    group.addTask {
                        try await server.exchange([String(repeating: one, count: 24) + last]).statuses.filter { $0 == 200 }.count
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(answered == 32 * 25 && count.now == 32 * 25)
            while server.service.openConnections > 0 { await Task.yield() }
        }
    }
}
