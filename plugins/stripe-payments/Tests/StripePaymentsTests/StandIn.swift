import Foundation
import FoundationNetworking
import PluginKit
import Synchronization

/// A stand-in for Stripe written by others: judges every request by Stripe's own API description, keeps state, sends webhooks.
/// Found by `STRIPE_STAND_IN` (path of the script) or beside the checkout in `shared/peers/stripe/`.
final class StandIn: Sendable {
    static let script: URL? = {
        if let path = ProcessInfo.processInfo.environment["STRIPE_STAND_IN"] { return URL(fileURLWithPath: path) }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../../..").standardizedFileURL
        let beside = root.appendingPathComponent("shared/peers/stripe/stripe_spec_server.py")
        return FileManager.default.fileExists(atPath: beside.path) ? beside : nil
    }()
    static let absence = "the stand-in for Stripe is not there: set STRIPE_STAND_IN to its script"

    let base: String
    private let process: Process

    /// Starts it on a free port and waits until it says that it listens.
    init() throws {
        guard let script = Self.script else { throw PluginRefusal(Self.absence) }
        let folder = script.deletingLastPathComponent()
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "python3", script.path, "--port", "0", "--spec", folder.appendingPathComponent("spec3.sdk-2026-10-28.json").path, "--fixtures",
            folder.appendingPathComponent("fixtures3.trim-2026-07-29.json").path,
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        var line = Data()
        while !line.contains(10), let more = try pipe.fileHandleForReading.read(upToCount: 1), !more.isEmpty { line += more }
        guard
            let port = String(decoding: line, as: UTF8.self).split(separator: " ").lazy.compactMap({ word -> Int? in
                word.hasPrefix("127.0.0.1:") ? Int(word.dropFirst(10).prefix { $0.isNumber }) : nil
            }).first
        else {
            kill(process.processIdentifier, SIGKILL)
            throw PluginRefusal("the stand-in did not start")
        }
        base = "http://127.0.0.1:\(port)"
    }
    // A child inherits the blocked signals of the thread that started it: only this one surely arrives.
    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// One call of its control plane.
    @discardableResult
    func control(_ call: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        let request = OutboundRequest(body == nil ? "GET" : "POST", "\(base)/_test/\(call)", body: try body?.encoded() ?? Data())
        let answer = try await LoopbackHTTP().send(request)
        guard answer.status == 200 else {
            throw PluginRefusal("the stand-in refused \(call): \(String(decoding: answer.body, as: UTF8.self))")
        }
        return try JSONValue.parse(answer.body, maxBytes: 16_777_216)
    }
}

/// A real client, for loopback only.
struct LoopbackHTTP: OutboundHTTP {
    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        guard let url = URL(string: request.url), WebOrigin(request.url, allowingQuery: true)?.isLoopback == true else {
            throw OutboundFailure.forbidden("loopback only")
        }
        var asked = URLRequest(url: url, timeoutInterval: Double(request.timeout.wholeSeconds))
        asked.httpMethod = request.method
        for (name, value) in request.headers { asked.setValue(value, forHTTPHeaderField: name) }
        if !request.body.isEmpty { asked.httpBody = request.body }
        // One session per request: a connection that the other side cut is never used again.
        let session = URLSession(configuration: .ephemeral)
        defer { session.finishTasksAndInvalidate() }
        do {
            let (body, response) = try await session.data(for: asked)
            guard let http = response as? HTTPURLResponse else { throw OutboundFailure.unanswered("no HTTP") }
            let length = http.expectedContentLength
            guard length < 0 || length == Int64(body.count) else { throw OutboundFailure.unanswered("cut off") }
            let headers = http.allHeaderFields.compactMap { key, value in (key as? String).map { ($0.lowercased(), "\(value)") } }
            return OutboundResponse(status: http.statusCode, headers: Dictionary(headers) { $1 }, body: body)
        } catch let error as URLError {
            throw error.code == .cannotConnectToHost ? OutboundFailure.unsent("\(error.code)") : OutboundFailure.unanswered("\(error.code)")
        }
    }
}

/// Takes webhooks on a free loopback port, one connection at a time, and answers what `judge` says.
final class WebhookCatcher: Sendable {
    let address: String
    private let socket: Int32

    init(_ judge: @escaping @Sendable (WebhookDelivery) -> Int) throws {
        let listener = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isBound else { throw PluginRefusal("no free port") }
        socket = listener
        address = "http://127.0.0.1:\(UInt16(bigEndian: place.sin_port))/webhooks/stripe"
        let thread = Thread {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                WebhookCatcher.serve(connection, judge)
                close(connection)
            }
        }
        thread.start()
    }
    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    private static func serve(_ connection: Int32, _ judge: (WebhookDelivery) -> Int) {
        var received = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var head: Range<Data.Index>?
        var length = 0
        while head == nil || received.count < (head?.upperBound ?? 0) + length {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0, received.count < 4_194_304 else { return }
            received.append(contentsOf: buffer[..<count])
            if head == nil, let end = received.range(of: Data("\r\n\r\n".utf8)) {
                head = end
                let text = String(decoding: received[..<end.lowerBound], as: UTF8.self).lowercased()
                length =
                    text.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0
            }
        }
        guard let head else { return }
        let lines = String(decoding: received[..<head.lowerBound], as: UTF8.self).split(separator: "\r\n").dropFirst()
        let headers = lines.compactMap { line -> (String, String)? in
            let parts = line.split(separator: ":", maxSplits: 1)
            return parts.count == 2 ? (parts[0].lowercased(), parts[1].trimmingCharacters(in: .whitespaces)) : nil
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let delivery = WebhookDelivery(
            headers: Dictionary(headers) { "\($0),\($1)" }, body: Data(received[head.upperBound...]),
            receivedAt: Timestamp(seconds: Int64(now.tv_sec)))
        let answer = Array("HTTP/1.1 \(judge(delivery)) X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
        _ = send(connection, answer, answer.count, Int32(MSG_NOSIGNAL))
    }
}
