import Dispatch
import Foundation
import HTTPEdge
import NIOPosix
import Testing
import Vocabulary

@testable import HTTPServer

/// Whoever got through to the port is served, also where the process was told to leave before it had looked.
@Suite("Leaving", .serialized)
struct DrainTests {
    private let echo = Route(
        .post, "/echo", name: "t.echo", summary: "", access: .proof, limit: .webhook, answers: [RouteAnswer(200, "")], maxBodyBytes: 1_000
    ) { call in Reply(status: 200, headers: [("content-type", "text/plain")], body: call.body) }

    private func request(_ body: String) -> [UInt8] {
        Array("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }
    /// Until nobody new is taken.
    private func closed(_ port: Int) async {
        while (try? await Offside.run { try Socket(port: port).close() }) != nil { await Task.yield() }
    }

    @Test("a connection that has not sent its first request yet, or only a part of its head, is answered after the port closed, and ends")
    func first() async throws {
        try await Loopback.serve([echo]) { server in
            let sockets = try await Offside.run { try (0..<2).map { _ in try Socket(port: server.port) } }
            defer { for socket in sockets { socket.close() } }
            let whole = request("one")
            sockets[1].send(Array(whole.prefix(20)))
            server.service.stop()
            await closed(server.port)
            sockets[0].send(whole)
            sockets[1].send(Array(whole.dropFirst(20)))
            for socket in sockets {
                let text = try await Offside.run { socket.read { _ in false } }
                #expect(text.statuses == [200] && text.contains("connection: close") && text.hasSuffix("one"))
            }
            try await server.running.value
        }
    }

    @Test("a connection that was answered and is idle is closed at once, and holds nothing up")
    func idle() async throws {
        try await Loopback.serve([echo]) { server in
            let socket = try await Offside.run { try Socket(port: server.port) }
            defer { socket.close() }
            socket.send(request("one"))
            let text = try await Offside.run { socket.read { $0.hasSuffix("one") } }
            #expect(text.statuses == [200])
            let took = try await ContinuousClock().measure {
                server.service.stop()
                try await server.running.value
            }
            #expect(took < .seconds(1.5))
        }
    }

    @Test("who stands at the port, request sent, when the process is told to leave is taken in and answered")
    func atThePort() async throws { try await standing(40) }

    @Test("so is who stands there because every place is taken", .timeLimit(.minutes(1)))
    func noRoom() async throws { try await standing(40, places: 16) }

    /// The process stands still while so many come.
    private func standing(_ many: Int, places: Int? = nil) async throws {
        let settings = places.map { Settings().setting(HTTPEdgeSettings.maxConnections, to: $0) } ?? Settings()
        try await Loopback.serve([echo], settings) { server in
            let loops = Array(MultiThreadedEventLoopGroup.singleton.makeIterator())
            let (held, free) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let request = request("here")
            // Answered, and kept by their clients.
            let kept = try await Offside.run {
                try (0..<(places ?? 0)).map { _ in
                    let socket = try Socket(port: server.port)
                    socket.send(request)
                    #expect(socket.read { $0.hasSuffix("here") }.statuses == [200])
                    return socket
                }
            }
            for loop in loops {
                loop.execute {
                    held.signal()
                    free.wait()
                }
            }
            let sockets = try await Offside.run {
                defer { for _ in loops { free.signal() } }
                for _ in loops { held.wait() }
                // The system takes them; the process stands still.
                let sockets = try (0..<many).map { _ in try Socket(port: server.port) }
                for socket in sockets { socket.send(request) }
                server.service.stop()
                return sockets
            }
            defer { for socket in sockets + kept { socket.close() } }
            let answers = try await Offside.run { sockets.map { $0.read { _ in false } } }
            #expect(answers.allSatisfy { $0.statuses == [200] && $0.hasSuffix("here") }, "\(answers.count { $0.isEmpty }) got nothing")
            try await server.running.value
        }
    }

    @Test("whoever comes while the process leaves is answered or refused, never cut off")
    func crowd() async throws {
        try await Loopback.serve([echo]) { server in
            let request = request("here")
            async let outcomes = withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await Offside.run {
                            var answers: [String] = []
                            while let socket = try? Socket(port: server.port) {
                                socket.send(request)
                                answers.append(socket.read { $0.hasSuffix("here") })
                                socket.close()
                            }
                            return answers
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            for _ in 0..<50 { _ = try await server.request("GET /health/live") }
            server.service.stop()
            let answers = try await outcomes
            #expect(
                answers.count > 20 && answers.allSatisfy { $0.statuses == [200] }, "\(answers.count { $0.isEmpty }) of \(answers.count)")
            try await server.running.value
        }
    }
}
