import Foundation
import Store
import Telemetry
import Vocabulary
import Webhooks

/// A store whose transactions are spans of whoever asked for them, and whose closures, on threads of the store's own, know the trace too.
struct TracedStore: StoreDriver {
    let store: any StoreDriver
    let tracer: Tracer
    /// By OpenTelemetry's names: `sqlite`, `postgresql`.
    let system: String

    var jobSignal: JobSignal { store.jobSignal }
    var statistics: StoreStatistics { store.statistics }

    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        try await within("store tenant write") { context in
            try await store.tenant(id, durability) { db in try TraceContext.$current.withValue(context) { try body(db) } }
        }
    }
    func tenantRead<Value: Sendable>(_ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value) async throws -> Value {
        try await within("store tenant read") { _ in try await store.tenantRead(id, body) }
    }
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        try await within("store kernel write", reason) { context in
            try await store.kernel(reason, durability) { db in try TraceContext.$current.withValue(context) { try body(db) } }
        }
    }
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        try await within("store kernel read", reason) { _ in try await store.kernelRead(reason, body) }
    }

    private func within<Value: Sendable>(
        _ name: String, _ reason: KernelReason? = nil, _ work: @Sendable (TraceContext?) async throws -> Value
    ) async throws -> Value {
        var attributes: [(String, Span.Value)] = [("db.system.name", .text(system))]
        if let reason { attributes.append(("coditect.reason", .text(reason.name))) }
        return try await tracer.within(name, .client, attributes) { _ in try await work(TraceContext.current) }
    }

    func migrate(_ migrations: [Migration]) async throws -> [String] { try await store.migrate(migrations) }
    func pending(_ migrations: [Migration]) async throws -> [String] { try await store.pending(migrations) }
    func plan(_ sql: SQL, in tenant: TenantID?) async throws -> [String] { try await store.plan(sql, in: tenant) }
    func scrub() async throws -> Bool { try await store.scrub() }
    func close() async { await store.close() }
}

extension Ground {
    func traced(_ tracer: Tracer?, system: String) -> Ground {
        guard let tracer else { return self }
        var ground = self
        ground.store = TracedStore(store: store, tracer: tracer, system: system)
        ground.tracer = tracer
        return ground
    }
}

extension Ground {
    func traced(_ handlers: [JobHandler]) -> [JobHandler] { tracer.map { tracer in handlers.map(tracer.traced) } ?? handlers }
    func traced(_ subscribers: [EventSubscriber]) -> [EventSubscriber] {
        tracer.map { tracer in subscribers.map(tracer.traced) } ?? subscribers
    }
    func webhooks(_ options: PlatformOptions) -> any WebhookTransport {
        let transport = options.outside.webhooks ?? WebhookClient(opens: options.settings[WebhookSettings.opens], clock: options.clock)
        return tracer.map { TracedWebhooks(transport: transport, tracer: $0) } ?? transport
    }
}

extension Tracer {
    /// Each attempt at a job is a span: under what made it where it was due at once, else a trace of its own.
    func traced(_ handler: JobHandler) -> JobHandler {
        JobHandler(handler.kind) { try await self.attempt($0, $1, handler.run) }
    }
    func traced(_ subscriber: EventSubscriber) -> EventSubscriber {
        var traced = subscriber
        traced.run = { try await self.attempt($0, $1, subscriber.run) }
        return traced
    }
    private func attempt(_ delivery: Delivery, _ act: Act, _ run: @Sendable (Delivery, Act) async throws -> Void) async throws {
        var attributes: [(String, Span.Value)] = [
            ("coditect.job.kind", .text(delivery.kind)), ("coditect.job.attempt", .number(Int64(delivery.attempt))),
            ("coditect.request_id", .text(act.requestID)),
        ]
        if let tenant = delivery.tenant { attributes.append(("coditect.tenant", .text(tenant.description))) }
        let origin = TraceContext.current.map { Origin.parent($0) } ?? .root(link: nil)
        try await within("job \(delivery.kind)", .consumer, from: origin, attributes) { _ in try await run(delivery, act) }
    }

    /// One request to elsewhere, which is told the trace. Of the address only the host is kept.
    func sending<Value>(
        _ request: String, to url: String, _ attributes: [(String, Span.Value)], isolation: isolated (any _Concurrency.Actor)? = #isolation,
        _ work: (_ header: (String, String)?, Open) async throws -> Value
    ) async rethrows -> Value {
        let host = URLComponents(string: url)?.host ?? ""
        let known: [(String, Span.Value)] = [("http.request.method", .text(request)), ("server.address", .text(host))]
        return try await within(request, .client, known + attributes) { span in
            try await work(TraceContext.current.map { ("traceparent", $0.traceparent) }, span)
        }
    }
}

extension Tracer.Open {
    func answered(_ status: Int) {
        set("http.response.status_code", .number(Int64(status)))
        if status >= 400 { fail("\(status)") }
    }
}

/// Customers' own systems are told the trace, and each delivery is a span.
struct TracedWebhooks: WebhookTransport {
    let transport: any WebhookTransport
    let tracer: Tracer

    func send(url: String, headers: [(String, String)], body: [UInt8], timeout: Duration) async -> WebhookOutcome {
        await tracer.sending("POST", to: url, []) { header, span in
            let outcome = await transport.send(url: url, headers: headers + (header.map { [$0] } ?? []), body: body, timeout: timeout)
            switch outcome.result {
            case .answered(let status, _, _): span.answered(status)
            case .failed: span.fail("unreachable")
            }
            return outcome
        }
    }
}
