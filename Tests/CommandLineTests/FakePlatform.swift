import Foundation
import Synchronization
import Vocabulary

/// A server on loopback that answers as a test says and remembers what it was asked.
final class FakePlatform: Sendable {
    struct Request: Sendable {
        let method: String
        let path: String
        let token: String?
        let body: JSONValue
    }
    typealias Handler = @Sendable (Request) -> (Int, JSONValue)

    private final class Memory: Sendable {
        let requests = Mutex<[Request]>([])
        /// One for each request, so that a test waits for the event itself.
        let arrivals = DispatchSemaphore(value: 0)
        let handler: Handler
        init(_ handler: @escaping Handler) { self.handler = handler }
        func answer(_ request: Request) -> (Int, JSONValue) {
            requests.withLock { $0.append(request) }
            defer { arrivals.signal() }
            return handler(request)
        }
    }
    private let memory: Memory
    private let socket: Int32
    let port: Int

    init(_ handler: @escaping Handler) throws {
        memory = Memory(handler)
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.socket = socket
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(socket, raw, length) == 0 && listen(socket, 64) == 0 && getsockname(socket, raw, &length) == 0
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard bound else { throw CocoaError(.featureUnsupported) }
        let thread = Thread { [socket, memory] in
            while true {
                let connection = accept(socket, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { Self.serve(connection) { memory.answer($0) } }
            }
        }
        thread.start()
    }
    func close() {
        shutdown(socket, Int32(SHUT_RDWR))
        Glibc.close(socket)
    }

    var address: String { "http://127.0.0.1:\(port)" }
    var requests: [Request] { memory.requests.withLock { $0 } }
    func count(_ path: String) -> Int { requests.filter { $0.path.hasSuffix(path) }.count }

    /// Returns once more than `count` requests of `path` came; false: none came for a minute.
    func waits(for path: String, beyond count: Int = 0) -> Bool {
        while self.count(path) <= count {
            guard memory.arrivals.wait(timeout: .now() + 60) == .success else { return false }
        }
        return true
    }

    private static func serve(_ connection: Int32, _ answer: (Request) -> (Int, JSONValue)) {
        defer { Glibc.close(connection) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(connection, &chunk, chunk.count)
            guard count > 0 else { return }
            bytes += chunk[..<count]
            guard let end = Data(bytes).range(of: Data("\r\n\r\n".utf8)) else { continue }
            let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            let lines = head.components(separatedBy: "\r\n")
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
            }
            let length = Int(headers["content-length"] ?? "0") ?? 0
            guard bytes.count >= end.upperBound + length else { continue }
            let words = lines[0].split(separator: " ").map(String.init)
            let body = (try? JSONDecoder().decode(JSONValue.self, from: Data(bytes[end.upperBound...]))) ?? .null
            let token = headers["authorization"]?.split(separator: " ").last.map(String.init)
            let (status, json) = answer(Request(method: words[0], path: words[1], token: token, body: body))
            let text = (try? JSONEncoder().encode(json)) ?? Data()
            var out = Data(
                "HTTP/1.1 \(status) X\r\ncontent-type: application/json\r\ncontent-length: \(text.count)\r\nconnection: close\r\n\r\n".utf8)
            out += text
            _ = out.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
            return
        }
    }
}
