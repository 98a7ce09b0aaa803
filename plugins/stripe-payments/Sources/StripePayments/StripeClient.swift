import Foundation
import PluginKit

/// Asks Stripe's API, and asks again where that is safe.
///
/// Stripe replays the first *executed* result for an idempotency key, even a 500 or a 429 `lock_timeout`; what failed before it ran
/// is not kept. So there are classes of attempts. Within a class the key stays, whatever breaks: only the same key can tell the two
/// apart. A failure that is *replayed* ends the class. Before the next one writes under a new key, `find` looks whether the failed one
/// left its object behind. The classes' keys follow from the caller's, so that a later call with the same key walks the same way.
struct StripeClient: Sendable {
    private let http: any OutboundHTTP
    private let clock: any PluginClock
    private let log: any PluginLog
    private let words: StripeWords
    private let base: String
    private let headers: [String: String]
    private let timeout: Duration
    private let attempts: Int

    /// Classes that one idempotency key is carried through in one call.
    static let maxClasses = 8
    /// A longer pause than this is the caller's to wait.
    static let longestPause = Duration.seconds(8)

    /// One of Stripe's objects and how it came.
    struct Answer: Sendable {
        var object: JSONValue
        /// It is the answer of an earlier request with this key, hence as old as that.
        var isReplay: Bool
        /// By Stripe's clock or ours, whichever is behind, from before the asking: never later than what the object shows.
        var asOf: Timestamp
    }

    init(_ context: PluginContext, key: String) throws {
        http = context.http
        clock = context.clock
        log = context.log
        words = StripeWords(secrets: context.secrets)
        let written = try context.settings.text("api_base")
        base = written.hasSuffix("/") ? String(written.dropLast()) : written
        headers = [
            "authorization": "Bearer \(key)", "stripe-version": try context.settings.text("api_version"), "accept": "application/json",
        ]
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
        attempts = try context.settings.integer("attempts")
    }

    /// Throws `PaymentProviderError`. A `DELETE` takes no key: it is the same however often it comes.
    func write(
        _ path: String, _ form: StripeForm, key: String?, method: String = "POST",
        find: @Sendable () async throws -> Answer? = { nil }
    ) async throws -> Answer {
        var tries = Tries()
        var attemptClass = 0
        while true {
            var headers = headers
            if !form.isEmpty { headers["content-type"] = "application/x-www-form-urlencoded" }
            if let key { headers["idempotency-key"] = Self.key(key, attemptClass) }
            switch await exchange(OutboundRequest(method, base + path, headers: headers, body: Data(form.encoded.utf8), timeout: timeout)) {
            case .done(let answer): return answer
            case .refused(let error):
                // What an attempt before this one may have done is not undone by the refusal of its repetition.
                if tries.mayBeDone, let found = try await find() { return found }
                throw error
            case .again(let failure):
                tries.count(failure)
                if failure.isReplay {
                    attemptClass += 1
                    if let found = try await find() { return found }
                }
                guard tries.sent < attempts, attemptClass < Self.maxClasses, tries.pause(failure) <= Self.longestPause else {
                    throw tries.verdict(failure)
                }
                if !failure.isReplay { try await clock.sleep(for: tries.pause(failure)) }
            }
        }
    }

    /// Throws `PaymentProviderError`.
    func get(_ path: String, _ query: StripeForm = StripeForm()) async throws -> Answer {
        var tries = Tries()
        let address = query.isEmpty ? base + path : "\(base)\(path)?\(query.encoded)"
        while true {
            switch await exchange(OutboundRequest("GET", address, headers: headers, timeout: timeout)) {
            case .done(let answer): return answer
            case .refused(let error): throw error
            case .again(let failure):
                tries.count(failure)
                guard tries.sent < attempts, tries.pause(failure) <= Self.longestPause else { throw tries.verdict(failure) }
                try await clock.sleep(for: tries.pause(failure))
            }
        }
    }

    /// The key of one class of attempts: the caller's own for the first. At most 255 characters.
    static func key(_ key: String, _ attemptClass: Int) -> String {
        let isPlain = (1...200).contains(key.utf8.count) && key.utf8.allSatisfy { $0 > 32 && $0 < 127 }
        let stem = isPlain ? key : PluginDigest.hex(PluginDigest.sha256(Data(key.utf8)))
        return attemptClass == 0 ? stem : "\(stem).\(attemptClass)"
    }

    /// What the attempts of one call came to so far.
    private struct Tries {
        var sent = 0
        /// True once an attempt went out whose end is not known.
        var mayBeDone = false

        mutating func count(_ failure: Failure) {
            // A replay took no attempt: nothing ran.
            if !failure.isReplay { sent += 1 }
            if !failure.isLimit { mayBeDone = true }
        }
        func pause(_ failure: Failure) -> Duration { max(.milliseconds(250 << min(max(sent, 1) - 1, 4)), failure.retryAfter ?? .zero) }
        func verdict(_ failure: Failure) -> PaymentProviderError {
            mayBeDone ? .unreachable(failure.reason) : .rateLimited(retryAfter: failure.retryAfter)
        }
    }

    private struct Failure {
        var reason: String
        /// Stripe carried an earlier request with this key out, and replays its failure now and for ever.
        var isReplay = false
        /// Refused for its number before anything ran.
        var isLimit = false
        var retryAfter: Duration?
    }
    private enum Outcome {
        case done(Answer)
        case refused(PaymentProviderError)
        case again(Failure)
    }

    private func exchange(_ request: OutboundRequest) async -> Outcome {
        let asked = clock.now()
        let answer: OutboundResponse
        do { answer = try await http.send(request) } catch OutboundFailure.forbidden(let why) {
            return .refused(.refused(code: "egress_forbidden", message: words.cleaned(why)))
        } catch {
            return .again(Failure(reason: words.cleaned("Stripe did not answer: \(error)")))
        }
        let body = try? JSONValue.parse(answer.body, maxBytes: request.maxAnswerBytes)
        let isReplay = answer.headers["idempotent-replayed"] == "true"
        if answer.status == 200 {
            guard let body, body.object != nil else { return .again(Failure(reason: "Stripe answered 200 with an unreadable body.")) }
            let told = answer.headers["date"].flatMap { StripeWords.time(httpDate: $0) } ?? asked
            return .done(Answer(object: body, isReplay: isReplay, asOf: Timestamp(seconds: min(told, asked).seconds)))
        }
        return judge(answer, body?["error"], isReplay: isReplay)
    }

    /// What a failure means. `error` is nil where the body is not Stripe's: a proxy's page, half an answer.
    private func judge(_ answer: OutboundResponse, _ error: JSONValue?, isReplay: Bool) -> Outcome {
        let code = words.code(error?["code"]?.string ?? error?["type"]?.string) ?? "status_\(answer.status)"
        let message = words.cleaned(error?["message"]?.string ?? "Stripe answered \(answer.status).")
        let fields = ["status": "\(answer.status)", "code": code, "request": words.code(answer.headers["request-id"]) ?? ""]
        let reason = "Stripe answered \(answer.status) (\(code))."
        switch answer.status {
        case 409:
            log.info("Stripe is still at work on the same request.", fields)
            return .again(Failure(reason: reason))
        case 429:
            log.warning("Stripe limits our requests.", fields)
            // Of a lock that was not got, nobody knows whether it is kept: the same key will tell.
            let isLimit = !isReplay && code != "lock_timeout"
            let pause = answer.headers["retry-after"].flatMap { Int64($0) }.flatMap {
                (0...86_400).contains($0) ? Duration.seconds($0) : nil
            }
            return .again(Failure(reason: reason, isReplay: isReplay, isLimit: isLimit, retryAfter: pause))
        case 500...:
            log.warning("Stripe failed.", fields)
            return .again(Failure(reason: reason, isReplay: isReplay))
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
