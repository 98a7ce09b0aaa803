import Foundation
import Synchronization
import Vocabulary

/// One thing that must work before the process takes traffic.
package struct HealthCheck: Sendable {
    package let name: String
    /// Nil if it works, else what is wrong, for the operator.
    package let fault: @Sendable () async -> String?
    /// Whether requests should go elsewhere while it does not work.
    package let isVital: Bool
    package init(_ name: String, isVital: Bool = true, fault: @escaping @Sendable () async -> String?) {
        self.isVital = isVital
        self.name = name
        self.fault = fault
    }
}

/// The routes that the kernel has by itself: health, metrics, the description of everything else.
package struct KernelRoutes: Sendable {
    private let title: String
    private let version: String
    private let checks: [HealthCheck]
    private let isDraining: @Sendable () -> Bool
    private let metrics: @Sendable () async -> String
    private let metricsOpen: Bool
    private let health = HealthCache()
    /// Whether a request may be taken to another region.
    package var hasRegions = false

    package init(
        title: String, version: String, checks: [HealthCheck], isDraining: @escaping @Sendable () -> Bool,
        metrics: @escaping @Sendable () async -> String, metricsOpen: Bool
    ) {
        self.title = title
        self.version = version
        self.checks = checks
        self.isDraining = isDraining
        self.metrics = metrics
        self.metricsOpen = metricsOpen
    }

    /// `routes`, and the kernel's own, whose description covers both.
    package func joined(to routes: [Route]) -> [Route] {
        // Described first, then given the description: its own routes are part of it.
        let undescribed = own(Description(routes: [], title: title, version: version, hasRegions: hasRegions))
        return routes + own(Description(routes: routes + undescribed, title: title, version: version, hasRegions: hasRegions))
    }

    private func own(_ description: Description) -> [Route] {
        [
            Route(
                .get, "/health/live", name: "health.live", summary: "The process answers.", access: .open, limit: .unlimited,
                answers: [RouteAnswer(200, "It lives.", .object([SchemaField("status", .choice(["alive"]))]))]
            ) { _ in .json(value: ["status": "alive"]) },
            Route(
                .get, "/health/ready", name: "health.ready",
                summary: "The process takes traffic: everything it needs works, and it is not leaving.",
                access: .open, limit: .unlimited,
                answers: [RouteAnswer(200, "It is ready.", Self.readiness), RouteAnswer(503, "It is not.", Self.readiness)],
                aliases: ["/health"]
            ) { call in await ready(call) },
            Route(
                .get, "/metrics", name: "metrics.read", summary: "Numbers of this process as Prometheus text.",
                access: metricsOpen ? .open : .operatorOnly, limit: .unlimited,
                answers: [RouteAnswer(200, "The numbers.", contentType: "text/plain; version=0.0.4; charset=utf-8")]
            ) { _ in
                Reply(
                    status: 200, headers: [("content-type", "text/plain; version=0.0.4; charset=utf-8")], body: Data(await metrics().utf8))
            },
            Route(
                .get, "/openapi.json", name: "openapi.read", summary: "This description.", access: .open, limit: .unlimited,
                answers: [RouteAnswer(200, "OpenAPI 3.1", .any)]
            ) { _ in Reply(status: 200, headers: [("content-type", "application/json")], body: description.document) },
            Route(
                .get, "/docs/api", name: "pages.api", summary: "The description, to browse.", access: .page, limit: .unlimited,
                answers: [RouteAnswer(200, "The page", contentType: "text/html; charset=utf-8")]
            ) { _ in .html(description.page) },
            Route(
                .get, "/docs/api.css", name: "pages.api_style", summary: "The style of that page.", access: .page, limit: .unlimited,
                answers: [RouteAnswer(200, "The style", contentType: "text/css; charset=utf-8")]
            ) { _ in
                Reply(
                    status: 200, headers: [("content-type", "text/css; charset=utf-8"), ("cache-control", "public, max-age=3600")],
                    body: Data(APIPage.style.utf8))
            },
        ]
    }

    private static let readiness = Schema.object([
        SchemaField("status", .choice(["ready", "not_ready", "draining"])),
        SchemaField(
            "checks",
            .array(
                .object([
                    SchemaField("name", .string(max: 100)), SchemaField("ok", .boolean),
                    SchemaField("fault", .string(max: 1_000), "Shown to loopback only", optional: true),
                ]), max: 100)),
    ])

    private func ready(_ call: Call) async -> Reply {
        var faults: [String?]
        if let known = health.known(at: call.act.now) {
            faults = known
        } else {
            faults = []
            for check in checks { faults.append(await check.fault()) }
            health.keep(faults, at: call.act.now)
        }
        let states = zip(checks, faults).map { check, fault -> JSONValue in
            var state: [String: JSONValue] = ["name": .string(check.name), "ok": .bool(fault == nil)]
            if let fault, call.isLoopback { state["fault"] = .string(String(fault.prefix(1_000))) }
            return .object(state)
        }
        let status = isDraining() ? "draining" : zip(checks, faults).contains { $0.isVital && $1 != nil } ? "not_ready" : "ready"
        return .json(value: ["status": .string(status), "checks": .array(states)], status: status == "ready" ? 200 : 503)
    }
}

/// What the checks said within the last second, so that nobody makes them work by asking.
private final class HealthCache: Sendable {
    private let last = Mutex<(faults: [String?], at: Timestamp)?>(nil)
    func known(at now: Timestamp) -> [String?]? {
        last.withLock { last in last.flatMap { $0.at <= now && now - $0.at < .seconds(1) ? $0.faults : nil } }
    }
    func keep(_ faults: [String?], at now: Timestamp) { last.withLock { $0 = (faults, now) } }
}

/// What describes the routes, made when somebody first asks: a start need not wait for it.
private final class Description: Sendable {
    private let routes: [Route]
    private let title: String
    private let version: String
    private let hasRegions: Bool
    private let madeDocument = Mutex<Data?>(nil)
    private let madePage = Mutex<String?>(nil)

    init(routes: [Route], title: String, version: String, hasRegions: Bool) {
        self.routes = routes
        self.title = title
        self.version = version
        self.hasRegions = hasRegions
    }

    var document: Data {
        madeDocument.withLock { made in
            let document = made ?? JSONWriter.data(OpenAPI.document(routes: routes, title: title, version: version, hasRegions: hasRegions))
            made = document
            return document
        }
    }
    var page: String {
        madePage.withLock { made in
            let page = made ?? APIPage.html(routes, title: title, version: version)
            made = page
            return page
        }
    }
}
