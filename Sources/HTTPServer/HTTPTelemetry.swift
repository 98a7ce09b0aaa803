import HTTPEdge
import Logging
import Synchronization
import Telemetry
import Vocabulary

/// Turns what the edge tells into metrics and log lines: every request at debug, faults at error, answers that their route does not
/// describe at warning.
package final class HTTPTelemetry: EdgeObserver {
    private struct Series: Sendable {
        let count: Counter
        let seconds: Histogram
    }
    private struct Key: Hashable {
        let method: String
        let route: String
        let status: Int
    }
    private let requests: MetricFamily<Counter>
    private let durations: MetricFamily<Histogram>
    private let problems: MetricFamily<Counter>
    private let faults: MetricFamily<Counter>
    private let series = Mutex<[Key: Series]>([:])
    private let logger: Logger
    private let tracer: Tracer?

    package init(metrics: Metrics, logger: Logger, tracer: Tracer? = nil) {
        self.tracer = tracer
        requests = metrics.counter("http_requests_total", "Requests answered.", labels: ["method", "route", "status"])
        durations = metrics.histogram("http_request_duration_seconds", "Time from a whole request to its answer.", labels: ["route"])
        problems = metrics.counter(
            "http_problems_total", "Requests that were answered with a problem, by its code.", labels: ["route", "code"])
        faults = metrics.counter(
            "http_faults_total", "Requests that ended in an error that is no problem of the caller's.", labels: ["route"])
        self.logger = logger
    }

    package var follows: Bool { tracer != nil }

    /// Whoever is no listed proxy gets a trace of its own, which names theirs: nobody outside decides what is kept, or joins what they like.
    package func follow(_ sent: TraceContext?, isBelieved: Bool, _ work: @Sendable () async -> Reply) async -> Reply {
        guard let tracer else { return await work() }
        let origin: Tracer.Origin = if let sent, isBelieved { .parent(sent) } else { .root(link: sent) }
        return await tracer.within("request", .server, from: origin) { _ in await work() }
    }

    /// Ids of requests and tenants, no address, no path as sent, no query: nothing of it is personal.
    private func describe(_ span: Tracer.Open, _ request: AnsweredRequest) {
        span.name(request.template.map { "\(request.method) \($0)" } ?? request.method)
        span.set("http.request.method", .text(request.method))
        if let template = request.template { span.set("http.route", .text(template)) }
        span.set("http.response.status_code", .number(Int64(request.status)))
        span.set("coditect.request_id", .text(request.requestID))
        if let tenant = request.caller?.tenant { span.set("coditect.tenant", .text(tenant.description)) }
        if let problem = request.problem {
            span.set("coditect.problem", .text(problem))
            if request.status >= 500 { span.fail(problem) }
        }
    }

    package func answered(_ request: AnsweredRequest) {
        if let span = Tracer.Open.current { describe(span, request) }
        let key = Key(method: request.method, route: request.route ?? "none", status: request.status)
        let series = series.withLock { known in
            if let series = known[key] { return series }
            let series = Series(
                count: requests.with(key.method, key.route, String(key.status)), seconds: durations.with(key.route))
            // Routes and statuses are few; the bound is for a handler that invents statuses.
            if known.count < Metrics.maxSeries { known[key] = series }
            return series
        }
        series.count.increment()
        series.seconds.observe(Double(request.duration.microseconds) / 1_000_000)
        if let problem = request.problem { problems.with(key.route, problem).increment() }
        if !request.isDocumented { logger.warning("an answer that its route does not describe", metadata: metadata(request)) }
        if logger.logLevel <= .debug { logger.debug("answered", metadata: metadata(request)) }
    }

    package func faulted(_ error: any Error, requestID: String, route: String?) {
        faults.with(route ?? "none").increment()
        logger.error(
            "a request ended in a fault",
            metadata: ["request_id": .string(requestID), "route": .string(route ?? "none"), "fault": .string(String(describing: error))])
    }

    private func metadata(_ request: AnsweredRequest) -> Logger.Metadata {
        var fields: Logger.Metadata = [
            "request_id": .string(request.requestID), "method": .string(request.method), "route": .string(request.route ?? "none"),
            "status": .stringConvertible(request.status), "microseconds": .stringConvertible(request.duration.microseconds),
            "address": .string(request.address),
        ]
        if let problem = request.problem { fields["problem"] = .string(problem) }
        if let caller = request.caller {
            fields["user"] = .string(caller.user.description)
            fields["tenant"] = .string(caller.tenant.description)
        }
        return fields
    }
}
