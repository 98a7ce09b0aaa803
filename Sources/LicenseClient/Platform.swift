import Foundation
import Vocabulary

/// An answer of the platform.
package struct Answer: Sendable {
    package let status: Int
    package let json: JSONValue
    /// The server's clock when it answered, to the second.
    package let date: Timestamp?
    package var isSuccess: Bool { (200..<300).contains(status) }
    /// The machine code of an error.
    package var code: String { json["error"]?.string ?? "http_\(status)" }
    package var retryAfter: Int64? { json["retry_after"]?.int }

    /// What the server refused about a lease: one that it does not know is over.
    package func leaseError(_ server: String) -> LicenseClientError {
        guard code == "not_found" else { return error(server) }
        return LicenseClientError(.leaseEnded, "the server does not know the lease", next: "run it again")
    }

    /// What the server refused, as this library tells it.
    package func error(_ server: String) -> LicenseClientError {
        let retry = retryAfter.map { Duration.seconds(max(1, $0)) }
        func make(_ code: LicenseClientError.Code, _ message: String? = nil, next: String? = nil) -> LicenseClientError {
            LicenseClientError(code, message ?? sentence, next: next ?? support, retryAfter: retry)
        }
        // A proxy's own page in place of an answer is a server in trouble; any other is no platform at all.
        if json["error"]?.string == nil, status != 202, status < 500, status != 401, status != 429 {
            return make(.badAnswer, "\(server) does not answer as a platform does (\(status))", next: Platform.checkAddress)
        }
        if status == 202, let position = json["position"]?.int {
            return make(
                .noSeat, position == 1 ? "no seat free: next in the queue" : "no seat free: number \(position) in the queue", next: again)
        }
        switch code {
        case "no_seats_available":
            return make(.noSeat, "no seat free: \(json["seats_used"]?.int ?? 0) of \(json["seats_total"]?.int ?? 0) in use", next: again)
        case "policy_denied":
            return make(
                .policyDenied, "refused by policy: \(json["reason"]?.string ?? "no reason given")", next: again ?? "ask your administrator")
        case "lease_ended_by_operator":
            let reason = json["reason"]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? "no reason given"
            return make(.forced, "an operator released the seat: \(reason)", next: "ask your administrator")
        case "borrow_too_long":
            return make(
                .borrowTooLong, json["max_hours"]?.int.map { "a seat is lent for at most \($0) hours here" },
                next: "ask for fewer hours")
        case "borrow_limit_reached":
            return make(
                .borrowLimit,
                "\(json["borrowed"]?.int ?? 0) of the \(json["borrow_limit"]?.int ?? 0) seats that may leave the network are out",
                next: "wait until one is back, or choose more seats: \(server)/plans")
        case "borrow_returned_before":
            return make(
                .returnedBefore, "this device returned a borrowed seat early once, and the file of that one is still valid",
                next: "this one comes home by itself at its end"
                    + (json["until"]?.string.map { "; early again after \(Timestamp(iso8601: $0).map(Moments.text) ?? $0)" } ?? ""))
        case "lease_expired", "lease_released": return make(.leaseEnded, next: "run it again")
        case "not_found": return make(.badAnswer, "\(server) has nothing at the address that was asked", next: Platform.checkAddress)
        case "superseded": return make(.superseded, next: "run it again: another user of this device took the seat over")
        case "not_lease_holder": return make(.notHolder, next: "run `coditect login` as whoever holds it")
        case "license_suspended": return make(.suspended, next: "settle the payment: \(server)/licence")
        case "license_expired": return make(.expired, next: "renew it or choose a tier: \(server)/plans")
        case "license_revoked": return make(.revoked, next: "ask support")
        case "no_license": return make(.noLicense, next: "choose a tier: \(server)/plans")
        case "license_key_malformed": return make(.keyMalformed, next: "compare it with the key on your licence page")
        case "license_key_unknown": return make(.keyUnknown, next: "check that the key belongs to \(server)")
        case "not_activated": return make(.notActivated, next: "run `coditect activate KEY`")
        case "activation_limit_reached":
            let (used, most) = (json["activations"]?.int, json["max_activations"]?.int)
            let count = used.flatMap { used in most.map { "on \(used) of \($0) devices" } } ?? "on as many devices as it may be"
            return make(
                .activationLimit, "the licence is active \(count)",
                next: "run `coditect deactivate` on one of them, or choose a larger tier: \(server)/plans")
        default: break
        }
        if let known = LicenseClientError.Code(rawValue: code), known != .unreachable { return make(known, next: again) }
        switch status {
        case 401: return make(.notSignedIn, "signed out: \(sentence)", next: "run `coditect login`")
        case 429: return make(.rateLimited, next: again ?? "try again in a minute")
        case 500...:
            return make(.serverError, next: again ?? "try again later\(named.map { "; if it stays so, tell support: \($0)" } ?? "")")
        default:
            let fields = (json["fields"]?.array ?? []).compactMap { field in
                field["field"]?.string.map { "\($0) \(field["rule"]?.string ?? "is wrong")" }
            }
            return make(.refused, fields.isEmpty ? nil : "\(sentence): \(fields.joined(separator: ", "))", next: again)
        }
    }

    /// The server's own words, begun small and without a full stop.
    package var sentence: String {
        let said = json["message"]?.string ?? "the server answered \(status)"
        let text = said.hasSuffix(".") ? String(said.dropLast()) : said
        return text.prefix(1).lowercased() + text.dropFirst()
    }
    private var again: String? { retryAfter.map { "try again in \(Spans.text($0))" } }
    private var named: String? { json["request_id"]?.string.map { "request \($0)" } }
    private var support: String { named.map { "ask support, and name \($0)" } ?? "ask support" }
}

/// How spans are said to a person.
package enum Spans {
    /// `5 min 12 s`, `2 h 5 min`, `3 days`.
    package static func text(_ seconds: Int64) -> String {
        let seconds = max(0, seconds)
        func two(_ large: Int64, _ unit: String, _ small: Int64, _ part: String) -> String {
            small == 0 ? "\(large) \(unit)" : "\(large) \(unit) \(small) \(part)"
        }
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3_600: return two(seconds / 60, "min", seconds % 60, "s")
        case ..<172_800: return two(seconds / 3_600, "h", seconds % 3_600 / 60, "min")
        default: return "\(seconds / 86_400) days"
        }
    }
}

/// Speaks JSON with one server. Waits for each answer.
package struct Platform: Sendable {
    /// Nobody answered; the server may have done what it was asked all the same.
    package struct Unreachable: Error {
        package let server: String
        package let reason: String
        package var next = "check your network, and that the address is right"
        package var error: LicenseClientError { LicenseClientError(.unreachable, "\(server) cannot be reached: \(reason)", next: next) }
    }
    static let checkAddress = "check the server's address"
    package static let patience: Duration = .seconds(10)

    package let base: URL
    private let transport: any LicenseTransport
    private let agent: String

    package init(_ address: String, transport: any LicenseTransport, agent: String = "coditect/1") throws(LicenseClientError) {
        let trimmed = address.hasSuffix("/") ? String(address.dropLast()) : address
        guard let url = URL(string: trimmed), let scheme = url.scheme, ["http", "https"].contains(scheme), let host = url.host,
            !host.isEmpty, url.port.map({ (1...65_535).contains($0) }) ?? true, url.user == nil, url.query == nil, url.fragment == nil
        else {
            throw LicenseClientError(.badAddress, "not a server's address: \(address)", next: "give one such as https://example.com")
        }
        guard scheme == "https" || ["127.0.0.1", "localhost", "::1", "[::1]"].contains(host) else {
            throw LicenseClientError(.badAddress, "\(trimmed) would send passwords and keys unprotected", next: "use https")
        }
        base = url
        self.transport = transport
        self.agent = agent
    }

    package var name: String { base.absoluteString }

    package func get(_ path: String, token: String? = nil) throws -> Answer { try send("GET", path, nil, token: token) }
    package func post(
        _ path: String, _ body: JSONValue, token: String? = nil, key: String? = nil, patience: Duration = Platform.patience
    ) throws -> Answer { try send("POST", path, body, token: token, key: key, patience: patience) }

    private func send(
        _ method: String, _ path: String, _ body: JSONValue?, token: String?, key: String? = nil, patience: Duration = Platform.patience
    ) throws -> Answer {
        guard let url = URL(string: base.absoluteString + path) else {
            throw LicenseClientError(.badAddress, "not an address: \(base.absoluteString + path)", next: Self.checkAddress)
        }
        var headers = ["Accept": "application/json", "User-Agent": agent]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        if let key { headers["Idempotency-Key"] = key }
        if body != nil { headers["Content-Type"] = "application/json" }
        let encoder = JSONEncoder()
        // One request repeated is the same bytes: the server compares them under one Idempotency-Key.
        encoder.outputFormatting = [.sortedKeys]
        let response: LicenseResponse
        do {
            response = try transport.send(
                LicenseRequest(method: method, url: url, headers: headers, body: try body.map { try encoder.encode($0) }, timeout: patience)
            )
        } catch let error as SystemTransport.NoAnswer {
            throw error.next.map { Unreachable(server: name, reason: error.reason, next: $0) }
                ?? Unreachable(server: name, reason: error.reason)
        } catch { throw Unreachable(server: name, reason: "\(error)") }
        let json = (try? JSONDecoder().decode(JSONValue.self, from: response.body)) ?? .null
        return Answer(status: response.status, json: json, date: response.headers["date"].flatMap(Self.moment))
    }

    /// `Sat, 21 Nov 2026 05:25:10 GMT` (RFC 9110, section 5.6.7).
    static func moment(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ").map(String.init)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: words[2]), words[1].count == 2, words[3].count == 4
        else {
            return nil
        }
        return Timestamp(iso8601: "\(words[3])-\(month < 9 ? "0" : "")\(month + 1)-\(words[1])T\(words[4])Z")
    }
}
