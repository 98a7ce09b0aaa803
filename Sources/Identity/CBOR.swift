/// As much of CBOR (RFC 8949) as authenticators write: definite lengths, integers, strings, lists, maps, simple values. Bounded in size,
/// depth and count; a map's key stands once.
indirect enum CBOR: Sendable, Hashable {
    case int(Int64)
    case bytes([UInt8])
    case text(String)
    case array([CBOR])
    case map([CBOR: CBOR])
    case bool(Bool)
    case null

    struct Malformed: Error {}
    static let maxBytes = 32_768
    static let maxDepth = 8
    static let maxItems = 512

    /// The one value that `bytes` are.
    static func read(_ bytes: [UInt8]) throws(Malformed) -> CBOR {
        var reader = try Reader(bytes[...])
        let value = try reader.value(depth: 0)
        guard reader.rest.isEmpty else { throw Malformed() }
        return value
    }
    /// The first value, and what stands after it.
    static func first(of bytes: ArraySlice<UInt8>) throws(Malformed) -> (CBOR, rest: ArraySlice<UInt8>) {
        var reader = try Reader(bytes)
        let value = try reader.value(depth: 0)
        return (value, reader.rest)
    }

    subscript(key: Int64) -> CBOR? { self[.int(key)] }
    subscript(key: String) -> CBOR? { self[.text(key)] }
    private subscript(key: CBOR) -> CBOR? {
        guard case .map(let members) = self else { return nil }
        return members[key]
    }
    var bytes: [UInt8]? {
        guard case .bytes(let bytes) = self else { return nil }
        return bytes
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>
        var items = 0

        init(_ bytes: ArraySlice<UInt8>) throws(Malformed) {
            guard bytes.count <= CBOR.maxBytes else { throw Malformed() }
            rest = bytes
        }
        mutating func take(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
            guard count <= rest.count else { throw Malformed() }
            let taken = rest.prefix(count)
            rest = rest.dropFirst(count)
            return taken
        }
        /// The head's argument. Its shortest form alone, as CTAP2 demands: one value has one spelling.
        mutating func argument(_ short: UInt8) throws(Malformed) -> UInt64 {
            if short < 24 { return UInt64(short) }
            guard short <= 27 else { throw Malformed() }
            let value = try take(1 << Int(short - 24)).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard value >= [24, 1 << 8, 1 << 16, 1 << 32][Int(short - 24)] else { throw Malformed() }
            return value
        }
        mutating func value(depth: Int) throws(Malformed) -> CBOR {
            items += 1
            guard depth < CBOR.maxDepth, items <= CBOR.maxItems, let head = try take(1).first else { throw Malformed() }
            let major = head >> 5
            if major == 7 {
                switch head & 31 {
                case 20: return .bool(false)
                case 21: return .bool(true)
                case 22: return .null
                default: throw Malformed()
                }
            }
            let argument = try argument(head & 31)
            guard argument <= UInt64(Int64.max) else { throw Malformed() }
            switch major {
            case 0: return .int(Int64(argument))
            case 1: return .int(-1 - Int64(argument))
            case 2: return .bytes(Array(try take(length(argument))))
            case 3:
                guard let text = String(validating: try take(length(argument)), as: UTF8.self) else { throw Malformed() }
                return .text(text)
            case 4:
                var list: [CBOR] = []
                for _ in 0..<(try length(argument)) { list.append(try value(depth: depth + 1)) }
                return .array(list)
            case 5:
                var members: [CBOR: CBOR] = [:]
                for _ in 0..<(try length(argument)) {
                    let key = try value(depth: depth + 1)
                    guard members.updateValue(try value(depth: depth + 1), forKey: key) == nil else { throw Malformed() }
                }
                return .map(members)
            default: throw Malformed()
            }
        }
        /// No more than there are bytes left: each thing takes one at least.
        private func length(_ argument: UInt64) throws(Malformed) -> Int {
            guard argument <= UInt64(rest.count) else { throw Malformed() }
            return Int(argument)
        }
    }
}
