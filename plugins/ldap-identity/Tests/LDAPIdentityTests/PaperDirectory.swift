import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import LDAPIdentity

/// A directory on paper: entries in memory, answers as servers give them, lies where it is told to.
final class PaperDirectory: OutboundStreams {
    struct Thing: Sendable {
        var name: String
        var attributes: [String: [[UInt8]]] = [:]
        var password: String?
        /// Said to whoever has the right password.
        var bar: (code: Int32, words: String, policy: Int32?)?
        /// Said to whoever asks, whatever the password.
        var isLocked = false

        init(_ name: String, _ texts: [String: [String]], password: String? = nil) {
            self.name = name
            attributes = texts.mapValues { $0.map { Array($0.utf8) } }
            self.password = password
        }
        func values(_ attribute: String) -> [[UInt8]] {
            attributes.first { $0.key.lowercased() == attribute.lowercased() }?.value ?? []
        }
    }
    struct State: Sendable {
        var things: [Thing] = []
        var asked: [String: Int] = [:]
        var clear: [UInt8] = []
        var connections: [String] = []
        var away: Set<String> = []
        var isAway = false
        var babbles = false
        var takesTLS = true
        /// Said in one piece with the answer to StartTLS.
        var slippedIn: [UInt8] = []
        /// Changes an answer: the question's operation and id, and what would have been said.
        var lie: (@Sendable (UInt8, Int32, [UInt8]) -> [UInt8])?
        /// One byte at a time, so much time each.
        var drip: Duration?
        var pageSize = 2
    }
    static let service = "cn=platform,dc=example,dc=com"
    static let servicePassword = "password-of-the-service"
    let state: Mutex<State>
    let clock: ManualPluginClock

    init(_ things: [Thing], clock: ManualPluginClock) {
        self.clock = clock
        var state = State()
        state.things = things + [Thing(Self.service, [:], password: Self.servicePassword)]
        self.state = Mutex(state)
    }

    func connect(_ target: StreamTarget) async throws -> any OutboundStream {
        let name = StreamAddress(host: target.host, port: target.port).description
        try state.withLock { state in
            state.connections.append(name)
            if state.isAway || state.away.contains(name) { throw OutboundFailure.unsent("no connection to \(name)") }
        }
        return PaperLine(self, isEncrypted: target.encryption == .implicit)
    }
    func asked(_ name: String?) -> Int {
        state.withLock { state in
            name.map { state.asked[$0] ?? 0 } ?? state.asked.filter { $0.key != Self.service }.values.reduce(0, +)
        }
    }

    // MARK: What is answered

    static func result(_ tag: UInt8, _ code: Int32, _ words: String = "", tail: [UInt8] = []) -> [UInt8] {
        BER.element(tag, [BER.number(code, tag: BER.enumerated), BER.text(""), BER.text(words), tail])
    }
    static func message(_ id: Int32, _ operation: [UInt8], _ controls: [(String, [UInt8])] = []) -> [UInt8] {
        let list = controls.map { BER.element(BER.sequence, [BER.text($0.0), BER.element(BER.octets, $0.1)]) }
        return BER.element(BER.sequence, [BER.number(id), operation, list.isEmpty ? [] : BER.element(0xA0, list)])
    }
    static func entry(_ thing: Thing, _ wanted: [String]) -> [UInt8] {
        let attributes = wanted.compactMap { name -> [UInt8]? in
            let values = thing.values(name)
            return values.isEmpty
                ? nil : BER.element(BER.sequence, [BER.text(name), BER.element(BER.set, values.map { BER.element(BER.octets, $0) })])
        }
        return BER.element(0x64, [BER.text(thing.name), BER.element(BER.sequence, attributes)])
    }

    func bind(_ id: Int32, _ parts: BERReader) throws -> [UInt8] {
        var parts = parts
        _ = try parts.next()
        let name = try parts.next(BER.octets).text()
        let password = try parts.next(0x80).text()
        return state.withLock { state in
            state.asked[name, default: 0] += 1
            let thing = state.things.first { $0.name == name }
            // As directories do: a name without a password is nobody, and nobody may come in.
            guard !password.isEmpty else { return Self.message(id, Self.result(0x61, 0)) }
            guard let thing, thing.password == password, !thing.isLocked else {
                let words = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data "
                let locked = thing?.isLocked == true
                let policy = locked ? [(Control.passwordPolicy, BER.element(BER.sequence, BER.number(1, tag: 0x81)))] : []
                return Self.message(id, Self.result(0x61, 49, words + (locked ? "775" : "52e") + ", v2580\0"), policy)
            }
            guard let bar = thing.bar else { return Self.message(id, Self.result(0x61, 0)) }
            let policy = bar.policy.map {
                [(Control.passwordPolicy, BER.element(BER.sequence, BER.number($0, tag: 0x81)))]
            }
            return Self.message(id, Self.result(0x61, bar.code, bar.words), policy ?? [])
        }
    }

    func search(_ id: Int32, _ parts: BERReader, _ cookie: [UInt8]?) throws -> [UInt8] {
        var parts = parts
        let base = try parts.next(BER.octets).text()
        let scope = try parts.next(BER.enumerated).number()
        _ = try parts.next()
        let limit = try parts.next(BER.integer).number()
        _ = try parts.next()
        _ = try parts.next()
        let filter = try parts.next()
        var (wanted, list): ([String], BERReader) = ([], try parts.next(BER.sequence).parts)
        while !list.isAtEnd { wanted.append(try list.next().text()) }
        let things = state.withLock { $0.things }
        var found: [Thing] = []
        for thing in things {
            let isThere = scope == 0 ? thing.name == base : thing.name.hasSuffix(base)
            if isThere, try matches(thing, filter, things) { found.append(thing) }
        }
        var code: Int32 = scope == 0 && found.isEmpty ? 32 : 0
        if limit > 0, found.count > limit { (found, code) = (Array(found.prefix(Int(limit))), 4) }
        let start = cookie.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        let size = state.withLock { $0.pageSize }
        let page = cookie == nil ? found[...] : found.dropFirst(start).prefix(size)
        let next = cookie != nil && start + size < found.count ? Array("\(start + size)".utf8) : []
        var out = page.flatMap { Self.message(id, Self.entry($0, wanted)) }
        if scope != 0 { out += Self.message(id, BER.element(0x73, BER.text("ldap://elsewhere.example.com/"))) }
        let control = BER.element(BER.sequence, [BER.number(0), BER.element(BER.octets, next)])
        return out + Self.message(id, Self.result(0x65, code), cookie == nil ? [] : [(Control.pages, control)])
    }

    private func matches(_ thing: Thing, _ filter: BERElement, _ things: [Thing]) throws -> Bool {
        var parts = filter.parts
        switch filter.tag {
        case 0xA0, 0xA1:
            var results: [Bool] = []
            while !parts.isAtEnd { results.append(try matches(thing, try parts.next(), things)) }
            return filter.tag == 0xA0 ? results.allSatisfy { $0 } : results.contains(true)
        case 0xA2: return try !matches(thing, try parts.next(), things)
        case 0xA3:
            let (name, value) = (try parts.next().text(), try parts.next().bytes)
            return thing.values(name).contains { Self.folded($0) == Self.folded(value) }
        case 0xA4:
            let name = try parts.next().text()
            var pieces = try parts.next().parts
            let start = try pieces.next(0x80).text()
            return thing.values(name).contains { Self.folded($0).hasPrefix(start.lowercased()) }
        case 0x87:
            let name = try filter.text()
            return name == "objectClass" || !thing.values(name).isEmpty
        case 0xA9:
            _ = try parts.next()
            _ = try parts.next()
            return holds(thing, try parts.next().text(), things, depth: 0)
        default: return false
        }
    }
    private static func folded(_ value: [UInt8]) -> String { String(decoding: value, as: UTF8.self).lowercased() }
    private func holds(_ group: Thing, _ member: String, _ things: [Thing], depth: Int) -> Bool {
        let members = group.values("member").map { String(decoding: $0, as: UTF8.self) }
        if members.contains(member) { return true }
        guard depth < 8 else { return false }
        return things.contains { members.contains($0.name) && holds($0, member, things, depth: depth + 1) }
    }
}

/// One connection to it.
actor PaperLine: OutboundStream {
    private let server: PaperDirectory
    private var isEncrypted: Bool
    private var incoming: [UInt8] = []
    private var outgoing: [UInt8] = []
    private var isOver = false

    init(_ server: PaperDirectory, isEncrypted: Bool) {
        self.server = server
        self.isEncrypted = isEncrypted
    }

    func read(max: Int) async throws -> Data {
        if outgoing.isEmpty {
            if isOver { return Data() }
            throw OutboundFailure.unanswered("nothing came in time")
        }
        let (drip, slipped) = server.state.withLock { ($0.drip, $0.slippedIn) }
        if let drip { server.clock.advance(by: drip) }
        // In pieces, as networks bring it; what slipped in comes with the message before it.
        let piece = outgoing.prefix(drip != nil ? 1 : slipped.isEmpty ? min(max, 700) : max)
        outgoing.removeFirst(piece.count)
        return Data(piece)
    }

    func write(_ data: Data) async throws {
        guard !isOver else { throw OutboundFailure.unanswered("the connection broke") }
        let (isAway, babbles) = server.state.withLock { state in
            if !isEncrypted { state.clear += data }
            return (state.isAway, state.babbles)
        }
        if isAway {
            isOver = true
            return
        }
        if babbles { return outgoing += Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8) }
        incoming += data
        while let head = try BER.head(incoming[...]), incoming.count >= head.content.upperBound {
            var parts = BERReader(incoming[head.content])
            incoming.removeFirst(head.content.upperBound)
            let id = try parts.next(BER.integer).number()
            let operation = try parts.next()
            var cookie: [UInt8]?
            if var list = try parts.optional(0xA0)?.parts {
                var control = try list.next().parts
                if try control.next().text() == Control.pages, let value = try control.optional(BER.octets) {
                    cookie = try Control(name: Control.pages, value: value.bytes).cookie
                }
            }
            let normal: [UInt8]
            switch operation.tag {
            case 0x60: normal = try server.bind(id, operation.parts)
            case 0x63: normal = try server.search(id, operation.parts, cookie)
            case 0x77: normal = PaperDirectory.message(id, PaperDirectory.result(0x78, 0)) + server.state.withLock { $0.slippedIn }
            default:
                isOver = true
                return
            }
            outgoing += server.state.withLock { $0.lie }?(operation.tag, id, normal) ?? normal
        }
    }

    func startTLS() async throws {
        guard outgoing.isEmpty else { throw OutboundFailure.unsent("something came in the clear before encryption") }
        guard server.state.withLock({ $0.takesTLS }) else {
            throw OutboundFailure.unsent("the certificate is not made out to this host")
        }
        isEncrypted = true
    }
    func close() async { isOver = true }
}
