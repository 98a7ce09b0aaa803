import Foundation
import PluginKit

/// Asks Stripe's API, and asks again where that is safe.
///
/// Stripe replays the first *executed* result for an idempotency key, even a 500 or a 429 `lock_timeout`. So there are classes of
/// attempts: within a class the key stays (time-outs, broken connections, a request still in progress, a rate limit before anything
/// ran); an executed failure ends the class. Before the next class writes under a new key, `find` looks whether the failed one
/// left its object behind. The classes' keys follow from the caller's, so that a later call with the same key walks the same way.
struct StripeClient: Sendable {
    private let http: any OutboundHTTP
    private let clock: any PluginClock
    private let log: any PluginLog
    private let base: String
    private let headers: [String: String]
    private let timeout: Duration
    private let attempts: Int

    /// Classes that one idempotency key is carried through in one call.
    static let maxClasses = 8

    init(_ context: PluginContext, key: String) throws {
        http = context.http
        clock = context.clock
        log = context.log
        let written = try context.settings.text("api_base")
        base = written.hasSuffix("/") ? String(written.dropLast()) : written
        headers = [
            "authorization": "Bearer \(key)", "stripe-version": try context.settings.text("api_version"), "accept": "application/json",
        ]
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
        attempts = try context.settings.integer("attempts")
    }

    /// Throws `PaymentProviderError`.
    func post(
        _ path: String, _ form: StripeForm, key: String?, find: @Sendable () async throws -> JSONValue? = { nil }
    ) async throws -> JSONValue {
        var sent = 0
        var attemptClass = 0
        while true {
            var headers = headers
            headers["content-type"] = "application/x-www-form-urlencoded"
            if let key { headers["idempotency-key"] = Self.key(key, attemptClass) }
            let request = OutboundRequest("POST", base + path, headers: headers, body: Data(form.encoded.utf8), timeout: timeout)
            let outcome = await exchange(request)
            switch outcome {
            case .done(let object): return object
            case .refused(let error): throw error
            case .again(let reason, let isReplay, let isExecuted):
                // A replay of an older call's failure took no attempt of this one.
                if !isReplay { sent += 1 }
                if isExecuted {
                    attemptClass += 1
                    if let found = try await find() { return found }
                }
                guard sent < attempts, attemptClass < Self.maxClasses else { throw PaymentProviderError.unreachable(reason) }
                if !isReplay { try await clock.sleep(for: .milliseconds(250 << min(sent - 1, 4))) }
            }
        }
    }

    /// Throws `PaymentProviderError`.
    func get(_ path: String, _ query: StripeForm) async throws -> JSONValue {
        var sent = 0
        while true {
            switch await exchange(OutboundRequest("GET", "\(base)\(path)?\(query.encoded)", headers: headers, timeout: timeout)) {
            case .done(let object): return object
            case .refused(let error): throw error
            case .again(let reason, _, _):
                sent += 1
                guard sent < attempts else { throw PaymentProviderError.unreachable(reason) }
                try await clock.sleep(for: .milliseconds(250 << min(sent - 1, 4)))
            }
        }
    }

    /// The key of one class of attempts: the caller's own for the first. At most 255 characters.
    static func key(_ key: String, _ attemptClass: Int) -> String {
        let isPlain = (1...200).contains(key.utf8.count) && key.utf8.allSatisfy { $0 > 32 && $0 < 127 }
        let stem = isPlain ? key : PluginDigest.hex(PluginDigest.sha256(Data(key.utf8)))
        return attemptClass == 0 ? stem : "\(stem).\(attemptClass)"
    }

    private enum Outcome {
        case done(JSONValue)
        case refused(PaymentProviderError)
        /// `isExecuted`: Stripe carried it out and will replay this very failure for the key. `isReplay`: it just did.
        case again(String, isReplay: Bool, isExecuted: Bool)
    }

    private func exchange(_ request: OutboundRequest) async -> Outcome {
        let answer: OutboundResponse
        do { answer = try await http.send(request) } catch OutboundFailure.forbidden(let why) {
            return .refused(.refused(code: "egress_forbidden", message: why))
        } catch {
            return .again("Stripe did not answer: \(error)", isReplay: false, isExecuted: false)
        }
        let body = try? JSONValue.parse(answer.body)
        if answer.status == 200 {
            guard let body, body.object != nil else {
                return .again("Stripe answered 200 with an unreadable body.", isReplay: false, isExecuted: false)
            }
            return .done(body)
        }
        return judge(answer, body?["error"])
    }

    /// What a failure means. `error` is nil where the body is not Stripe's: a proxy's page, half an answer.
    private func judge(_ answer: OutboundResponse, _ error: JSONValue?) -> Outcome {
        let code = error?["code"]?.string ?? error?["type"]?.string ?? "status_\(answer.status)"
        let message = String((error?["message"]?.string ?? "Stripe answered \(answer.status).").prefix(300))
        let isReplay = answer.headers["idempotent-replayed"] == "true"
        let fields = ["status": "\(answer.status)", "code": code, "request": answer.headers["request-id"] ?? ""]
        let reason = "Stripe answered \(answer.status) (\(code))."
        switch answer.status {
        case 409:
            log.info("Stripe is still at work on the same request.", fields)
            return .again(reason, isReplay: false, isExecuted: false)
        case 429:
            log.warning("Stripe limits our requests.", fields)
            return .again(reason, isReplay: isReplay, isExecuted: isReplay || code == "lock_timeout")
        case 500...:
            log.warning("Stripe failed.", fields)
            return .again(reason, isReplay: isReplay, isExecuted: isReplay || error != nil)
        case 401:
            log.error("Stripe does not accept the secret key.", fields)
            return .refused(.refused(code: "provider_unauthorized", message: "Stripe does not accept the secret key."))
        case 403:
            log.error("Stripe does not allow the secret key to do this.", fields)
            return .refused(.refused(code: "provider_forbidden", message: "The secret key lacks a permission at Stripe."))
        default:
            log.warning("Stripe refused a request.", fields)
            return .refused(.refused(code: code, message: message))
        }
    }
}
