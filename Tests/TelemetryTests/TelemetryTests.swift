import Foundation
import Logging
import Synchronization
import Testing
import Vocabulary

@testable import Telemetry

@Suite("Redaction")
struct RedactionTests {
    @Test(
        "takes out what must never stand in a log",
        arguments: [
            ("paid with 4242424242424242 today", "paid with [card] today"),
            ("4242 4242 4242 4242", "[card]"),
            ("card=5555-5555-5555-4444;", "card=[card];"),
            ("amex 3782 822463 10005.", "amex [card]."),
            ("{\"n\":\"378282246310005\"}", "{\"n\":\"[card]\"}"),
            ("Authorization: Bearer abc.def-ghi_jkl", "Authorization: [redacted]"),
            ("sent bearer abcdefghijkl.mno", "sent bearer [token]"),
            ("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "got [token] here"),
            ("key CODITECT-7Q2M-0K3D-9XYZ-AB12-CD34 used", "key CODITECT-[licence key] used"),
            ("CODITECT-PILOT-7Q2M-0K3D-9XYZ", "CODITECT-PILOT-[licence key]"),
            ("acme-7q2m-0k3d-9xyz-ab12-cd34", "acme-[licence key]"),
            ("with sk_live_51HabcdEFGH and whsec_abcdefgh1234", "with sk_live_[secret] and whsec_[secret]"),
            ("POST /reset?token=abcdef&next=1", "POST /reset?token=[redacted]&next=1"),
            ("{\"password\": \"correct horse\", \"a\": 1}", "{\"password\": \"[redacted]\", \"a\": 1}"),
            ("new_password=hunter2hunter2", "new_password=[redacted]"),
            ("mail to jörg.o'hara+x@example.co.uk failed", "mail to [mail] failed"),
        ])
    func takesOut(text: String, expected: String) { #expect(Redaction.clean(text) == expected) }

    @Test(
        "leaves alone what only looks alike",
        arguments: [
            "018f1b2c-7a3b-7c4d-8e5f-0123456789ab", "2026-10-02T12:34:56.123456Z", "at 1770000000000000 microseconds",
            "4242424242424243", "order 12345678901234567890", "user@localhost", "a bearer of news", "tokens 12",
            "GET /api/v1/licenses/acquire",
            "seat_lease_all.tenant_id", "well-known/jwks.json", "no-one-else",
        ])
    func leavesAlone(text: String) { #expect(Redaction.clean(text) == text) }
}

@Suite("Log lines")
struct LogLineTests {
    @Test("are one JSON object each, whatever the text, with the fields beside time, level and message")
    func lines() throws {
        let sink = Lines()
        var logger = Logger(label: "edge") { JSONLogHandler(label: $0, level: .info, clock: Fixed(), sink: sink) }
        logger[metadataKey: "request_id"] = "r-1"
        logger.error(
            "broke \"here\"\n\u{1}\u{2028}end",
            metadata: [
                "status": .stringConvertible(500), "time": "mine", "access_token": "abc", "deep": ["password": "x", "list": ["a", "b"]],
            ])
        logger.debug("not written")
        #expect(sink.all.count == 1)
        let line = try #require(sink.all.first)
        #expect(line.last == 10 && line.dropLast().allSatisfy { $0 >= 32 })
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect(object["time"] as? String == "2027-01-15T08:00:00Z")
        #expect(object["level"] as? String == "error")
        #expect(object["message"] as? String == "broke \"here\"\n\u{1}\u{2028}end")
        #expect(object["logger"] as? String == "edge")
        #expect(object["request_id"] as? String == "r-1")
        #expect(object["status"] as? Int == 500)
        #expect(object["field_time"] as? String == "mine")
        #expect(object["access_token"] as? String == "[redacted]")
        #expect((object["deep"] as? [String: Any])?["password"] as? String == "[redacted]")
        #expect((object["deep"] as? [String: Any])?["list"] as? [String] == ["a", "b"])
    }

    @Test("are cut at their bound")
    func bounded() {
        let sink = Lines()
        let logger = Logger(label: "edge") { JSONLogHandler(label: $0, level: .info, clock: Fixed(), sink: sink) }
        logger.info("\(String(repeating: "x ", count: 1_000_000))")
        #expect((sink.all.first?.count ?? 0) < 9_000)
    }
}

@Suite("Metrics")
struct MetricsTests {
    @Test("render as Prometheus text, exactly")
    func exposition() {
        let metrics = Metrics()
        let requests = metrics.counter("http_requests_total", "Requests answered,\nby \\ route.", labels: ["route", "status"])
        requests.with("a\"b\\c\n", "200").increment()
        requests.with("x", "404").increment(by: 3)
        metrics.gauge("seats_live", "Live seats.").with().set(2.5)
        let times = metrics.histogram("http_request_duration_seconds", "Time.", labels: ["route"], buckets: [0.005, 0.1, 1])
        for value in [0.001, 0.005, 0.05, 3] { times.with("x").observe(value) }
        metrics.reading("z_reading", "Read.") { 7 }
        metrics.readings("z_pairs", "By two labels.", labels: ["tier", "standing"]) { [(["pro", "active"], 2), (["team", "a\"b"], 0)] }
        metrics.readings("z_none", "Nothing to tell.", labels: []) { [] }
        metrics.reading("z_absent", "Absent.") { nil }
        #expect(
            metrics.render() == """
                # HELP http_request_duration_seconds Time.
                # TYPE http_request_duration_seconds histogram
                http_request_duration_seconds_bucket{route="x",le="0.005"} 2
                http_request_duration_seconds_bucket{route="x",le="0.1"} 3
                http_request_duration_seconds_bucket{route="x",le="1"} 3
                http_request_duration_seconds_bucket{route="x",le="+Inf"} 4
                http_request_duration_seconds_sum{route="x"} 3.056
                http_request_duration_seconds_count{route="x"} 4
                # HELP http_requests_total Requests answered,\\nby \\\\ route.
                # TYPE http_requests_total counter
                http_requests_total{route="a\\"b\\\\c\\n",status="200"} 1
                http_requests_total{route="x",status="404"} 3
                # HELP seats_live Live seats.
                # TYPE seats_live gauge
                seats_live 2.5
                # HELP z_pairs By two labels.
                # TYPE z_pairs gauge
                z_pairs{tier="pro",standing="active"} 2
                z_pairs{tier="team",standing="a\\"b"} 0
                # HELP z_reading Read.
                # TYPE z_reading gauge
                z_reading 7

                """)
    }

    @Test("count every step of many tasks")
    func parallel() async {
        let metrics = Metrics()
        await withDiscardingTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for step in 0..<1_000 {
                        metrics.counter("c_total", "c", labels: ["k"]).with("\(step % 3)").increment()
                        metrics.gauge("g", "g").with().add(task % 2 == 0 ? 1 : -1)
                        metrics.histogram("h", "h").with().observe(0.5)
                    }
                }
            }
        }
        let counter = metrics.counter("c_total", "c", labels: ["k"])
        #expect((0..<3).reduce(0) { $0 + counter.with("\($1)").value } == 8_000)
        #expect(metrics.gauge("g", "g").with().value == 0)
        #expect(metrics.histogram("h", "h").with().count == 8_000)
    }

    @Test("label values that callers choose do not grow a family beyond its bound")
    func bounded() {
        let metrics = Metrics()
        let family = metrics.counter("c_total", "c", labels: ["k"])
        for index in 0..<5_000 { family.with("\(index)").increment() }
        #expect(family.series.count == Metrics.maxSeries + 1)
        #expect(family.with("other").value == 4_000)
    }

    @Test("the process tells its memory, processor time, files and start")
    func process() throws {
        let metrics = Metrics()
        metrics.addProcessReadings(startedAt: Timestamp(seconds: 5))
        let text = metrics.render()
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name) ") })
            #expect(try #require(Double(line.dropFirst(name.count + 1))) > 0)
        }
        #expect(text.contains("\nprocess_start_time_seconds 5\n"))
    }
}

struct Fixed: Vocabulary.Clock {
    func now() -> Timestamp { Timestamp(seconds: 1_800_000_000) }
    func monotonic() -> Duration { .zero }
}
final class Lines: LogSink {
    private let lines = Mutex<[[UInt8]]>([])
    func write(_ line: [UInt8]) { lines.withLock { $0.append(line) } }
    var all: [[UInt8]] { lines.withLock { $0 } }
}
