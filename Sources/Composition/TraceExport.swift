import Foundation
import HTTPEdge
import Logging
import Synchronization
import Telemetry
import Vocabulary

/// Takes spans to a collector, a few hundred at a time. A collector that does not answer costs spans, never a request.
package final class TraceExport: Sendable {
    /// What one attempt came to.
    package enum Outcome: Sendable, Hashable {
        case nothing
        case sent(Int)
        /// To be tried again, after so long where the collector said so.
        case later(Duration?)
        /// The collector wants none of these.
        case refused(String)
    }
    static let batch = 512
    static let pause = Duration.seconds(5)
    static let mostAttempts = 6

    private struct State {
        /// What is under way: asked again with the same until it is through or given up.
        var spans: [Span] = []
        var attempts = 0
        var isFailing = false
    }
    private let state = Mutex(State())
    let tracer: Tracer
    private let url: String
    private let headers: [String: String]
    private let resource: [(String, String)]
    private let client: OutboundClient
    private let exported: Counter
    private let lost: MetricFamily<Counter>
    private let logger: Logger

    /// Nil where the settings name no collector.
    init?(_ options: PlatformOptions, metrics: Metrics, logger: Logger) {
        let settings = options.settings
        guard !options.isSimulated, let url = Self.address(settings[PlatformSettings.tracesEndpoint]) else { return nil }
        self.url = url
        client = OutboundClient()
        headers = (Self.headers(settings[PlatformSettings.tracesHeaders]) ?? [:]).merging(["content-type": "application/json"]) { $1 }
        tracer = Tracer(perThousand: settings[PlatformSettings.tracesPerThousand], clock: options.clock, entropy: options.entropy)
        resource = [
            ("service.name", settings[PlatformSettings.tracesService]), ("service.version", Release.version),
            ("service.instance.id", "\(ProcessInfo.processInfo.hostName):\(getpid())"),
        ]
        self.logger = logger
        exported = metrics.counter("traces_spans_exported_total", "Spans that the collector took.").with()
        lost = metrics.counter("traces_spans_lost_total", "Spans that the collector refused, or that were given up.", labels: ["reason"])
        metrics.reading("traces_spans_waiting", "Spans that no collector has yet.") { [tracer] in Double(tracer.waiting) }
        metrics.reading("traces_spans_dropped_total", "Spans that found no room while the collector did not answer.", type: "counter") {
            [tracer] in Double(tracer.dropped)
        }
    }

    /// `http://collector:4318` → `http://collector:4318/v1/traces`; nil for what is no such address.
    static func address(_ endpoint: String) -> String? {
        guard (1...2_048).contains(endpoint.utf8.count), let parts = URLComponents(string: endpoint),
            parts.scheme == "http" || parts.scheme == "https", parts.host?.isEmpty == false, parts.user == nil, parts.query == nil,
            parts.fragment == nil
        else { return nil }
        let base = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
        return base.hasSuffix("/v1/traces") ? base : base + "/v1/traces"
    }
    /// `api-key=abc,x-team=ours`, as OpenTelemetry writes it; nil for what is none.
    static func headers(_ text: String) -> [String: String]? {
        var found: [String: String] = [:]
        for member in text.split(separator: ",") {
            let parts = member.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].trimmingCharacters(in: .whitespaces).lowercased()
            guard parts.count == 2, !name.isEmpty, name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }),
                let value = parts[1].trimmingCharacters(in: .whitespaces).removingPercentEncoding,
                value.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
            else { return nil }
            found[name] = value
        }
        return found
    }

    /// Exports until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            var wait = Self.pause
            switch await step() {
            case .sent(Self.batch): continue
            case .later(let asked): wait = asked ?? backoff
            case .nothing, .sent, .refused: break
            }
            do { try await Task.sleep(for: wait) } catch { break }
        }
    }

    /// What is left at the end of the process, for as long as an end may wait for it.
    func finish() async {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(3)
        while clock.now < end, case .sent = await step(timeout: .seconds(2)) {}
    }

    private var backoff: Duration { .seconds(Int64(1) << Int64(min(5, state.withLock(\.attempts)))) }

    /// One request to the collector.
    package func step(timeout: Duration = .seconds(10)) async -> Outcome {
        let spans = state.withLock { state in
            if state.spans.isEmpty { state.spans = tracer.take(most: Self.batch) }
            return state.spans
        }
        guard !spans.isEmpty else { return .nothing }
        let outcome = await send(spans, timeout)
        let (attempts, wasFailing) = state.withLock { state in
            defer {
                switch outcome {
                case .later where state.attempts + 1 < Self.mostAttempts: state.attempts += 1
                default: (state.spans, state.attempts) = ([], 0)
                }
                if case .sent = outcome { state.isFailing = false } else { state.isFailing = true }
            }
            return (state.attempts + 1, state.isFailing)
        }
        switch outcome {
        case .sent(let count): exported.increment(by: count)
        case .refused(let why):
            lost.with("refused").increment(by: spans.count)
            if !wasFailing { logger.warning("traces: the collector refuses spans: \(why)") }
        case .later:
            if attempts >= Self.mostAttempts { lost.with("unreachable").increment(by: spans.count) }
            if !wasFailing { logger.warning("traces: the collector does not answer; spans wait, and the oldest are given up in the end") }
        case .nothing: break
        }
        return outcome
    }

    private func send(_ spans: [Span], _ timeout: Duration) async -> Outcome {
        let body = JSONWriter.data(OTLP.request(spans, resource: resource, version: Release.version))
        let request = OutboundRequest("POST", url, headers: headers, body: body, timeout: timeout, maxAnswerBytes: 64 << 10)
        do {
            let answer = try await client.send(request)
            switch answer.status {
            case 200..<300: return .sent(spans.count)
            // As the protocol says which may be tried again.
            case 429, 502, 503, 504:
                return .later(answer.headers["retry-after"].flatMap(Int64.init).map { .seconds(min(max($0, 1), 60)) })
            default: return .refused("it answered \(answer.status)")
            }
        } catch { return .later(nil) }
    }
}
