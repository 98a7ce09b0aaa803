import Foundation
import PluginKit

/// Asks Paddle's API. Paddle knows no idempotency keys, so what writes is sent again only where the first one surely had no effect:
/// it never left, or Paddle took no more requests. Any other failure of a write is an unknown outcome, settled by `PaddleJournal`.
struct PaddleClient: Sendable {
    private let http: any OutboundHTTP
    private let clock: any PluginClock
    private let log: any PluginLog
    private let words: PaddleWords
    private let base: String
    private let headers: [String: String]
    private let timeout: Duration
    private let attempts: Int

    /// A longer pause than this is the caller's to wait.
    static let longestPause = Duration.seconds(8)

    struct Answer: Sendable {
        /// The whole envelope: `data`, and `meta.pagination` of a list.
        var body: JSONValue
        /// By Paddle's clock or ours, whichever is behind, from before the asking: never later than what the object shows.
        var asOf: Timestamp
        var object: PaddleObject { PaddleObject(body["data"]) }
    }

    init(_ context: PluginContext, key: String) throws {
        http = context.http
        clock = context.clock
        log = context.log
        words = PaddleWords(secrets: context.secrets)
        let written = try context.settings.text("api_base")
        base = written.hasSuffix("/") ? String(written.dropLast()) : written
        headers = [
            "authorization": "Bearer \(key)", "paddle-version": String(try context.settings.integer("api_version")),
            "accept": "application/json",
        ]
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
        attempts = try context.settings.integer("attempts")
    }

    /// Throws `PaymentProviderError`.
    func get(_ path: String, _ query: [(String, String)] = []) async throws -> Answer {
        let text = query.map { "\(Self.escape($0.0))=\(Self.escape($0.1))" }.joined(separator: "&")
        return try await send(OutboundRequest("GET", base + path + (text.isEmpty ? "" : "?" + text), headers: headers, timeout: timeout))
    }

    /// Throws `PaymentProviderError`; `.unreachable` and `.malformed` where it may have been carried out.
    func write(_ method: String, _ path: String, _ body: JSONValue) async throws -> Answer {
        var headers = headers
        headers["content-type"] = "application/json"
        guard let bytes = try? body.encoded() else { throw PaymentProviderError.refused(code: "request_invalid", message: "No JSON.") }
        return try await send(OutboundRequest(method, base + path, headers: headers, body: bytes, timeout: timeout))
    }

    static func escape(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "-._~".utf8.contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    private enum Outcome {
        case done(Answer)
        case failed(PaymentProviderError)
        /// Surely without effect.
        case again(PaymentProviderError, after: Duration?)
        /// Perhaps carried out.
        case unknown(PaymentProviderError)
    }

    private func send(_ request: OutboundRequest) async throws -> Answer {
        var sent = 0
        while true {
            sent += 1
            let failure: PaymentProviderError
            var asked: Duration?
            switch await exchange(request) {
            case .done(let answer): return answer
            case .failed(let error): throw error
            case .unknown(let error):
                guard request.method == "GET" else { throw error }
                failure = error
            case .again(let error, let after):
                failure = error
                asked = after
            }
            let pause = max(.milliseconds(250 << min(sent - 1, 4)), asked ?? .zero)
            guard sent < attempts, pause <= Self.longestPause else { throw failure }
            try await clock.sleep(for: pause)
        }
    }

    private func exchange(_ request: OutboundRequest) async -> Outcome {
        let asked = clock.now()
        let answer: OutboundResponse
        do { answer = try await http.send(request) } catch OutboundFailure.forbidden(let why) {
            return .failed(.refused(code: "egress_forbidden", message: words.cleaned(why)))
        } catch OutboundFailure.unsent(let why) {
            return .again(.unreachable(words.cleaned("Paddle could not be reached: \(why)")), after: nil)
        } catch {
            return .unknown(.unreachable(words.cleaned("Paddle did not answer: \(error)")))
        }
        let body = try? JSONValue.parse(answer.body, maxBytes: request.maxAnswerBytes)
        if (200...299).contains(answer.status) {
            guard let body, body["data"]?.object != nil || body["data"]?.array != nil else {
                return .unknown(.unreachable("Paddle answered \(answer.status) with an unreadable body."))
            }
            let told = answer.headers["date"].flatMap { PaddleWords.time(httpDate: $0) } ?? asked
            return .done(Answer(body: body, asOf: Timestamp(seconds: min(told, asked).seconds)))
        }
        return judge(answer, body?["error"], request: words.code(body?["meta"]?["request_id"]?.string))
    }

    /// What a failure means. `error` is nil where the body is not Paddle's: a proxy's page, half an answer.
    private func judge(_ answer: OutboundResponse, _ error: JSONValue?, request: String?) -> Outcome {
        let code = words.code(error?["code"]?.string) ?? "status_\(answer.status)"
        var text = error?["detail"]?.string ?? "Paddle answered \(answer.status)."
        // Which fields are wrong stands apart.
        for field in (error?["errors"]?.array ?? []).prefix(5) {
            text += " \(field["field"]?.string ?? ""): \(field["message"]?.string ?? "")."
        }
        let message = words.cleaned(text)
        let fields = ["status": "\(answer.status)", "code": code, "request": request ?? ""]
        switch answer.status {
        case 429:
            log.warning("Paddle limits our requests.", fields)
            let pause = answer.headers["retry-after"].flatMap { Int64($0) }.flatMap {
                (0...86_400).contains($0) ? Duration.seconds($0) : nil
            }
            return .again(.rateLimited(retryAfter: pause), after: pause)
        case 408, 500...:
            log.warning("Paddle failed.", fields)
            return .unknown(.unreachable("Paddle answered \(answer.status) (\(code))."))
        case 300..<400: return .failed(.refused(code: code, message: "Paddle sent us elsewhere: is api_base right?"))
        default:
            log.warning("Paddle refused a request.", fields)
            // Without Paddle's own error it is somebody between who speaks, and nobody knows.
            guard error?.object != nil else { return .unknown(.unreachable("Something answered \(answer.status) in Paddle's place.")) }
            return .failed(.refused(code: code, message: message))
        }
    }
}
