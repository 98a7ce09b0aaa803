/// BER as LDAP uses it (RFC 4511, 5.1): tags of one byte, definite lengths, primitive strings.
///
/// Nothing here calls itself: whoever reads takes one element apart after the other, to a depth that the reader's own code fixes. Lengths are held
/// against what is there before anything is taken.
enum BER {
    static let sequence: UInt8 = 0x30
    static let set: UInt8 = 0x31
    static let octets: UInt8 = 0x04
    static let integer: UInt8 = 0x02
    static let boolean: UInt8 = 0x01
    static let enumerated: UInt8 = 0x0A

    // MARK: Writing

    static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] { [tag] + length(content.count) + content }
    static func element(_ tag: UInt8, _ parts: [[UInt8]]) -> [UInt8] { element(tag, Array(parts.joined())) }
    static func text(_ text: String, tag: UInt8 = BER.octets) -> [UInt8] { element(tag, Array(text.utf8)) }
    static func flag(_ value: Bool, tag: UInt8 = BER.boolean) -> [UInt8] { element(tag, [value ? 0xFF : 0]) }

    static func number(_ value: Int32, tag: UInt8 = BER.integer) -> [UInt8] {
        var bytes = withUnsafeBytes(of: value.bigEndian) { Array($0) }
        // A byte that only repeats the sign of the next is left out.
        while bytes.count > 1, (bytes[0] == 0 && bytes[1] < 0x80) || (bytes[0] == 0xFF && bytes[1] >= 0x80) { bytes.removeFirst() }
        return element(tag, bytes)
    }

    private static func length(_ count: Int) -> [UInt8] {
        if count < 0x80 { return [UInt8(count)] }
        let bytes = withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0.drop { $0 == 0 }) }
        return [0x80 | UInt8(bytes.count)] + bytes
    }

    // MARK: Reading

    struct Fault: Error, Hashable { let what: String }

    /// Where the first element's content lies; nil as long as its head is not all there. Longer heads than needed are BER, and directories write them.
    static func head(_ bytes: ArraySlice<UInt8>) throws(Fault) -> (tag: UInt8, content: Range<Int>)? {
        guard let tag = bytes.first else { return nil }
        guard tag & 0x1F != 0x1F else { throw Fault(what: "a tag of more than one byte") }
        let start = bytes.startIndex
        guard bytes.count >= 2 else { return nil }
        let first = bytes[start + 1]
        if first < 0x80 { return (tag, start + 2..<start + 2 + Int(first)) }
        let count = Int(first & 0x7F)
        guard (1...4).contains(count) else { throw Fault(what: count == 0 ? "a length without an end" : "a length of \(count) bytes") }
        guard bytes.count >= 2 + count else { return nil }
        let length = bytes[start + 2..<start + 2 + count].reduce(0) { $0 << 8 | Int($1) }
        return (tag, start + 2 + count..<start + 2 + count + length)
    }
}

/// One element that was read.
struct BERElement: Sendable, Hashable {
    let tag: UInt8
    let content: ArraySlice<UInt8>

    var parts: BERReader { BERReader(content) }
    var bytes: [UInt8] { Array(content) }

    /// Of at most four bytes, as every number of LDAP is.
    func number() throws(BER.Fault) -> Int32 {
        guard (1...4).contains(content.count), let first = content.first else {
            throw BER.Fault(what: "a number of \(content.count) bytes")
        }
        return content.dropFirst().reduce(Int32(Int8(bitPattern: first))) { $0 << 8 | Int32($1) }
    }
    func text() throws(BER.Fault) -> String {
        guard let text = String(validating: content, as: UTF8.self) else { throw BER.Fault(what: "a text that is not UTF-8") }
        return text
    }
}

/// Takes one element after the other.
struct BERReader: Sendable {
    private var rest: ArraySlice<UInt8>
    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }
    /// The next element's tag; nil at the end.
    var tag: UInt8? { rest.first }

    mutating func next() throws(BER.Fault) -> BERElement {
        guard let head = try BER.head(rest) else { throw BER.Fault(what: "an element that is not all there") }
        guard head.content.upperBound <= rest.endIndex else { throw BER.Fault(what: "a length beyond the end") }
        defer { rest = rest[head.content.upperBound...] }
        return BERElement(tag: head.tag, content: rest[head.content])
    }
    mutating func next(_ tag: UInt8) throws(BER.Fault) -> BERElement {
        let element = try next()
        guard element.tag == tag else { throw BER.Fault(what: "the tag \(element.tag) in place of \(tag)") }
        return element
    }
    /// Nil if something else stands there.
    mutating func optional(_ tag: UInt8) throws(BER.Fault) -> BERElement? { self.tag == tag ? try next() : nil }
}
