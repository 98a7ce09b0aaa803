import Vocabulary

/// Spans as OpenTelemetry's collectors take them: OTLP 1.x, the JSON form of its ExportTraceServiceRequest.
/// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
package enum OTLP {
    package static func request(_ spans: [Span], resource: [(String, String)], version: String) -> JSONValue {
        [
            "resourceSpans": [
                [
                    "resource": ["attributes": .array(resource.map { attribute($0.0, .text($0.1)) })],
                    "scopeSpans": [
                        ["scope": ["name": "coditectd", "version": .string(version)], "spans": .array(spans.map(span))]
                    ],
                ]
            ]
        ]
    }

    private static func span(_ span: Span) -> JSONValue {
        let start = span.start.microseconds
        var members: [String: JSONValue] = [
            "traceId": .string(span.context.traceID), "spanId": .string(span.context.spanID), "name": .string(span.name),
            "kind": .int(Int64(span.kind.rawValue)), "startTimeUnixNano": nanoseconds(start),
            "endTimeUnixNano": nanoseconds(start + span.duration.microseconds),
            "attributes": .array(span.attributes.map { attribute($0.name, $0.value) }),
        ]
        if let state = span.context.state { members["traceState"] = .string(state) }
        if let parent = span.parent { members["parentSpanId"] = .string(span.context.child(parent).spanID) }
        if let link = span.link { members["links"] = [["traceId": .string(link.traceID), "spanId": .string(link.spanID)]] }
        if let failure = span.failure { members["status"] = ["code": 2, "message": .string(failure)] }
        return .object(members)
    }
    /// 64-bit numbers are text in this encoding.
    private static func nanoseconds(_ microseconds: Int64) -> JSONValue { .string(String(max(0, microseconds) * 1_000)) }
    private static func attribute(_ name: String, _ value: Span.Value) -> JSONValue {
        let shown: JSONValue =
            switch value {
            case .text(let text): ["stringValue": .string(text)]
            case .number(let number): ["intValue": .string(String(number))]
            case .flag(let flag): ["boolValue": .bool(flag)]
            }
        return ["key": .string(name), "value": shown]
    }
}
