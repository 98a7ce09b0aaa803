import Foundation
import HTTPEdge
import PluginKit
import Signing
import Synchronization
import Telemetry
import Tenancy
import Vocabulary

/// The way to the other regions: what leaves is signed, bounded and counted; what comes is believed by its signature alone.
///
///     Coditect-Relay: base64url({from, to, address, origin, request_id, at_seconds}) "." hex(HMAC-SHA-256)
///
/// The code covers that, method, target, body and every header that is passed on.
final class RegionLink: Sendable {
    static let header = "coditect-relay"
    /// What is passed on of a request; everything else stays where it arrived, cookies too.
    static let carried = [
        "accept", "accept-language", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "range",
        "traceparent",
        "user-agent",
    ]
    /// What an answer does not bring along: what belongs to one connection, and what the region that took the request says itself.
    private static let left: Set<String> = [
        "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        "content-length", "date", "set-cookie", "vary", "x-request-id", "strict-transport-security",
    ]
    private static let mostHeaderBytes = 4_096
    /// How far two regions' clocks may differ.
    private static let drift: Int64 = 60

    let map: RegionMap
    private let transport: any OutboundHTTP
    private let timeout: Duration
    private let mostBytes: Int
    private let most: Int
    private let underWay = Mutex(0)
    private let passed: MetricFamily<Counter>
    private let note: @Sendable (String, [String: String]) -> Void

    init(
        _ map: RegionMap, transport: any OutboundHTTP, settings: Settings, metrics: Metrics,
        note: @escaping @Sendable (String, [String: String]) -> Void
    ) {
        self.map = map
        self.transport = transport
        timeout = .seconds(Int64(settings[RegionSettings.passSeconds]))
        mostBytes = settings[RegionSettings.passBytes]
        most = settings[RegionSettings.mostPassing]
        self.note = note
        passed = metrics.counter(
            "region_requests_total", "Requests passed on to another region, by how they ended.", labels: ["region", "outcome"])
    }

    // MARK: Coming

    func relay(in raw: RawRequest, now: Timestamp) throws(Problem) -> RegionRelay? {
        guard let text = raw.headers[Self.header] else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard text.utf8.count <= Self.mostHeaderBytes, parts.count == 2, let code = Hex.decode(parts[1]),
            map.relayKeys.contains(where: { ConstantTime.equal(code, HMAC.sha256(Self.message(parts[0], raw), key: $0)) }),
            let json = Base64URL.decode(parts[0]), let relay = try? JSONDecoder().decode(RegionRelay.self, from: Data(json)),
            relay.to == map.home, relay.from != map.home, abs(relay.atSeconds - now.seconds) <= Self.drift
        else { throw RegionProblems.relayRefused }
        return relay
    }

    private static func message(_ claims: String, _ raw: RawRequest) -> [UInt8] {
        var lines = ["coditect relay 1", claims, raw.method, raw.target, Hex.encode(Digest.sha256(Array(raw.body)))]
        for name in carried { lines.append("\(name):\(raw.headers[name] ?? "-")") }
        return Array(lines.joined(separator: "\n").utf8)
    }

    // MARK: Going

    func pass(_ raw: RawRequest, _ relay: RegionRelay) async throws(Problem) -> Reply {
        guard let place = map.places[relay.to], relay.to != map.home else { throw RegionProblems.mismatch }
        func told(_ problem: Problem) -> Problem {
            problem.with(["region": .string(relay.to.rawValue), "region_url": .string(place.url)])
        }
        // A head asks for what a get would answer, without its body: the edge takes that off.
        var sent = RawRequest(method: raw.method == "HEAD" ? "GET" : raw.method, target: raw.target, body: raw.body)
        guard raw.target.hasPrefix("/"), let claims = try? Self.claims(relay) else { throw RegionProblems.mismatch }
        for name in Self.carried where name != "traceparent" { raw.headers[name].map { sent.headers.append(name, $0) } }
        if let trace = TraceContext.current { sent.headers.append("traceparent", trace.traceparent) }
        var headers = sent.headers.dictionary
        headers[Self.header] = "\(claims).\(Hex.encode(HMAC.sha256(Self.message(claims, sent), key: map.relayKeys[0])))"
        guard take() else {
            passed.with(relay.to.rawValue, "refused").increment()
            throw told(RegionProblems.unavailable).retry(afterSeconds: 5)
        }
        defer { giveBack() }
        let request = OutboundRequest(
            sent.method, place.inner + sent.target, headers: headers, body: sent.body, timeout: timeout, maxAnswerBytes: mostBytes)
        do {
            let answer = try await transport.send(request)
            passed.with(relay.to.rawValue, "answered").increment()
            return Reply(
                status: answer.status,
                headers: answer.headers.filter { !Self.left.contains($0.key) && !$0.key.hasPrefix("access-control-") }
                    .sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + [("coditect-region", relay.to.rawValue)], body: answer.body)
        } catch {
            let problem = problem(error, request)
            passed.with(relay.to.rawValue, problem.code).increment()
            note("a region did not answer", ["region": relay.to.rawValue, "request_id": relay.requestID, "reason": "\(error)"])
            throw told(problem)
        }
    }

    private func problem(_ error: any Error, _ request: OutboundRequest) -> Problem {
        switch error as? OutboundFailure {
        case .unsent, .forbidden: RegionProblems.unavailable.retry(afterSeconds: 5)
        case OutboundClient.tooLong(request): RegionProblems.tooLong
        default: RegionProblems.unanswered
        }
    }

    private static func claims(_ relay: RegionRelay) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Base64URL.encode(Array(try encoder.encode(relay)))
    }
    private func take() -> Bool {
        underWay.withLock { count in
            guard count < most else { return false }
            count += 1
            return true
        }
    }
    private func giveBack() { underWay.withLock { $0 -= 1 } }

    // MARK: What regions ask each other

    static let toldPath = "/api/v1/regions/told"
    static let keyPath = "/api/v1/regions/license-key"

    /// Asks as the platform itself.
    private func ask(_ region: Region, _ path: String, _ body: JSONValue, _ act: (id: String, now: Timestamp)) async throws(Problem)
        -> Reply
    {
        try await pass(
            RawRequest(
                method: "POST", target: path, headers: ["content-type": "application/json"], body: (try? body.encoded()) ?? Data()),
            RegionRelay(
                from: map.home, to: region, address: "", origin: map.places[map.home]?.url ?? "", requestID: act.id,
                atSeconds: act.now.seconds))
    }

    func tell(_ region: Region, _ digest: String, now: Timestamp) async throws {
        let reply = try await ask(region, Self.toldPath, ["mail_digest": .string(digest)], ("told", now))
        guard reply.status == 204 else { throw RegionProblems.unanswered }
    }

    /// Whether a region knows a licence key. Throws where it does not say.
    func knows(_ key: String, _ region: Region, now: Timestamp) async throws(Problem) -> Bool {
        let reply = try await ask(region, Self.keyPath, ["license_key": .string(key)], ("license-key", now))
        guard reply.status == 200, let known = (try? JSONValue.parse(reply.body, maxBytes: 65_536))?["known"]?.bool else {
            throw RegionProblems.unavailable.retry(afterSeconds: 5)
        }
        return known
    }
}
