import Foundation
import HTTPEdge
import Testing
import Vocabulary

@testable import HTTPServer

@Suite("Long answers", .serialized)
struct PouringTests {
    struct Broken: Error {}
    private static let size: Int64 = 3_000_017
    /// What stands at each place: no part can be left out, doubled or moved without being seen.
    private static func bytes(from offset: Int64, _ count: Int64) -> Data {
        Data((offset..<(offset + count)).map { place in 97 + UInt8((place ^ place >> 7 ^ place >> 15) % 26) })
    }
    private static let whole = String(decoding: bytes(from: 0, size), as: UTF8.self)

    /// `/long` in parts of uneven size; `/cut` fails in its middle, `/short` gives nothing, `/over` more than it promised; `/now` is short.
    private func routes(_ parts: Count = Count()) -> [Route] {
        func long(_ path: String, length: Int64 = Self.size, _ read: @escaping @Sendable (Int64) async throws -> Data) -> Route {
            Route(
                .get, path, name: "t\(path.replacing("/", with: "."))", summary: "", access: .open, limit: .unlimited,
                answers: [RouteAnswer(200, "")]
            ) { _ in Reply(status: 200, headers: [("content-type", "text/plain")], stream: ReplyStream(length: length, read: read)) }
        }
        @Sendable func part(_ offset: Int64) -> Data {
            parts.add()
            return Self.bytes(from: offset, min(Self.size - offset, 1 + (offset * 7 + 40_000) % 190_000))
        }
        return [
            long("/long") { part($0) },
            long("/cut") { offset in
                guard offset < 1_000_000 else { throw Broken() }
                return part(offset)
            },
            long("/short") { offset in offset < 1_000_000 ? part(offset) : Data() },
            long("/over", length: 1_000) { _ in Self.bytes(from: 0, 1_001) },
            long("/endless", length: 1 << 34) { offset in
                parts.add()
                return Self.bytes(from: offset, 65_536)
            },
            Route(.get, "/now", name: "t.now", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
                .json(value: ["now": true])
            },
        ]
    }
    private static func get(_ path: String, method: String = "GET", close: Bool = false) -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\(close ? "Connection: close\r\n" : "")\r\n"
    }
    /// The bodies of answers that say how long they are.
    private static func bodies(_ text: String) -> [String] {
        var (bodies, rest) = ([String](), Substring(text))
        while let end = rest.firstRange(of: "\r\n\r\n") {
            let head = rest[..<end.lowerBound].lowercased()
            let length = head.firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
            bodies.append(String(rest[end.upperBound...].utf8.prefix(length)) ?? "")
            rest = Substring(rest[end.upperBound...].utf8.dropFirst(length))
        }
        return bodies
    }

    @Test("a long answer comes whole, and what was asked behind it comes after it")
    func whole() async throws {
        try await Loopback.serve(routes()) { server in
            let text = try await server.exchange([
                Self.get("/long") + Self.get("/now") + Self.get("/long") + Self.get("/now", close: true)
            ])
            #expect(text.statuses == [200, 200, 200, 200])
            let bodies = Self.bodies(text)
            #expect(bodies.count == 4)
            #expect(bodies.first == Self.whole && bodies.dropFirst(2).first == Self.whole)
            #expect(bodies.dropFirst().first == "{\"now\":true}" && bodies.last == "{\"now\":true}")
        }
    }

    @Test("a client that has said all it has to say gets all of it")
    func halfClosed() async throws {
        try await Loopback.serve(routes()) { server in
            let text = try await Offside.run {
                let socket = try Socket(port: server.port)
                defer { socket.close() }
                socket.send(Array(Self.get("/long").utf8))
                shutdown(socket.descriptor, Int32(SHUT_WR))
                return socket.read { _ in false }
            }
            #expect(Self.bodies(text) == [Self.whole])
        }
    }

    @Test("HEAD has the length and no byte of it")
    func head() async throws {
        let parts = Count()
        try await Loopback.serve(routes(parts)) { server in
            let text = try await server.exchange([Self.get("/long", method: "HEAD") + Self.get("/now", close: true)])
            #expect(text.contains("content-length: \(Self.size)\r\n") && text.statuses == [200, 200])
            #expect(text.hasSuffix("\r\n\r\n{\"now\":true}") && parts.now == 0)
        }
    }

    @Test(
        "what breaks, ends early or gives too much is cut, so that nobody takes a part for the whole",
        arguments: ["/cut", "/short", "/over"])
    func cut(_ path: String) async throws {
        try await Loopback.serve(routes()) { server in
            let text = try await server.exchange([Self.get(path) + Self.get("/now", close: true)])
            #expect(text.statuses == [200])
            let body = Self.bodies(text).first ?? ""
            #expect(body.utf8.count < (path == "/over" ? 1_000 : Self.size) && Self.whole.hasPrefix(body))
            // Others are served as ever.
            #expect(try await server.request("GET /now").statuses == [200])
        }
    }

    @Test("one part is made when the one before was taken: who reads nothing makes nobody fill memory")
    func slow() async throws {
        let parts = Count()
        try await Loopback.serve(routes(parts)) { server in
            let socket = try await Offside.run { try Socket(port: server.port) }
            socket.send(Array(Self.get("/endless").utf8))
            // It does not read, and asks on another connection meanwhile.
            for _ in 0..<50 { #expect(try await server.request("GET /now").statuses == [200]) }
            // What the kernel takes for either side is some megabytes.
            #expect(parts.now < 1_000)
            socket.close()
        }
    }

    /// Lives as long as somebody may still ask for a part.
    private final class Held: Sendable {
        let released: Gate
        init(_ released: Gate) { self.released = released }
        deinit { released.open() }
    }

    @Test("a client that goes away ends the making of what it asked for")
    func gone() async throws {
        let (begun, released) = (Gate(), Gate())
        let route = Route(
            .get, "/endless", name: "t.endless", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]
        ) { _ in
            let held = Held(released)
            return Reply(
                status: 200,
                stream: ReplyStream(length: 1 << 40) { offset in
                    withExtendedLifetime(held) { begun.open() }
                    return Self.bytes(from: offset, 65_536)
                })
        }
        try await Loopback.serve([route]) { server in
            let socket = try await Offside.run { try Socket(port: server.port) }
            socket.send(Array("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            await begun.wait()
            // Unread bytes are there: closing resets the connection.
            socket.close()
            await released.wait()
        }
    }

    @Test("a drain lets a long answer finish, and closes behind it")
    func drained() async throws {
        let (started, go) = (Gate(), Gate())
        let route = Route(
            .get, "/long", name: "t.long", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]
        ) { _ in
            Reply(
                status: 200,
                stream: ReplyStream(length: Self.size) { offset in
                    if offset > 0 {
                        started.open()
                        await go.wait()
                    }
                    return Self.bytes(from: offset, min(Self.size - offset, 500_000))
                })
        }
        try await Loopback.serve([route]) { server in
            let reading = Task { try await server.exchange([Self.get("/long") + Self.get("/long")]) }
            await started.wait()
            server.service.stop()
            go.open()
            let text = try await reading.value
            // What was asked behind it was not begun: the client sees the connection end and asks elsewhere.
            #expect(text.statuses == [200] && Self.bodies(text) == [Self.whole])
        }
    }
}
