import Foundation
import Logging
import Synchronization
import Vocabulary

/// Where log lines go. Called from any thread; one call is one line.
package protocol LogSink: Sendable {
    func write(_ line: [UInt8])
}

/// Standard error, one write at a time, so that lines never mix.
package final class StandardErrorSink: LogSink {
    private let lock = Mutex<Void>(())
    package init() {}
    package func write(_ line: [UInt8]) {
        lock.withLock { _ in
            line.withUnsafeBytes { bytes in
                var sent = 0
                while sent < bytes.count, let base = bytes.baseAddress {
                    let count = Foundation.write(2, base + sent, bytes.count - sent)
                    if count > 0 { sent += count } else if errno != EINTR { return }
                }
            }
        }
    }
}

/// One JSON object a line: `time`, `level`, `message`, `logger`, then the fields. Everything is cleaned by `Redaction` and bounded.
package struct JSONLogHandler: LogHandler {
    /// Bytes of one text; the rest is cut.
    static let maxTextBytes = 8_192
    private static let reserved: Set<String> = ["time", "level", "message", "logger", "error"]

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let clock: any Vocabulary.Clock
    private let sink: any LogSink

    package init(label: String, level: Logger.Level, clock: any Vocabulary.Clock, sink: any LogSink) {
        self.label = label
        self.logLevel = level
        self.clock = clock
        self.sink = sink
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = Array("{\"time\":\"\(clock.now().iso8601)\",\"level\":\"\(event.level.rawValue)\",\"message\":".utf8)
        Self.append(event.message.description, to: &line)
        line.append(contentsOf: ",\"logger\":".utf8)
        Self.append(label, to: &line)
        if let error = event.error {
            line.append(contentsOf: ",\"error\":".utf8)
            Self.append(String(describing: error), to: &line)
        }
        var fields = event.metadata.map { metadata.merging($0) { _, new in new } } ?? metadata
        if let trace = TraceContext.current {
            fields["trace_id"] = .string(trace.traceID)
            fields["span_id"] = .string(trace.spanID)
        }
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            line.append(UInt8(ascii: ","))
            Self.append(Self.reserved.contains(name) ? "field_" + name : name, to: &line)
            line.append(UInt8(ascii: ":"))
            Self.append(name: name, value, depth: 0, to: &line)
        }
        line.append(contentsOf: "}\n".utf8)
        sink.write(line)
    }

    private static func append(name: String, _ value: Logger.MetadataValue, depth: Int, to line: inout [UInt8]) {
        guard !Redaction.isSensitive(name: name) else { return line.append(contentsOf: "\"[redacted]\"".utf8) }
        switch value {
        case .string(let text): append(text, to: &line)
        case .stringConvertible(let value):
            switch value {
            case let number as Int: line.append(contentsOf: String(number).utf8)
            case let number as Int64: line.append(contentsOf: String(number).utf8)
            case let number as Double where number.isFinite: line.append(contentsOf: "\(number)".utf8)
            case let flag as Bool: line.append(contentsOf: (flag ? "true" : "false").utf8)
            default: append(value.description, to: &line)
            }
        case .array(let items):
            guard depth < 4 else { return append("…", to: &line) }
            line.append(UInt8(ascii: "["))
            for (place, item) in items.prefix(100).enumerated() {
                if place > 0 { line.append(UInt8(ascii: ",")) }
                append(name: name, item, depth: depth + 1, to: &line)
            }
            line.append(UInt8(ascii: "]"))
        case .dictionary(let members):
            guard depth < 4 else { return append("…", to: &line) }
            line.append(UInt8(ascii: "{"))
            for (place, member) in members.sorted(by: { $0.key < $1.key }).prefix(100).enumerated() {
                if place > 0 { line.append(UInt8(ascii: ",")) }
                append(member.key, to: &line)
                line.append(UInt8(ascii: ":"))
                append(name: member.key, member.value, depth: depth + 1, to: &line)
            }
            line.append(UInt8(ascii: "}"))
        }
    }

    /// A JSON text, cleaned and cut.
    private static func append(_ text: String, to line: inout [UInt8]) {
        let clean = Redaction.clean(text)
        line.append(UInt8(ascii: "\""))
        var count = 0
        for scalar in clean.unicodeScalars {
            guard count < maxTextBytes else {
                line.append(contentsOf: "…".utf8)
                break
            }
            switch scalar {
            case "\"": line.append(contentsOf: "\\\"".utf8)
            case "\\": line.append(contentsOf: "\\\\".utf8)
            case "\n": line.append(contentsOf: "\\n".utf8)
            case "\r": line.append(contentsOf: "\\r".utf8)
            case "\t": line.append(contentsOf: "\\t".utf8)
            // Controls, and the two separators that end a line for some readers.
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                line.append(contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
            default: line.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
            }
            count += UTF8.width(scalar)
        }
        line.append(UInt8(ascii: "\""))
    }
}
