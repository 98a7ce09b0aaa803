import Foundation
import HTTPEdge
import Logging
import Synchronization
import Telemetry
import Testing
import Vocabulary

@testable import HTTPServer

/// Of all tests of the house only these wait for real time: a socket has no other.
@Suite("Time on the wire", .serialized)
struct TimeTests {
    private func waiting(_ gate: Gate, _ entered: Gate) -> Route {
        Route(.get, "/wait", name: "t.wait", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
            entered.open()
            await gate.wait()
            return .json(value: ["waited": true])
        }
    }
    private let short = Settings().setting(HTTPEdgeSettings.headerTimeout, to: 1).setting(HTTPEdgeSettings.bodyTimeout, to: 1)
        .setting(HTTPEdgeSettings.idleTimeout, to: 2).setting(HTTPEdgeSettings.handlerTimeout, to: 1).setting(HTTPEdgeSettings.drain, to: 1)

    @Test("a head that trickles in is cut off, whatever its pace; a connection that says nothing lives a little longer")
    func slowHead() async throws {
        try await Loopback.serve([], short) { server in
            let port = server.port
            let times = try await Offside.run { () -> (ContinuousClock.Duration, ContinuousClock.Duration) in
                let clock = ContinuousClock()
                let slow = try clock.measure {
                    let socket = try Socket(port: port)
                    defer { socket.close() }
                    for byte in "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaa".utf8 {
                        socket.send([byte])
                        // The next byte after 50 ms, unless the server is heard first: its end of the connection is the end.
                        var heard = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
                        var probe: UInt8 = 0
                        if poll(&heard, 1, 50) > 0, recv(socket.descriptor, &probe, 1, Int32(MSG_DONTWAIT)) == 0 { return }
                    }
                }
                let idle = try clock.measure {
                    let socket = try Socket(port: port)
                    defer { socket.close() }
                    _ = socket.read { _ in false }
                }
                return (slow, idle)
            }
            #expect(times.0 > .seconds(0.9) && times.0 < .seconds(1.9))
            #expect(times.1 > .seconds(1.9) && times.1 < .seconds(5))
        }
    }

    @Test("a body that does not come is 408, a handler that does not come back 503, and both end the connection")
    func slowBodyAndHandler() async throws {
        let (gate, entered) = (Gate(), Gate())
        try await Loopback.serve([waiting(gate, entered)], short) { server in
            let body = try await server.exchange(["POST /openapi.json HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"])
            #expect(body.statuses == [408] && body.contains("request_timeout"))
            let handler = try await server.exchange([
                "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\nGET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ])
            #expect(handler.statuses == [503] && handler.contains("timed_out") && handler.contains("connection: close"))
            gate.open()
        }
    }

    @Test("who ran a handler that came back too late runs no other: what is asked afterwards is not cancelled")
    func lateHandlers() async throws {
        let latch = Latch()
        let stubborn = Route(
            .get, "/stubborn", name: "t.stubborn", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]
        ) { _ in
            await latch.wait()
            return .json(value: [:])
        }
        let asked = Route(.get, "/asked", name: "t.asked", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) {
            _ in
            await Task.yield()
            return .json(value: ["cancelled": .bool(Task.isCancelled)])
        }
        try await Loopback.serve([stubborn, asked], short) { server in
            let get: @Sendable (String) -> [UInt8] = { path in Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8) }
            let texts = try await Offside.run {
                let late = try (0..<8).map { _ in try Socket(port: server.port) }
                defer { for socket in late { socket.close() } }
                for socket in late { socket.send(get("/stubborn")) }
                let first = late.map { $0.read { _ in false } }
                // All of them come back now, beside the requests that follow.
                latch.open()
                let socket = try Socket(port: server.port)
                defer { socket.close() }
                return first
                    + (0..<60).map { _ in
                        socket.send(get("/asked"))
                        return socket.read { $0.hasSuffix("}") }
                    }
            }
            #expect(texts.prefix(8).allSatisfy { $0.statuses == [503] && $0.contains("timed_out") })
            #expect(texts.dropFirst(8).allSatisfy { $0.statuses == [200] && $0.hasSuffix("{\"cancelled\":false}") })
        }
    }

    @Test("a drain lets the request in flight finish, tells readiness, and takes no new connection")
    func drains() async throws {
        let (gate, entered) = (Gate(), Gate())
        try await Loopback.serve([waiting(gate, entered)]) { server in
            let answer = Task { try await server.exchange(["GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"]) }
            await entered.wait()
            server.service.stop()
            while !(await refused(server.port)) { await Task.yield() }
            #expect(server.draining.isDraining)
            gate.open()
            let text = try await answer.value
            #expect(text.statuses == [200] && text.contains("{\"waited\":true}") && text.contains("connection: close"))
            try await server.running.value
        }
    }

    @Test("while the notice runs the port still answers, and readiness says that we leave")
    func notice() async throws {
        try await Loopback.serve([], short.setting(HTTPEdgeSettings.drainNotice, to: 1)) { server in
            #expect(try await server.request("GET /health/ready").statuses == [200])
            server.service.stop()
            while !server.draining.isDraining { await Task.yield() }
            let ready = try await server.request("GET /health/ready")
            #expect(ready.statuses == [503] && ready.contains("draining"))
            try await server.running.value
            #expect(await refused(server.port))
        }
    }

    @Test("a request that outlives the drain is cut, and the service ends; idle connections do not hold it up")
    func cut() async throws {
        let (gate, entered) = (Gate(), Gate())
        try await Loopback.serve([waiting(gate, entered)], short.setting(HTTPEdgeSettings.handlerTimeout, to: 60)) { server in
            let idle = try await Offside.run { try Socket(port: server.port) }
            let answer = Task { try await server.exchange(["GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"]) }
            await entered.wait()
            let took = try await ContinuousClock().measure {
                server.service.stop()
                try await server.running.value
            }
            #expect(try await answer.value == "")
            #expect(took > .seconds(0.9) && took < .seconds(5))
            idle.close()
            gate.open()
        }
    }

    @Test("a cancelled run drains too, and stopping before it is bound ends it")
    func cancelled() async throws {
        try await Loopback.serve([]) { server in
            server.running.cancel()
            try await server.running.value
            #expect(await refused(server.port))
        }
    }

    @Test("a port that is taken is told at once")
    func taken() async throws {
        try await Loopback.serve([]) { server in
            _ = await #expect(throws: (any Error).self) { try await server.service.run(host: "127.0.0.1", port: server.port) { _ in } }
        }
    }

    private func refused(_ port: Int) async -> Bool {
        (try? await Offside.run { try Socket(port: port).close() }) == nil
    }
}

@Suite("TLS", .serialized)
struct TLSTests {
    private func certificate() throws -> (String, String) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (certificate, key) = (folder.appendingPathComponent("c.pem").path, folder.appendingPathComponent("k.pem").path)
        let made = try run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
            ])
        #expect(made.status == 0)
        return (certificate, key)
    }
    private func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    @Test("serves TLS 1.3 and nothing older; pages get strict transport and cookies bound to the host")
    func tls() async throws {
        let (certificate, key) = try certificate()
        let page = Route(.get, "/form", name: "t.form", summary: "", access: .page, limit: .unlimited, answers: [RouteAnswer(200, "")]) {
            .html($0.csrf)
        }
        let settings = Settings().setting(HTTPEdgeSettings.tlsCertificate, to: certificate).setting(HTTPEdgeSettings.tlsKey, to: key)
        try await Loopback.serve([page], settings) { server in
            let url = "https://localhost:\(server.port)/form"
            let common = ["-s", "-i", "--cacert", certificate, "--resolve", "localhost:\(server.port):127.0.0.1"]
            let fine = try await Offside.run { try run("curl", common + ["--tlsv1.3", url, url]) }
            #expect(fine.status == 0 && fine.text.statuses == [200, 200])
            #expect(
                fine.text.contains("strict-transport-security: max-age=31536000") && fine.text.contains("set-cookie: __Host-coditect_csrf=")
            )
            let older = try await Offside.run { try run("curl", common + ["--tls-max", "1.2", url]) }
            #expect(older.status == 35)
            let large = try await Offside.run { try run("curl", common + ["-X", "POST", "-d", "@/usr/bin/env", url]) }
            #expect(large.text.statuses.last == 405)
            // Plain HTTP on the TLS port is no request.
            #expect(try await server.request("GET /form").statuses.isEmpty)
        }
    }

    @Test(
        "over TLS, too, requests that come all at once are answered in their order, a long one among them, and the last ends the connection"
    )
    func pipelined() async throws {
        let (certificate, key) = try certificate()
        let long = Route(.get, "/long", name: "t.long", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) {
            _ in
            Reply(
                status: 200,
                stream: ReplyStream(length: 1_000_000) { offset in
                    Data(repeating: 97 + UInt8(offset / 100_000), count: Int(min(100_000, 1_000_000 - offset)))
                })
        }
        let now = Route(.get, "/now", name: "t.now", summary: "", access: .open, limit: .unlimited, answers: [RouteAnswer(200, "")]) { _ in
            .json(value: ["now": true])
        }
        let settings = Settings().setting(HTTPEdgeSettings.tlsCertificate, to: certificate).setting(HTTPEdgeSettings.tlsKey, to: key)
        try await Loopback.serve([long, now], settings) { server in
            func get(_ path: String, _ more: String = "") -> String { "GET \(path) HTTP/1.1\\r\\nHost: localhost\\r\\n\(more)\\r\\n" }
            let asked = get("/now") + get("/long") + get("/now") + get("/nope", "Connection: close\\r\\n")
            let command =
                "printf '\(asked)' | openssl s_client -quiet -ign_eof -connect 127.0.0.1:\(server.port) -CAfile \(certificate) 2>/dev/null"
            let text = try await Offside.run { try run("bash", ["-c", command]) }.text
            #expect(text.statuses == [200, 200, 200, 404])
            let letters = (0..<10).map { String(repeating: Character(UnicodeScalar(97 + UInt8($0))), count: 100_000) }.joined()
            #expect(text.contains("\r\n\r\n\(letters)HTTP/1.1 200"))
        }
    }

    @Test("a certificate that cannot be used is told at start")
    func unusable() async throws {
        let (certificate, _) = try certificate()
        for settings in [
            Settings(["http.tls_certificate": certificate]),
            Settings(["http.tls_certificate": "/nonexistent", "http.tls_key": "/nonexistent"]),
            Settings(["http.tls_certificate": certificate, "http.tls_key": certificate]),
        ] {
            await #expect(throws: HTTPServiceFault.self) { try await Loopback.serve([], settings) { _ in } }
        }
    }
}

@Suite("Telemetry of requests")
struct TelemetryTests {
    @Test("counts by method, route and status, and logs a fault with its id")
    func counts() throws {
        final class Lines: LogSink {
            let all = Mutex<[String]>([])
            func write(_ line: [UInt8]) { all.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        }
        let (metrics, lines) = (Metrics(), Lines())
        let logger = Logger(label: "edge") { JSONLogHandler(label: $0, level: .info, clock: SystemClock(), sink: lines) }
        let telemetry = HTTPTelemetry(metrics: metrics, logger: logger)
        func answered(_ route: String?, _ status: Int, documented: Bool = true) {
            telemetry.answered(
                AnsweredRequest(
                    requestID: "r-1", method: "GET", route: route, status: status, problem: nil, isDocumented: documented,
                    duration: .milliseconds(3),
                    caller: nil, address: "127.0.0.1"))
        }
        answered("a.b", 200)
        answered("a.b", 200)
        answered(nil, 404)
        answered("a.b", 299, documented: false)
        telemetry.faulted(Socket.Refused(), requestID: "r-2", route: "a.b")
        let text = metrics.render()
        #expect(text.contains("http_requests_total{method=\"GET\",route=\"a.b\",status=\"200\"} 2\n"))
        #expect(text.contains("http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1\n"))
        #expect(
            text.contains("http_request_duration_seconds_bucket{route=\"a.b\",le=\"0.005\"} 3\n")
                && text.contains("http_faults_total{route=\"a.b\"} 1\n"))
        let written = lines.all.withLock { $0 }
        #expect(written.count == 2 && written[0].contains("\"level\":\"warning\"") && written[1].contains("\"request_id\":\"r-2\""))
    }
}

/// Opened once, for any number that wait; a cancelled one waits on.
private final class Latch: Sendable {
    private let standing = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))
    func wait() async {
        await withCheckedContinuation { waiting in
            let isOpen = standing.withLock { standing in
                if !standing.isOpen { standing.waiting.append(waiting) }
                return standing.isOpen
            }
            if isOpen { waiting.resume() }
        }
    }
    func open() {
        let waiting = standing.withLock { standing in
            defer { standing = (true, []) }
            return standing.waiting
        }
        for each in waiting { each.resume() }
    }
}
