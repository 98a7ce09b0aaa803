import Foundation
import HTTPEdge
import KeyValue
import Logging
import Synchronization
import Telemetry
import Vocabulary

@testable import HTTPServer

/// A service on a free port of loopback, for the length of a closure.
enum Loopback {
    static func serve<Value: Sendable>(
        _ routes: [Route], _ settings: Settings = Settings(), _ body: @Sendable (Server) async throws -> Value
    ) async throws -> Value {
        let settings = settings.setting(HTTPEdgeSettings.limitsEnabled, to: false)
        let draining = DrainSwitch()
        let kernel = KernelRoutes(
            title: "T", version: "1", checks: [], isDraining: { draining.isDraining }, metrics: { "" }, metricsOpen: true)
        let edge = try Edge(
            routes: kernel.joined(to: routes),
            guards: EdgeGuards(authenticator: Nobody(), authorizer: Nobody(), keyValue: InProcessKeyValue()), clock: SystemClock(),
            entropy: SystemEntropy(), settings: settings, secret: [UInt8](repeating: 7, count: 32), observer: SilentObserver())
        let service = HTTPService(
            edge: edge, settings: settings, draining: draining, clock: SystemClock(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let bound = AsyncStream<Int>.makeStream()
        let running = Task {
            defer { bound.continuation.finish() }
            try await service.run(host: "127.0.0.1", port: 0) { bound.continuation.yield($0) }
        }
        guard let port = await bound.stream.first(where: { _ in true }) else {
            try await running.value
            throw NoPort()
        }
        do {
            let value = try await body(Server(port: port, edge: edge, service: service, draining: draining, running: running))
            service.stop()
            try await running.value
            return value
        } catch {
            service.stop()
            try? await running.value
            throw error
        }
    }
    struct NoPort: Error {}

    struct Server: Sendable {
        let port: Int
        let edge: Edge
        let service: HTTPService
        let draining: DrainSwitch
        let running: Task<Void, any Error>

        /// Sends the pieces on one connection and reads until the server closes, or until `enough` says so, or ten seconds have passed.
        func exchange(_ pieces: [String], enough: @escaping @Sendable (String) -> Bool = { _ in false }) async throws -> String {
            try await exchange(pieces.map { Array($0.utf8) }, enough: enough)
        }
        func exchange(_ pieces: [[UInt8]], enough: @escaping @Sendable (String) -> Bool = { _ in false }) async throws -> String {
            let port = port
            return try await Offside.run {
                let socket = try Socket(port: port)
                defer { socket.close() }
                for piece in pieces { socket.send(piece) }
                return socket.read(enough)
            }
        }
        /// One request that asks the server to close after it.
        func request(_ line: String, _ headers: [String] = [], body: String = "") async throws -> String {
            try await exchange([
                (["\(line) HTTP/1.1", "Host: localhost", "Connection: close"] + headers).joined(separator: "\r\n") + "\r\n\r\n" + body
            ])
        }
    }
}

/// Work that blocks its thread, kept off the threads of tasks.
enum Offside {
    static func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try work() }) }.start()
        }
    }
}

struct Socket {
    struct Refused: Error {}
    let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else {
            Foundation.close(descriptor)
            throw Refused()
        }
    }
    func close() { Foundation.close(descriptor) }
    /// What the server no longer wants is dropped.
    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
    func read(_ enough: (String) -> Bool) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            all.append(contentsOf: buffer[..<count])
            if enough(String(decoding: all, as: UTF8.self)) { break }
        }
        return String(decoding: all, as: UTF8.self)
    }
}

struct Nobody: Authenticator, Authorizer {
    func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller? { nil }
    func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller? { nil }
    func require(_ permission: Permission, of principal: Principal, act: Act) async throws { throw CommonProblems.forbidden }
}

/// Opened once, from anywhere.
final class Gate: Sendable {
    private let stream = AsyncStream<Void>.makeStream()
    func open() { stream.continuation.finish() }
    func wait() async { for await _ in stream.stream {} }
}

final class Count: Sendable {
    private let value = Atomic<Int>(0)
    func add() { value.wrappingAdd(1, ordering: .relaxed) }
    var now: Int { value.load(ordering: .relaxed) }
}

/// Random, and the same again from the same seed.
struct Steps {
    var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}

extension String {
    /// The statuses of the answers in a stream of them.
    var statuses: [Int] { split(separator: "HTTP/1.1 ").compactMap { Int($0.prefix(3)) } }
}
