import PluginKit

/// What is asked of a directory (RFC 4511).
enum Request: Sendable {
    /// A simple bind. Neither part is ever empty: to a directory an empty password means that nobody asks.
    case bind(name: String, password: String)
    case search(Search)
    case startTLS
    case unbind

    static let startTLSName = "1.3.6.1.4.1.1466.20037"

    /// With what is asked along with it (RFC 4511, 4.1.11); none of it is critical.
    func encoded(id: Int32, controls: [Control] = []) -> [UInt8] {
        let operation =
            switch self {
            case .bind(let name, let password):
                BER.element(0x60, [BER.number(3), BER.text(name), BER.text(password, tag: 0x80)])
            case .search(let search): search.encoded
            case .startTLS: BER.element(0x77, BER.text(Self.startTLSName, tag: 0x80))
            case .unbind: BER.element(0x42, [UInt8]())
            }
        let tail = controls.isEmpty ? [] : BER.element(0xA0, controls.map(\.encoded))
        return BER.element(BER.sequence, [BER.number(id), operation, tail])
    }
}

struct Search: Sendable {
    enum Scope: Int32, Sendable { case base, one, subtree }
    var base: String
    var scope = Scope.subtree
    var filter: Filter
    var attributes: [String]
    /// How many are wanted at most.
    var limit: Int32
    var seconds: Int32

    /// Aliases are not followed: an entry is where it lies.
    fileprivate var encoded: [UInt8] {
        BER.element(
            0x63,
            [
                BER.text(base), BER.number(scope.rawValue, tag: BER.enumerated), BER.number(0, tag: BER.enumerated), BER.number(limit),
                BER.number(seconds), BER.flag(false), filter.encoded, BER.element(BER.sequence, attributes.map { BER.text($0) }),
            ])
    }
}

struct Control: Sendable, Hashable {
    /// Answers in pages (RFC 2696).
    static let pages = "1.2.840.113556.1.4.319"
    /// What the directory's rules for passwords say of a bind (draft-behera-ldap-password-policy-10).
    static let passwordPolicy = "1.3.6.1.4.1.42.2.27.8.5.1"

    var name: String
    var value: [UInt8]?

    static func page(_ size: Int32, after cookie: [UInt8]) -> Control {
        Control(name: pages, value: BER.element(BER.sequence, [BER.number(size), BER.element(BER.octets, cookie)]))
    }

    fileprivate var encoded: [UInt8] {
        BER.element(BER.sequence, [BER.text(name), value.map { BER.element(BER.octets, $0) } ?? []])
    }

    /// Where the next page begins; empty: there is none.
    var cookie: [UInt8] {
        get throws(BER.Fault) {
            var parts = BERReader(value ?? [])
            var inner = try parts.next(BER.sequence).parts
            _ = try inner.next(BER.integer).number()
            return try inner.next(BER.octets).bytes
        }
    }
    /// The error of a password policy; nil for a warning or for nothing.
    var policyError: Int32? {
        get throws(BER.Fault) {
            guard let value, !value.isEmpty else { return nil }
            var parts = BERReader(value)
            var inner = try parts.next(BER.sequence).parts
            _ = try inner.optional(0xA0)
            return try inner.optional(0x81)?.number()
        }
    }
}

/// What a directory says.
struct Answer: Sendable {
    enum Content: Sendable {
        case bind(Outcome)
        case entry(Entry)
        /// Where else one might ask; nobody follows.
        case reference
        case searchDone(Outcome)
        case extended(Outcome, name: String?)
    }
    var id: Int32
    var content: Content
    var controls: [Control] = []

    static let maxControls = 16
    static let noticeOfDisconnection = "1.3.6.1.4.1.1466.20036"

    /// One whole message.
    init(_ bytes: [UInt8]) throws(BER.Fault) {
        var outer = BERReader(bytes)
        var parts = try outer.next(BER.sequence).parts
        guard outer.isAtEnd else { throw BER.Fault(what: "something behind the message") }
        id = try parts.next(BER.integer).number()
        guard id >= 0 else { throw BER.Fault(what: "a message id below zero") }
        let operation = try parts.next()
        switch operation.tag {
        case 0x61: content = .bind(try Outcome.read(operation.parts).0)
        case 0x64: content = .entry(try Entry(operation.parts))
        case 0x65: content = .searchDone(try Outcome.read(operation.parts).0)
        case 0x73: content = .reference
        case 0x78:
            var (outcome, rest) = try Outcome.read(operation.parts)
            content = .extended(outcome, name: try rest.optional(0x8A)?.text())
        default: throw BER.Fault(what: "the operation \(operation.tag)")
        }
        guard let list = try parts.optional(0xA0) else { return }
        var entries = list.parts
        while !entries.isAtEnd {
            var control = try entries.next(BER.sequence).parts
            let name = try control.next(BER.octets).text()
            _ = try control.optional(BER.boolean)
            controls.append(Control(name: name, value: try control.optional(BER.octets)?.bytes))
            guard controls.count <= Self.maxControls else { throw BER.Fault(what: "more than \(Self.maxControls) controls") }
        }
    }
}

/// How an operation ended.
struct Outcome: Sendable, Hashable {
    var code: Int32
    /// The directory's own words: for finding a code in, never to be shown.
    var words: String

    static let success: Int32 = 0
    static let timeLimitExceeded: Int32 = 3
    static let sizeLimitExceeded: Int32 = 4
    static let strongerAuthRequired: Int32 = 8
    static let referral: Int32 = 10
    static let confidentialityRequired: Int32 = 13
    static let noSuchObject: Int32 = 32
    static let inappropriateAuthentication: Int32 = 48
    static let invalidCredentials: Int32 = 49
    static let insufficientAccess: Int32 = 50
    static let busy: Int32 = 51
    static let unavailable: Int32 = 52
    static let unwilling: Int32 = 53
    static let invalidDN: Int32 = 34

    /// The last is what stands behind the words, the referral passed over.
    fileprivate static func read(_ parts: BERReader) throws(BER.Fault) -> (outcome: Outcome, rest: BERReader) {
        var parts = parts
        let code = try parts.next(BER.enumerated).number()
        _ = try parts.next(BER.octets)
        // Some end their words in NUL, and not every word is UTF-8.
        let words = String(decoding: try parts.next(BER.octets).content.prefix(1_000), as: UTF8.self)
        _ = try parts.optional(0xA3)
        return (Outcome(code: code, words: words), parts)
    }
}

/// Somebody or something in a directory.
struct Entry: Sendable {
    static let maxAttributes = 64
    static let maxValues = 1_500

    let name: String
    /// By the attribute's name in lower case; those with options are left out.
    private let attributes: [String: [[UInt8]]]

    fileprivate init(_ parts: BERReader) throws(BER.Fault) {
        var parts = parts
        name = try parts.next(BER.octets).text()
        var found: [String: [[UInt8]]] = [:]
        var (list, count) = (try parts.next(BER.sequence).parts, 0)
        while !list.isAtEnd {
            var pair = try list.next(BER.sequence).parts
            let attribute = try pair.next(BER.octets).text().lowercased()
            var (values, kept): (BERReader, [[UInt8]]) = (try pair.next(BER.set).parts, [])
            while !values.isAtEnd {
                kept.append(try values.next(BER.octets).bytes)
                count += 1
                guard count <= Self.maxValues else { throw BER.Fault(what: "more than \(Self.maxValues) values") }
            }
            guard found.count < Self.maxAttributes else { throw BER.Fault(what: "more than \(Self.maxAttributes) attributes") }
            guard found.updateValue(kept, forKey: attribute) == nil else { throw BER.Fault(what: "an attribute twice") }
        }
        attributes = found
    }

    func values(_ attribute: String) -> [[UInt8]] { attributes[attribute.lowercased()] ?? [] }
    /// Those that are texts an assertion may hold.
    func texts(_ attribute: String) -> [String] {
        values(attribute).compactMap { String(validating: $0, as: UTF8.self) }.filter { text in
            (1...IdentityLimits.maxTextBytes).contains(text.utf8.count)
                && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
        }
    }
    func text(_ attribute: String) -> String? { texts(attribute).first }
    func integer(_ attribute: String) -> Int64? { text(attribute).flatMap { Int64($0) } }
}
