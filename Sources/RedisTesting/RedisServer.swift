import Foundation
import Synchronization

/// A real redis-server of a test's own: on a Unix socket in a folder of its own, or on a port of the loopback. Ends with its value.
package final class RedisServer: Sendable {
    package struct NotStarted: Error { let said: String }

    package let folder: URL
    package let port: Int
    private let arguments: [String]
    private let process: Mutex<pid_t>

    package var socket: String { folder.appendingPathComponent("s").path }
    package var url: String { port == 0 ? "redis+unix://\(socket)" : "redis://127.0.0.1:\(port)" }

    /// - Parameters:
    ///   - isLasting: writes each change to disk before it answers.
    ///   - port: 0: the socket alone.
    package static func start(
        isLasting: Bool = false, port: Int = 0, isSentinel: Bool = false, until sign: String? = nil, _ options: [String] = []
    ) async throws -> RedisServer {
        let name = "cr-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var arguments: [String] = []
        if isSentinel {
            let file = folder.appendingPathComponent("sentinel.conf")
            try options.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
            arguments = [file.path, "--sentinel", "--port", "\(port)", "--bind", "127.0.0.1"]
        } else {
            arguments = [
                "--port", "\(port)", "--bind", "127.0.0.1", "--unixsocket", folder.appendingPathComponent("s").path, "--save", "",
                "--appendonly", isLasting ? "yes" : "no", "--appendfsync", isLasting ? "always" : "no", "--dir", folder.path,
            ]
            arguments += options
        }
        let server = RedisServer(folder: folder, port: port, arguments: arguments)
        try await server.start(until: sign ?? (isSentinel ? "Sentinel ID is" : "eady to accept connections"))
        return server
    }

    private init(folder: URL, port: Int, arguments: [String]) {
        self.folder = folder
        self.port = port
        self.arguments = arguments
        process = Mutex(0)
    }
    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// The same server in the same folder, after `kill`.
    package func restart() async throws { try await start(until: "eady to accept connections") }

    private func start(until sign: String) async throws {
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["redis-server"] + arguments
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        self.process.withLock { $0 = process.processIdentifier }
        let file = pipe.fileHandleForReading
        try await withCheckedThrowingContinuation { (ready: CheckedContinuation<Void, any Error>) in
            Thread {
                var said = ""
                var waiting: CheckedContinuation<Void, any Error>? = ready
                while case let data = file.availableData, !data.isEmpty {
                    guard waiting != nil else { continue }
                    said += String(decoding: data, as: UTF8.self)
                    if said.contains(sign) {
                        waiting?.resume()
                        waiting = nil
                    }
                }
                waiting?.resume(throwing: NotStarted(said: said))
                process.waitUntilExit()
            }.start()
        }
    }

    /// At once, as a power cut would.
    package func kill() { send(SIGKILL) { $0 = 0 } }
    /// Frozen: it holds its connections and answers nobody.
    package func freeze() { send(SIGSTOP) { _ in } }
    package func thaw() { send(SIGCONT) { _ in } }

    private func send(_ signal: Int32, then change: (inout pid_t) -> Void) {
        process.withLock { process in
            guard process > 0 else { return }
            if signal == SIGKILL { Glibc.kill(process, SIGCONT) }
            Glibc.kill(process, signal)
            change(&process)
        }
    }

    /// A port of the loopback that nobody listens on now; a cluster's has another one 10,000 above.
    package static func freePort(isOfCluster: Bool = false) -> Int {
        while true {
            let port = Int.random(in: 20_000...32_000)
            if isFree(port), !isOfCluster || isFree(port + 10_000) { return port }
        }
    }
    private static func isFree(_ port: Int) -> Bool {
        let file = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(file) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) } == 0
        }
    }
}
