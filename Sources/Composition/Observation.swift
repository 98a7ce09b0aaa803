import Foundation
import HTTPEdge
import Logging
import PolicyHost
import Store
import Synchronization
import Telemetry
import Vocabulary

/// Counts and logs every request.
struct RequestLedger: EdgeObserver {
    private let requests: MetricFamily<Counter>
    private let durations: MetricFamily<Histogram>
    private let logger: Logger

    init(metrics: Metrics, logger: Logger) {
        requests = metrics.counter("http_requests_total", "Requests answered.", labels: ["method", "route", "status"])
        durations = metrics.histogram("http_request_duration_seconds", "Time from the request's last byte to its answer.", labels: ["route"])
        self.logger = logger
    }

    func answered(_ request: AnsweredRequest) {
        let route = request.route ?? "none"
        requests.with(request.method, route, String(request.status)).increment()
        durations.with(route).observe(Double(request.duration.microseconds) / 1_000_000)
        if !request.isDocumented {
            logger.error("undocumented answer", metadata: ["route": .string(route), "status": .stringConvertible(request.status)])
        }
        guard logger.logLevel <= .debug || request.status >= 500 else { return }
        logger.log(
            level: request.status >= 500 ? .error : .debug, "request",
            metadata: [
                "request_id": .string(request.requestID), "method": .string(request.method), "route": .string(route),
                "status": .stringConvertible(request.status), "microseconds": .stringConvertible(request.duration.microseconds),
            ])
    }

    func faulted(_ error: any Error, requestID: String, route: String?) {
        logger.error(
            "fault", metadata: ["request_id": .string(requestID), "route": .string(route ?? "none"), "error": .string(String(reflecting: error))])
    }
}

/// Whether this process should get requests.
final class Readiness: Sendable {
    private let store: any Store
    private let policies: PolicyEngine
    private let draining = Mutex(false)
    private static let probe = SQL("platform.probe", "SELECT 1")

    init(store: any Store, policies: PolicyEngine) {
        self.store = store
        self.policies = policies
    }

    func drain() { draining.withLock { $0 = true } }
    var isDraining: Bool { draining.withLock { $0 } }

    var checks: [HealthCheck] {
        [
            HealthCheck("policies") { [policies] in policies.hash == nil ? "no policies are live" : nil },
            HealthCheck("store") { [store] in
                do {
                    _ = try await store.kernelRead(KernelReason("platform.ready")) { db in try db.row(Self.probe) }
                    return nil
                } catch {
                    return "the store does not answer"
                }
            },
        ]
    }
}
