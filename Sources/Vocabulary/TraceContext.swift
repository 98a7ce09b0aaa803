/// Where work stands in a trace that may run through many processes: W3C Trace Context, https://www.w3.org/TR/trace-context/.
package struct TraceContext: Sendable, Hashable {
    /// The two halves of the trace's 16 bytes.
    package let high: UInt64
    package let low: UInt64
    package let span: UInt64
    /// False: those downstream shall know the trace, but nobody keeps what happens in it.
    package let isSampled: Bool
    /// `tracestate` as it came, for those downstream.
    package let state: String?

    /// What happens now is part of this. Holds for the task and for closures that a store runs for it on a thread of its own.
    @TaskLocal package static var current: TraceContext?

    package init(high: UInt64, low: UInt64, span: UInt64, isSampled: Bool, state: String? = nil) {
        self.high = high
        self.low = low
        self.span = span
        self.isSampled = isSampled
        self.state = state
    }

    /// Nil for what is no `traceparent`; one of a later version is read as far as this one goes, as the recommendation wants it.
    package init?(traceparent text: String, state: String? = nil) {
        let bytes = Array(text.utf8.prefix(513))
        guard bytes.count >= 55, bytes.count <= 512, bytes[2] == Self.dash, bytes[35] == Self.dash, bytes[52] == Self.dash,
            let version = Self.number(bytes[0..<2]), version != 0xFF, let high = Self.number(bytes[3..<19]),
            let low = Self.number(bytes[19..<35]), let span = Self.number(bytes[36..<52]), let flags = Self.number(bytes[53..<55]),
            high != 0 || low != 0, span != 0
        else { return nil }
        guard bytes.count == 55 || (version != 0 && bytes[55] == Self.dash) else { return nil }
        self.init(high: high, low: low, span: span, isSampled: flags & 1 == 1, state: state.flatMap(Self.sane))
    }

    /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`
    package var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }
    package var traceID: String { Self.hex(high) + Self.hex(low) }
    package var spanID: String { Self.hex(span) }

    /// The same trace, one step further down.
    package func child(_ span: UInt64) -> TraceContext {
        TraceContext(high: high, low: low, span: span, isSampled: isSampled, state: state)
    }

    private static let dash = UInt8(ascii: "-")

    /// No more than 512 signs and 32 members, printable: anything else is dropped whole.
    private static func sane(_ state: String) -> String? {
        let isPrintable = state.utf8.allSatisfy { $0 == 0x09 || (0x20...0x7E).contains($0) }
        guard isPrintable, (1...512).contains(state.utf8.count), state.utf8.count(where: { $0 == UInt8(ascii: ",") }) < 32 else {
            return nil
        }
        return state
    }
    /// Lower case only.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for digit in digits {
            switch digit {
            case 48...57: number = number << 4 | UInt64(digit - 48)
            case 97...102: number = number << 4 | UInt64(digit - 87)
            default: return nil
            }
        }
        return number
    }
    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
