import Foundation
import HTTPEdge
import PlatformTesting
import Telemetry
import Testing
import Vocabulary

@testable import Composition

@Suite("Traces of a platform")
struct TraceTests {
    static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    /// Nobody listens there; nothing is sent but by `step`.
    private static func yaml(_ more: String = "") -> String { "traces:\n  endpoint: http://127.0.0.1:9\n" + more }

    private func platform(_ more: String = "") async throws -> (TestPlatform, Tracer) {
        let platform = try await TestPlatform.open(yaml: Self.yaml(more))
        return (platform, try #require(platform.platform.traces?.tracer))
    }

    @Test("a request, its transactions, its decisions and the jobs that it makes are one trace; nothing personal stands in it")
    func story() async throws {
        let (platform, tracer) = try await platform()
        let member = try await Customer.member(platform)
        _ = tracer.take(most: .max)
        let answer = await member.call("POST", "/api/v1/invitations", ["email": "grace@example.com", "role": "member"])
        #expect(answer.status == 201, "\(answer.text)")
        let spans = tracer.take(most: .max)
        let root = try #require(spans.first { $0.parent == nil })
        #expect(root.name == "POST /api/v1/invitations" && root.kind == .server && root.failure == nil && root.link == nil)
        #expect(Set(spans.map(\.context.traceID)).count == 1)
        let known = Set(spans.map(\.context.span))
        #expect(spans.allSatisfy { $0.parent.map(known.contains) ?? true }, "every span but the first hangs on another")
        #expect(Set(spans.map(\.name)).isSuperset(of: ["store kernel read", "store kernel write", "hook on_role_check", "hook on_invite"]))
        let told = Dictionary(root.attributes.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        #expect(told["http.route"] == .text("/api/v1/invitations") && told["http.response.status_code"] == .number(201))
        #expect(told["coditect.request_id"] == .text(try #require(answer.headers.first { $0.0 == "x-request-id" }?.1)))

        try await platform.runDue()
        let jobs = tracer.take(most: .max)
        let mail = try #require(jobs.first { $0.kind == .consumer && $0.context.traceID == root.context.traceID }, "\(jobs.map(\.name))")
        #expect(mail.parent.map(known.contains) == true, "the mail's job hangs on the transaction that made it")
        let sent = String(decoding: JSONWriter.data(OTLP.request(spans + jobs, resource: [], version: "1")), as: UTF8.self)
        // Three letters of an identifier's hexadecimal digits may spell a name.
        let ids = "[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|\\b([0-9a-f]{32}|[0-9a-f]{16})\\b"
        let all = sent.replacingOccurrences(of: ids, with: "", options: .regularExpression).lowercased()
        #expect(all.contains("hook on_role_check") && !all.contains(root.context.traceID))
        for personal in ["ada", "grace", "Lovelace", "example.com", "127.0.0.1", Customer.password] {
            #expect(!all.contains(personal.lowercased()), "\(personal)")
        }
    }

    @Test("what a job puts off begins a trace of its own, so that no trace goes on for ever")
    func periodic() async throws {
        let (platform, tracer) = try await platform()
        try await platform.platform.begin()
        for _ in 0..<3 {
            try await platform.runDue()
            platform.clock.advance(by: .hours(2))
        }
        let sweeps = tracer.take(most: .max).filter { $0.name == "job store.sweep" }
        #expect(sweeps.count >= 2 && Set(sweeps.map(\.context.traceID)).count == sweeps.count)
    }

    @Test("a listed proxy's trace goes on; anybody else's is named and not joined, whatever it says of sampling")
    func origins() async throws {
        let (open, tracer) = try await platform("  per_thousand: 0\n")
        _ = await open.call("GET", "/health/live", headers: ["traceparent": Self.parent])
        #expect(tracer.take(most: .max).isEmpty, "a stranger cannot have spans kept")

        let (closed, all) = try await platform()
        _ = await closed.call("GET", "/health/live", headers: ["traceparent": Self.parent])
        let span = try #require(all.take(most: .max).last)
        #expect(span.parent == nil && span.link?.traceparent == Self.parent && span.context.traceID != span.link?.traceID)
        _ = await closed.call("GET", "/health/live", headers: ["traceparent": "00-nonsense"])
        #expect(all.take(most: .max).last?.link == nil)

        let (listed, kept) = try await platform("  per_thousand: 0\nhttp:\n  trusted_proxies: 127.0.0.1\n")
        _ = await listed.call("GET", "/health/live", headers: ["traceparent": Self.parent])
        let joined = try #require(kept.take(most: .max).last)
        #expect(joined.context.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" && joined.parent == 0x00f0_67aa_0ba9_02b7)
    }

    @Test("without a collector nothing is made, and jobs carry nothing")
    func off() async throws {
        let platform = try await TestPlatform.open()
        #expect(platform.platform.traces == nil && platform.platform.ground.tracer == nil)
        let answer = await platform.call("GET", "/health/live", headers: ["traceparent": Self.parent])
        #expect(answer.status == 200)
    }

    @Test("a collector that does not answer is asked again, then its spans are given up and counted")
    func unreachable() async throws {
        let (platform, tracer) = try await platform()
        let export = try #require(platform.platform.traces)
        #expect(await export.step() == .nothing)
        _ = await platform.call("GET", "/health/live")
        for _ in 0..<TraceExport.mostAttempts { #expect(await export.step() == .later(nil)) }
        #expect(await export.step() == .nothing && tracer.waiting == 0)
        let metrics = platform.platform.metrics.render()
        #expect(metrics.contains(#"traces_spans_lost_total{reason="unreachable"}"#) && metrics.contains("traces_spans_dropped_total 0"))
    }

    @Test(
        "addresses and headers of collectors",
        arguments: [
            ("http://collector:4318", "http://collector:4318/v1/traces"), ("https://c.example/otlp/", "https://c.example/otlp/v1/traces"),
            ("http://c/v1/traces", "http://c/v1/traces"), ("collector:4317", nil), ("ftp://c", nil), ("http://", nil),
            ("http://user:pass@c", nil), ("http://c?x=1", nil), ("", nil),
        ] as [(String, String?)])
    func addresses(endpoint: String, url: String?) { #expect(TraceExport.address(endpoint) == url) }

    @Test("headers are read as OpenTelemetry writes them")
    func headers() {
        #expect(TraceExport.headers("") == [:])
        #expect(TraceExport.headers("api-key=a%20b, X-Team=ours=1") == ["api-key": "a b", "x-team": "ours=1"])
        for bad in ["novalue", "=x", "a b=c", "a=%0d%0aevil: 1", "a=%zz"] { #expect(TraceExport.headers(bad) == nil, "\(bad)") }
    }
}
