/// An element of a document that was read: its name without prefix, the name space, attributes without one, and what it holds.
final class XMLElement: Sendable {
    let name: String
    let space: String
    let attributes: [String: String]
    let children: [XMLElement]
    /// All character data directly inside, white space at both ends cut off.
    let text: String

    init(name: String, space: String, attributes: [String: String], children: [XMLElement], text: String) {
        self.name = name
        self.space = space
        self.attributes = attributes
        self.children = children
        self.text = text
    }

    /// The first element at the end of this path of names.
    func first(_ path: String...) -> XMLElement? {
        path.reduce(Optional(self)) { place, name in place?.children.first { $0.name == name } }
    }
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
    /// The text at the end of a path; nil where there is none or it is empty.
    func text(_ path: String...) -> String? {
        let place = path.reduce(Optional(self)) { place, name in place?.children.first { $0.name == name } }
        return place.flatMap { $0.text.isEmpty ? nil : $0.text }
    }
}

struct XMLFault: Error, Hashable {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

/// Reads the part of XML 1.0 that banks need: elements, attributes, text, CDATA, comments, the five named entities and character
/// references, name spaces. A document type, an entity of its own or a processing instruction is refused, and so is everything
/// beyond a bound, before anything is made of it. No recursion: depth costs no stack.
struct XMLReader {
    struct Bounds: Sendable {
        var bytes = 4_194_304
        var depth = 32
        var elements = 200_000
        var attributes = 16
        var nameBytes = 128
        var textBytes = 16_384
    }

    private struct Open {
        var qualified: [UInt8]
        var name: String
        var space: String
        var attributes: [String: String]
        var spaces: [String: String]
        var children: [XMLElement] = []
        var text: [UInt8] = []
    }

    private let bytes: [UInt8]
    private let bounds: Bounds
    private var at = 0
    private var elements = 0

    static func read(_ bytes: [UInt8], bounds: Bounds = Bounds()) throws -> XMLElement {
        guard bytes.count <= bounds.bytes else { throw XMLFault("The document has \(bytes.count) bytes; \(bounds.bytes) are allowed.") }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw XMLFault("The document is not UTF-8.") }
        var reader = XMLReader(bytes: bytes, bounds: bounds)
        return try reader.document()
    }
    private init(bytes: [UInt8], bounds: Bounds) {
        self.bytes = bytes
        self.bounds = bounds
    }

    private mutating func document() throws -> XMLElement {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        try declaration()
        var stack: [Open] = []
        var root: XMLElement?
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "<") else {
                try characters(into: &stack)
                continue
            }
            if begins("<!--") {
                try skip(past: "-->", what: "comment")
            } else if begins("<![CDATA[") {
                guard !stack.isEmpty else { throw XMLFault("There is text outside the root element.") }
                let start = at + 9
                try skip(past: "]]>", what: "CDATA section")
                try append(bytes[start..<(at - 3)], to: &stack)
            } else if begins("</") {
                let closed = try end(&stack)
                if stack.isEmpty { root = closed } else { stack[stack.count - 1].children.append(closed) }
            } else if begins("<!") || begins("<?") {
                throw XMLFault("A document type, an entity or a processing instruction is not accepted.")
            } else {
                guard root == nil else { throw XMLFault("There is a second root element.") }
                if let closed = try start(&stack) {
                    if stack.isEmpty { root = closed } else { stack[stack.count - 1].children.append(closed) }
                }
            }
        }
        guard stack.isEmpty, let root else { throw XMLFault("The document ends before its root element does.") }
        return root
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`, if there is one.
    private mutating func declaration() throws {
        guard begins("<?xml"), at + 5 < bytes.count, isSpace(bytes[at + 5]) else { return }
        let start = at + 5
        try skip(past: "?>", what: "XML declaration")
        let text = String(decoding: bytes[start..<(at - 2)], as: UTF8.self).replacing("'", with: "\"")
        guard text.utf8.count <= 200, text.contains("version=\"1.0\"") else { throw XMLFault("The XML declaration cannot be read.") }
        if let range = text.range(of: "encoding=\"") {
            let encoding = text[range.upperBound...].prefix { $0 != "\"" }.uppercased()
            guard ["UTF-8", "UTF8", "US-ASCII", "ASCII"].contains(encoding) else {
                throw XMLFault("The document says that it is not UTF-8; convert it first.")
            }
        }
    }

    // MARK: - Tags

    /// After an empty-element tag: the element. After a start tag: nil, and one more is open.
    private mutating func start(_ stack: inout [Open]) throws -> XMLElement? {
        at += 1
        elements += 1
        guard elements <= bounds.elements else { throw XMLFault("The document has more than \(bounds.elements) elements.") }
        guard stack.count < bounds.depth else { throw XMLFault("The document is nested deeper than \(bounds.depth) elements.") }
        let qualified = try name()
        var spaces = stack.last?.spaces ?? ["xml": "http://www.w3.org/XML/1998/namespace"]
        var found: [([UInt8], String)] = []
        while true {
            let hasGap = gap()
            guard at < bytes.count else { throw XMLFault("The document ends inside a tag.") }
            if bytes[at] == UInt8(ascii: ">") || begins("/>") { break }
            guard hasGap, found.count < bounds.attributes else { throw XMLFault("A tag has attributes that cannot be read, or too many.") }
            let attribute = try name()
            guard !found.contains(where: { $0.0 == attribute }) else { throw XMLFault("A tag has one attribute twice.") }
            found.append((attribute, try value()))
        }
        var attributes: [String: String] = [:]
        for (attribute, value) in found {
            let (prefix, local) = try parts(attribute)
            if prefix == nil, local == "xmlns" {
                spaces[""] = value
            } else if prefix == "xmlns" {
                spaces[local] = value
            } else if prefix == nil {
                attributes[local] = value
            }
        }
        let (prefix, local) = try parts(qualified)
        guard let space = spaces[prefix ?? ""] ?? (prefix == nil ? "" : nil) else { throw XMLFault("A name space was not declared.") }
        guard spaces.count <= 32 else { throw XMLFault("There are too many name spaces.") }
        let isEmpty = bytes[at] == UInt8(ascii: "/")
        at += isEmpty ? 2 : 1
        if isEmpty { return XMLElement(name: local, space: space, attributes: attributes, children: [], text: "") }
        stack.append(Open(qualified: qualified, name: local, space: space, attributes: attributes, spaces: spaces))
        return nil
    }

    private mutating func end(_ stack: inout [Open]) throws -> XMLElement {
        at += 2
        let qualified = try name()
        _ = gap()
        guard at < bytes.count, bytes[at] == UInt8(ascii: ">"), let open = stack.popLast(), open.qualified == qualified else {
            throw XMLFault("An end tag does not fit its start tag.")
        }
        at += 1
        let text = open.text.drop(while: isSpace)
        let cut = text.lastIndex { !isSpace($0) }.map { text[...$0] } ?? []
        return XMLElement(
            name: open.name, space: open.space, attributes: open.attributes, children: open.children,
            text: String(decoding: cut, as: UTF8.self))
    }

    /// A name of ASCII letters, digits and `_ - . :`, or of any other script.
    private mutating func name() throws -> [UInt8] {
        let start = at
        while at < bytes.count, isName(bytes[at]) { at += 1 }
        let found = Array(bytes[start..<at])
        guard let first = found.first, found.count <= bounds.nameBytes, !(48...57).contains(first), first != 45, first != 46 else {
            throw XMLFault("A name cannot be read, or is too long.")
        }
        return found
    }
    private func parts(_ qualified: [UInt8]) throws -> (prefix: String?, local: String) {
        let parts = qualified.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else { throw XMLFault("A name has a colon too many.") }
        let texts = parts.map { String(decoding: $0, as: UTF8.self) }
        return texts.count == 2 ? (texts[0], texts[1]) : (nil, texts[0])
    }
    private mutating func value() throws -> String {
        _ = gap()
        guard at < bytes.count, bytes[at] == UInt8(ascii: "=") else { throw XMLFault("An attribute has no value.") }
        at += 1
        _ = gap()
        guard at < bytes.count, bytes[at] == 34 || bytes[at] == 39 else { throw XMLFault("An attribute's value has no quotes.") }
        let quote = bytes[at]
        at += 1
        var value: [UInt8] = []
        while at < bytes.count, bytes[at] != quote {
            guard bytes[at] != UInt8(ascii: "<"), value.count < bounds.textBytes else {
                throw XMLFault("An attribute's value cannot be read.")
            }
            try character(into: &value)
        }
        guard at < bytes.count else { throw XMLFault("The document ends inside a tag.") }
        at += 1
        return String(decoding: value, as: UTF8.self)
    }

    // MARK: - Text

    private mutating func characters(into stack: inout [Open]) throws {
        var found: [UInt8] = []
        while at < bytes.count, bytes[at] != UInt8(ascii: "<") { try character(into: &found) }
        guard !stack.isEmpty else {
            guard found.allSatisfy(isSpace) else { throw XMLFault("There is text outside the root element.") }
            return
        }
        try append(found[...], to: &stack)
    }
    private func append(_ found: ArraySlice<UInt8>, to stack: inout [Open]) throws {
        guard stack[stack.count - 1].text.count + found.count <= bounds.textBytes else {
            throw XMLFault("An element has more than \(bounds.textBytes) bytes of text.")
        }
        guard found.allSatisfy({ $0 >= 32 || isSpace($0) }) else { throw XMLFault("There is a control character.") }
        stack[stack.count - 1].text += found
    }
    /// One byte as it is, or what an entity stands for.
    private mutating func character(into found: inout [UInt8]) throws {
        guard bytes[at] == UInt8(ascii: "&") else {
            guard bytes[at] >= 32 || isSpace(bytes[at]) else { throw XMLFault("There is a control character.") }
            found.append(bytes[at])
            at += 1
            return
        }
        guard let length = bytes[at...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { throw XMLFault("An entity does not end.") }
        let name = String(decoding: bytes[(at + 1)..<length], as: UTF8.self)
        at = length + 1
        switch name {
        case "amp": found.append(38)
        case "lt": found.append(60)
        case "gt": found.append(62)
        case "quot": found.append(34)
        case "apos": found.append(39)
        default:
            let isHex = name.hasPrefix("#x")
            let digits = name.dropFirst(isHex ? 2 : 1)
            guard name.hasPrefix("#"), digits.allSatisfy(\.isHexDigit), let code = UInt32(digits, radix: isHex ? 16 : 10),
                code >= 32 || [9, 10, 13].contains(code), code != 0xFFFE, code != 0xFFFF, let scalar = Unicode.Scalar(code)
            else {
                throw XMLFault("The entity \(name.debugDescription) is not known.")
            }
            found += Array(String(Character(scalar)).utf8)
        }
    }

    // MARK: - Marks

    private func begins(_ mark: StaticString) -> Bool {
        mark.withUTF8Buffer { mark in
            at + mark.count <= bytes.count && zip(bytes[at..<(at + mark.count)], mark).allSatisfy { $0 == $1 }
        }
    }
    /// Moves behind the next `mark`.
    private mutating func skip(past mark: StaticString, what: String) throws {
        while at < bytes.count {
            if begins(mark) {
                at += mark.utf8CodeUnitCount
                return
            }
            at += 1
        }
        throw XMLFault("The document ends inside a \(what).")
    }
    private mutating func gap() -> Bool {
        let start = at
        while at < bytes.count, isSpace(bytes[at]) { at += 1 }
        return at > start
    }
    private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 10 || byte == 13 }
    private func isName(_ byte: UInt8) -> Bool {
        (48...58).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95 || byte == 45 || byte == 46
            || byte >= 128
    }
}
