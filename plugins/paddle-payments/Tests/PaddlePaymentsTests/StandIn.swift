import Foundation
import FoundationNetworking
import PluginKit
import PluginKitTesting

/// Our own stand-in for Paddle (`Tests/Interop/paddle_stand_in.py`), started once for all tests. It ends with this process.
final class StandIn: Sendable {
    static let shared: Result<StandIn, any Error> = Result { try StandIn() }
    static let interop = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../../Tests/Interop")
        .standardizedFileURL

    let base: String
    private let process: Process
    /// The stand-in ends when this pipe does.
    private let input = Pipe()

    private init() throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-B", Self.interop.appendingPathComponent("paddle_stand_in.py").path, "\(moment.seconds)"]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        var line = Data()
        while !line.contains(10), let more = try output.fileHandleForReading.read(upToCount: 1), !more.isEmpty { line += more }
        base = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard base.hasPrefix("http://127.0.0.1:") else { throw PluginRefusal("the stand-in did not start") }
    }

    @discardableResult
    func control(_ call: String, key: String, _ body: JSONValue) async throws -> JSONValue {
        let request = OutboundRequest(
            "POST", "\(base)/_test/\(call)", headers: ["authorization": "Bearer \(key)"], body: try body.encoded())
        let answer = try await LoopbackHTTP().send(request)
        guard answer.status == 200 else {
            throw PluginRefusal("the stand-in refused \(call): \(String(decoding: answer.body, as: UTF8.self))")
        }
        return try JSONValue.parse(answer.body)["data"] ?? .null
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
        let session = URLSession(configuration: .ephemeral)
        defer { session.finishTasksAndInvalidate() }
        do {
            let (body, response) = try await session.data(for: asked)
            guard let http = response as? HTTPURLResponse else { throw OutboundFailure.unanswered("no HTTP") }
            let headers = http.allHeaderFields.reduce(into: [String: String]()) { headers, field in
                headers["\(field.key)".lowercased()] = "\(field.value)"
            }
            return OutboundResponse(status: http.statusCode, headers: headers, body: body)
        } catch { throw OutboundFailure.unanswered("\(error)") }
    }
}
