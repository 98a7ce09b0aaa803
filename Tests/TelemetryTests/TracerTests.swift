import Foundation
import Logging
import Testing
import Vocabulary

@testable import Telemetry

@Suite("W3C Trace Context")
struct TraceContextTests {
    static let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("a traceparent is read and written as the recommendation says")
    func reads() throws {
        let context = try #require(TraceContext(traceparent: Self.good))
        #expect(context.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" && context.spanID == "00f067aa0ba902b7" && context.isSampled)
        #expect(context.traceparent == Self.good)
        let later = try #require(TraceContext(traceparent: "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what.comes"))
        #expect(!later.isSampled && later.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
        let flags = try #require(TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"))
        #expect(flags.isSampled && flags.traceparent.hasSuffix("-01"), "flags that we do not know are not passed on")
    }

    @Test(
        "what is none is none",
        arguments: [
            "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more", "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
            good + ", " + good, "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-" + String(repeating: "x", count: 500),
        ])
    func refuses(text: String) { #expect(TraceContext(traceparent: text) == nil) }

    @Test("a tracestate is passed on whole or not at all")
    func state() {
        func state(_ text: String) -> String? { TraceContext(traceparent: Self.good, state: text)?.state }
        #expect(state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE") == "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
        #expect(state(String(repeating: "x", count: 513)) == nil && state("a=b\r\nx: y") == nil && state("") == nil)
        #expect(state(Array(repeating: "a=b", count: 33).joined(separator: ",")) == nil)
    }
}

@Suite("Spans")
struct TracerTests {
    private func tracer(_ perThousand: Int = 1_000) -> Tracer { Tracer(perThousand: perThousand, clock: Fixed(), entropy: SystemEntropy()) }
    private struct Wrong: Error {}

    @Test("what runs within is a child, on the same trace; what fails says so by its type alone")
    func nests() async throws {
        let tracer = tracer()
        await #expect(throws: Wrong.self) {
            try await tracer.within("outer", .server, from: .root(link: nil)) { _ in
                tracer.past("decided", .internal, took: .milliseconds(2), [("n", .number(1))])
                try await tracer.within("inner", .client) { span in
                    span.set("mail", .text("ada@example.com"))
                    throw Wrong()
                }
            }
        }
        #expect(TraceContext.current == nil && Tracer.Open.current == nil)
        let spans = tracer.take(most: 10)
        #expect(spans.map(\.name) == ["decided", "inner", "outer"])
        let outer = try #require(spans.last)
        #expect(outer.parent == nil && Set(spans.map(\.context.traceID)).count == 1 && Set(spans.map(\.context.span)).count == 3)
        #expect(spans[0].parent == outer.context.span && spans[1].parent == outer.context.span)
        #expect(spans[0].duration == .milliseconds(2) && spans[0].start == Fixed().now() - .milliseconds(2))
        #expect(spans[1].failure == "Wrong" && outer.failure == "Wrong")
        #expect(spans[1].attributes.map(\.value) == [.text("[mail]")], "what never stands in a log stands in no span")
        #expect(tracer.take(most: 10).isEmpty)
    }

    @Test("nothing is kept where nothing goes on, nor of a trace that is not sampled, though those downstream know it")
    func unsampled() async throws {
        let tracer = tracer(0)
        await tracer.within("alone", .client) { _ in #expect(TraceContext.current == nil) }
        tracer.past("alone", .internal, took: .zero, [])
        await tracer.within("outer", .server, from: .root(link: nil)) { _ in
            await tracer.within("inner", .client) { span in
                span.set("a", .flag(true))
                #expect(TraceContext.current?.isSampled == false)
            }
        }
        #expect(tracer.waiting == 0)
        let parent = try #require(TraceContext(traceparent: TraceContextTests.good))
        await tracer.within("asked", .server, from: .parent(parent)) { _ in }
        let span = try #require(tracer.take(most: 1).first)
        #expect(span.context.traceID == parent.traceID && span.parent == parent.span, "who came before decides")
    }

    @Test("as many of a thousand are kept as asked", arguments: [(0, 0...0), (250, 400...600), (1_000, 2_000...2_000)])
    func share(perThousand: Int, kept: ClosedRange<Int>) async {
        let tracer = tracer(perThousand)
        for _ in 0..<2_000 { await tracer.within("x", .server, from: .root(link: nil)) { _ in } }
        #expect(kept.contains(tracer.waiting), "\(tracer.waiting)")
    }

    @Test("the room is bounded, and so is a span")
    func bounded() async throws {
        let tracer = tracer()
        let long = String(repeating: "ä", count: 5_000)
        for _ in 0..<Tracer.capacity + 3 {
            await tracer.within("x", .internal, from: .root(link: nil)) { _ in }
        }
        #expect(tracer.waiting == Tracer.capacity && tracer.dropped == 3)
        _ = tracer.take(most: .max)
        await tracer.within(long, .internal, from: .root(link: nil)) { span in
            for number in 0..<100 { span.set("a\(number)", .text(long)) }
            span.fail(long)
        }
        let span = try #require(tracer.take(most: 1).first)
        #expect(span.attributes.count == 32 && span.name.utf8.count < 1_030 && (span.failure?.utf8.count ?? 0) < 1_030)
    }

    @Test("a log line within a trace names it")
    func logs() async throws {
        let (tracer, sink) = (tracer(), Lines())
        let logger = Logger(label: "x") { JSONLogHandler(label: $0, level: .info, clock: Fixed(), sink: sink) }
        await tracer.within("x", .server, from: .root(link: nil)) { _ in logger.info("hello") }
        logger.info("after")
        let span = try #require(tracer.take(most: 1).first)
        let lines = sink.all.map { String(decoding: $0, as: UTF8.self) }
        #expect(lines[0].contains(#""trace_id":"\#(span.context.traceID)""#) && lines[0].contains(#""span_id":"\#(span.context.spanID)""#))
        #expect(!lines[1].contains("trace_id"))
    }

    @Test("a collector gets OTLP's JSON")
    func otlp() async throws {
        let parent = try #require(TraceContext(traceparent: TraceContextTests.good, state: "a=b"))
        var span = Span(
            context: parent.child(0xABC), parent: parent.span, kind: .consumer, start: Timestamp(microseconds: 1_700_000_000_000_001),
            name: "job \"x\"", duration: .milliseconds(3))
        span.set("n", .number(-5))
        span.link = parent
        span.failure = "Wrong"
        let json = OTLP.request([span], resource: [("service.name", "s")], version: "1")
        let sent = json["resourceSpans"]?.array?[0]["scopeSpans"]?.array?[0]["spans"]?.array?[0]
        #expect(
            sent == [
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "0000000000000abc", "parentSpanId": "00f067aa0ba902b7",
                "traceState": "a=b", "name": "job \"x\"", "kind": 5, "startTimeUnixNano": "1700000000000001000",
                "endTimeUnixNano": "1700000000003001000", "attributes": [["key": "n", "value": ["intValue": "-5"]]],
                "links": [["traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7"]],
                "status": ["code": 2, "message": "Wrong"],
            ])
        #expect(json["resourceSpans"]?.array?[0]["resource"] == ["attributes": [["key": "service.name", "value": ["stringValue": "s"]]]])
    }
}
