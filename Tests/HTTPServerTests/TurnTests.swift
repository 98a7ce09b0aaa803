import Foundation
import HTTPEdge
import Testing
import Vocabulary

@testable import HTTPServer

@Suite("One at a time", .serialized)
struct TurnTests {
    /// `/wait` is answered when its gate opens, `/now` at once, `/echo` with what was sent.
    private func routes(_ gate: Gate, _ entered: Gate) -> [Route] {
        [
            Route(.get, "/wait", name: "t.wait", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
                entered.open()
                await gate.wait()
                return .json(value: ["waited": true])
            },
            Route(.get, "/now", name: "t.now", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
                .json(value: ["now": true])
            },
            Route(
                .post, "/echo", name: "t.echo", summary: "", access: .proof, limit: .webhook, answers: [RouteAnswer(200, "")],
                maxBodyBytes: 1_000
            ) { call in Reply(status: 200, headers: [("content-type", "text/plain")], body: call.body) },
            Route(.get, "/none", name: "t.none", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(204, "")]) { _ in
                Reply(status: 204)
            },
            Route(.get, "/mine", name: "t.mine", summary: "", access: .session, answers: [RouteAnswer(200, "")]) { _ in
                .json(value: [:])
            },
            Route(
                .post, "/strict", name: "t.strict", summary: "", access: .proof, limit: .webhook,
                request: .object([SchemaField("name", .string(min: 1, max: 8))]), answers: [RouteAnswer(200, "")], maxBodyBytes: 1_000
            ) { call in .json(value: ["name": call.json?["name"] ?? .null]) },
        ]
    }

    private static let wait = "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"
    private static let now = "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n"
    private static let last = "GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    private static func echo(_ body: String) -> String {
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// One piece is read at once: what stands behind the request that waits is there before its answer is.
    private func behind(_ rest: String, then more: [String] = [], half: Bool = false) async throws -> String {
        let (gate, entered) = (Gate(), Gate())
        return try await Loopback.serve(routes(gate, entered)) { server in
            let socket = try await Offside.run { try Socket(port: server.port) }
            defer { socket.close() }
            socket.send(Array((Self.wait + rest).utf8))
            await entered.wait()
            if half { shutdown(socket.descriptor, Int32(SHUT_WR)) }
            gate.open()
            return try await Offside.run {
                var text = ""
                for piece in more {
                    // Not before the answers to what is whole.
                    text += socket.read { $0.contains("{\"now\":true}") }
                    socket.send(Array(piece.utf8))
                }
                return text + socket.read { _ in false }
            }
        }
    }

    @Test("requests that come while an answer is due are answered after it, in their order, whatever they are")
    func order() async throws {
        let text = try await behind(Self.now + Self.echo("one more") + Self.wait + Self.echo("the next") + Self.last)
        #expect(text.statuses == [200, 200, 200, 200, 200, 404])
        let answers = ["{\"waited\":true}", "{\"now\":true}", "one more", "the next", "not_found"]
        let places = answers.compactMap { text.range(of: $0)?.lowerBound }
        #expect(places.count == 5 && places == places.sorted())
    }

    @Test("nonsense behind a request is refused after that request has its answer")
    func nonsense() async throws {
        let text = try await behind(Self.now + "BREW /tea HTTP/1.1\r\nHost: a\r\n\r\n" + Self.now)
        #expect(text.statuses == [200, 200, 400] && text.contains("connection: close"))
        let framed = try await behind("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + Self.now)
        #expect(framed.statuses == [200, 400])
        let large = try await behind(Self.echo(String(repeating: "x", count: 1_001)) + Self.last)
        #expect(large.statuses == [200, 413, 404])
    }

    @Test("a body that came whole and is over its route's bound is refused, and whoever sent it may ask on")
    func overBound() async throws {
        try await Loopback.serve(routes(Gate(), Gate())) { server in
            let texts = try await Offside.run {
                let socket = try Socket(port: server.port)
                defer { socket.close() }
                return [1_001, 1_000].map { size in
                    socket.send(Array(Self.echo(String(repeating: "x", count: size)).utf8))
                    return socket.read { $0.hasSuffix("}") || $0.hasSuffix(String(repeating: "x", count: 1_000)) }
                }
            }
            #expect(texts[0].statuses == [413] && texts[0].contains("\"limit_bytes\":1000"))
            #expect(texts[1].statuses == [200] && texts[1].hasSuffix(String(repeating: "x", count: 1_000)))
        }
    }

    @Test("half a request behind another is finished later")
    func halves() async throws {
        let echo = Self.echo("abcdef")
        for cut in [5, 20, echo.utf8.count - 3] {
            let text = try await behind(Self.now + String(echo.prefix(cut)), then: [String(echo.dropFirst(cut)) + Self.last])
            #expect(text.statuses == [200, 200, 200, 404] && text.contains("abcdef"), "\(cut)")
        }
    }

    @Test("who has said all before the first answer still gets every answer")
    func ended() async throws {
        let text = try await behind(Self.now + Self.echo("abc"), half: true)
        #expect(text.statuses == [200, 200, 200] && text.hasSuffix("abc"))
    }

    @Test("a client that asks and asks and reads nothing is not read for ever")
    func held() async throws {
        let (gate, entered) = (Gate(), Gate())
        try await Loopback.serve(routes(gate, entered)) { server in
            let taken = try await Offside.run {
                let socket = try Socket(port: server.port)
                defer { socket.close() }
                var patience = timeval(tv_sec: 1, tv_usec: 0)
                setsockopt(socket.descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
                socket.send(Array(Self.wait.utf8))
                let piece = Array(String(repeating: Self.now, count: 1_500).utf8)
                var taken = 0
                while taken < 256 << 20 {
                    let count = piece.withUnsafeBytes { Foundation.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                    guard count > 0 else { break }
                    taken += count
                }
                return taken
            }
            // The kernel keeps some megabytes for either side.
            #expect(taken < 64 << 20)
            gate.open()
        }
    }

    @Test("a drain in the middle of a body lets it come, answers, and closes")
    func drained() async throws {
        try await Loopback.serve(routes(Gate(), Gate())) { server in
            let socket = try await Offside.run { try Socket(port: server.port) }
            defer { socket.close() }
            socket.send(Array("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n".utf8))
            let asked = try await Offside.run { socket.read { $0.hasSuffix("\r\n\r\n") } }
            #expect(asked.statuses == [100])
            socket.send(Array("abc".utf8))
            server.service.stop()
            while (try? await Offside.run { try Socket(port: server.port).close() }) != nil { await Task.yield() }
            socket.send(Array("def".utf8))
            let text = try await Offside.run { socket.read { _ in false } }
            #expect(text.statuses == [200] && text.contains("connection: close") && text.hasSuffix("abcdef"))
            try await server.running.value
        }
    }

    /// Method, target, headers, body; what the edge itself answers is what stands on the wire.
    private static let table: [(String, String, [(String, String)], String)] = [
        ("GET", "/now", [], ""), ("HEAD", "/now", [], ""), ("GET", "/now?unknown=1", [], ""), ("GET", "/none", [], ""),
        ("HEAD", "/none", [], ""),
        ("GET", "/nope", [], ""), ("GET", "/%zz", [], ""), ("PUT", "/now", [], ""), ("OPTIONS", "/now", [], ""), ("OPTIONS", "*", [], ""),
        ("GET", "/mine", [], ""), ("GET", "/mine", [("Authorization", "Bearer nobody's")], ""),
        ("GET", "/mine", [("Authorization", "Bearer ")], ""), ("GET", "/mine", [("Authorization", "Basic YTpi")], ""),
        ("GET", "/mine", [("Authorization", "Bearer a b")], ""), ("GET", "/mine", [("Authorization", "bEaReR  x")], ""),
        ("GET", "/mine", [("Authorization", "Bearer x"), ("Authorization", "Bearer y")], ""),
        ("GET", "/now", [("X-Forwarded-For", "10.0.0.1")], ""), ("GET", "/now", [("X-Request-Id", "chosen-by-me")], ""),
        ("GET", "/now", [("Accept", "text/html")], ""), ("GET", "/nope", [("Accept", "text/html")], ""),
        ("POST", "/echo", [("Content-Type", "text/plain")], "abc"), ("POST", "/echo", [], String(repeating: "x", count: 1_000)),
        ("POST", "/strict", [("Content-Type", "application/json")], #"{"name":"a"}"#),
        ("POST", "/strict", [], #"{"name":"a"}"#), ("POST", "/strict", [("Content-Type", "text/plain")], #"{"name":"a"}"#),
        ("POST", "/strict", [("Content-Type", "application/json")], #"{"name":"a","other":1}"#),
        ("POST", "/strict", [("Content-Type", "application/json")], #"{"name":"a""#),
        ("POST", "/strict", [("Content-Type", "application/json")], ""),
        ("POST", "/strict", [("Content-Type", "application/json; charset=latin1")], #"{"name":"a"}"#),
    ]

    @Test("the wire adds date, length and connection to what the edge says, and nothing else", arguments: [false, true])
    func sameAsTheEdge(kept: Bool) async throws {
        try await Loopback.serve(routes(Gate(), Gate())) { server in
            for (method, target, headers, body) in Self.table {
                var lines = ["\(method) \(target) HTTP/1.1", "Host: localhost"]
                if !kept { lines.append("Connection: close") }
                lines += headers.map { "\($0): \($1)" }
                if !body.isEmpty { lines.append("Content-Length: \(body.utf8.count)") }
                // Kept open: the next answer on the same connection ends it.
                let wire = try await server.exchange([lines.joined(separator: "\r\n") + "\r\n\r\n" + body + (kept ? Self.last : "")])
                var raw = RawRequest(
                    method: method, target: target,
                    headers: HeaderFields([("Host", "localhost")] + headers.map { (name: $0, value: $1) }), body: Data(body.utf8))
                raw.requestID = wire.id
                let reply = await server.edge.respond(to: raw)
                var expected = "HTTP/1.1 \(reply.status) "
                let isWithout = reply.status == 204 || method == "HEAD"
                let head = wire.prefix(upTo: try #require(wire.range(of: "\r\n\r\n")).upperBound)
                #expect(head.hasPrefix(expected), "\(method) \(target)")
                var fields = reply.headers.map { "\($0): \($1)" }.filter { reply.status != 204 || !$0.hasPrefix("content-length") }
                if !isWithout { fields.append("content-length: \(reply.body.count)") }
                if !kept { fields.append("connection: close") }
                let sent = head.split(separator: "\r\n").dropFirst().map(String.init).filter { !$0.hasPrefix("date: ") }
                #expect(sent == fields, "\(method) \(target)")
                expected = isWithout ? "" : String(decoding: reply.body, as: UTF8.self)
                let after = wire[head.endIndex...]
                #expect(kept ? after.hasPrefix(expected + "HTTP/1.1 404") : after == expected, "\(method) \(target)")
            }
        }
    }
}

extension String {
    /// The id under which the first answer stands.
    fileprivate var id: String? {
        range(of: "x-request-id: ").map { String(self[$0.upperBound...].prefix { !$0.isNewline }) }
    }
}
