import Vocabulary

/// What took time, with its place in the trace. Names and attributes follow OpenTelemetry's conventions where they have one.
package struct Span: Sendable {
    /// By OTLP's numbers.
    package enum Kind: Int, Sendable { case `internal` = 1, server, client, producer, consumer }
    package enum Value: Sendable, Hashable {
        case text(String)
        case number(Int64)
        case flag(Bool)
    }
    package let context: TraceContext
    package let parent: UInt64?
    package let kind: Kind
    package let start: Timestamp
    package internal(set) var name: String
    package internal(set) var duration: Duration
    package internal(set) var attributes: [(name: String, value: Value)] = []
    /// Of a trace that this one came from without being part of it.
    package internal(set) var link: TraceContext?
    /// Nil where it went well.
    package internal(set) var failure: String?

    static let mostAttributes = 32
    static let mostBytes = 1_024

    mutating func set(_ name: String, _ value: Value) {
        guard attributes.count < Self.mostAttributes else { return }
        if case .text(let text) = value {
            attributes.append((name, .text(Self.cut(Redaction.clean(text)))))
        } else {
            attributes.append((name, value))
        }
    }
    static func cut(_ text: String) -> String {
        text.utf8.count <= mostBytes ? text : String(decoding: text.utf8.prefix(mostBytes), as: UTF8.self)
    }
}
