import Foundation
import PluginKit
import Synchronization

/// What the operator says of the HSM.
struct TokenTerms: Sendable {
    let label: String?
    let serial: String?
    let kinds: [KeyKind]
    let pin: String

    var words: String {
        [label.map { "the token labelled \"\($0)\"" }, serial.map { "\(label == nil ? "the token " : "")with the serial \($0)" }]
            .compactMap { $0 }.joined(separator: " ")
    }
}

/// What all sessions with one token know together.
final class TokenStanding: Sendable {
    private struct State {
        var pinFault: String?
        var begunAt: Timestamp?
    }
    private let state = Mutex(State())
    /// Why the PIN was not taken; it is not tried again, because tokens lock after some wrong ones.
    var pinFault: String? {
        get { state.withLock(\.pinFault) }
        set { state.withLock { $0.pinFault = newValue } }
    }
    /// Whether a missing token may be looked for by beginning anew: once a second, whoever asks.
    func mayBeginAnew(_ now: Timestamp) -> Bool {
        state.withLock { state in
            if let last = state.begunAt, now - last < .seconds(1) { return false }
            state.begunAt = now
            return true
        }
    }
}

/// One session with the token: on one thread. It is begun when first needed, and anew when it was lost.
final class TokenSession {
    let module: any TokenModule
    private let terms: TokenTerms
    private let standing: TokenStanding
    private let now: () -> Timestamp
    private var session: SessionHandle?
    /// Handles of private keys whose attributes were looked at.
    private var keys: [String: (object: UInt, kind: KeyKind)] = [:]

    init(_ module: any TokenModule, _ terms: TokenTerms, _ standing: TokenStanding, now: @escaping () -> Timestamp) {
        self.module = module
        self.terms = terms
        self.standing = standing
        self.now = now
    }

    /// Carries out what must not be done twice by halves; once more from the start where session, login or token were lost.
    func perform<Value>(_ work: (SessionHandle) throws -> Value) throws -> Value {
        do { return try attempt(work) } catch let fault as CryptokiFault where fault.isLoss {
            drop()
            do { return try attempt(work) } catch {
                drop()
                throw TokenSession.told(error)
            }
        } catch { throw TokenSession.told(error) }
    }
    private func attempt<Value>(_ work: (SessionHandle) throws -> Value) throws -> Value { try work(try open()) }

    func drop() {
        if let session { module.close(session) }
        session = nil
        keys = [:]
    }

    private static func told(_ error: any Error) -> any Error {
        guard let fault = error as? CryptokiFault else { return error }
        if fault.call == "C_Initialize" {
            return KeyServiceError.unavailable(
                "the PKCS#11 module does not begin (\(fault)): is the HSM there, and the module's configuration right?")
        }
        return fault.isPassing ? KeyServiceError.unavailable("the HSM: \(fault)") : KeyServiceError.refused("the HSM: \(fault)")
    }

    // MARK: - Beginning

    private func open() throws -> SessionHandle {
        if let session { return session }
        if let fault = standing.pinFault { throw KeyServiceError.refused(fault) }
        try module.begin()
        let slot = try slot()
        for kind in terms.kinds where !(try module.offers(kind, slot: slot)) {
            throw KeyServiceError.refused(
                "\(terms.words) does not offer \(kind.rawValue) (\(kind.mechanisms)); leave it out of the setting algorithms, or take another HSM"
            )
        }
        let opened = try module.open(slot: slot)
        do { try module.logIn(opened, pin: terms.pin) } catch let fault as CryptokiFault where fault.isPIN {
            module.close(opened)
            let reason = "\(terms.words) does not take PKCS11_PIN (\(fault)); it is not tried again until the secret changes"
            standing.pinFault = reason
            throw KeyServiceError.refused(reason)
        } catch {
            module.close(opened)
            throw error
        }
        session = opened
        return opened
    }

    func slot() throws -> UInt {
        if let slot = try named(try module.tokens()) { return slot }
        // Modules see a token that came later only after a new beginning.
        if standing.mayBeginAnew(now()) {
            try module.beginAnew()
            if let slot = try named(try module.tokens()) { return slot }
        }
        throw KeyServiceError.unavailable("\(terms.words) is in no slot of the PKCS#11 module")
    }
    private func named(_ tokens: [TokenFound]) throws -> UInt? {
        let found = tokens.filter { (terms.label ?? $0.label) == $0.label && (terms.serial ?? $0.serial) == $0.serial }
        guard found.count < 2 else {
            let serials = found.map(\.serial).sorted().joined(separator: ", ")
            throw KeyServiceError.refused("\(found.count) tokens are \(terms.words); set token_serial to one of \(serials)")
        }
        return found.first?.slot
    }

    // MARK: - Keys

    func sign(_ data: [UInt8], _ kind: KeyKind, key name: String) throws -> [UInt8] {
        try perform { session in
            let key = try secret(name, session)
            guard key.kind == kind else { throw KeyServiceError.refused("the key \(name) is no key for \(kind.rawValue)") }
            return try module.sign(data, kind, with: key.object, session)
        }
    }

    /// Looked at once: a key that could be read out of the token is never signed with.
    private func secret(_ name: String, _ session: SessionHandle) throws -> (object: UInt, kind: KeyKind) {
        if let known = keys[name] { return known }
        guard let object = try one(.secret, name, session) else { throw KeyServiceError.unknownKey(name) }
        guard try isKept(object, session) else { throw KeyServiceError.refused("the key \(name) can be read out of the token") }
        guard try flag(0x108, object, session) else { throw KeyServiceError.refused("the key \(name) is not for signing") }
        guard let kind = try kind(object, session) else {
            throw KeyServiceError.refused("the key \(name) is of a kind that is not used here")
        }
        if keys.count >= 256 { keys = [:] }
        keys[name] = (object, kind)
        return (object, kind)
    }

    /// Whether the token is there and the user logged in.
    func probe() throws {
        try perform { try mustBeThere($0) }
    }

    func read(_ name: String) throws -> ServiceKey {
        try perform { session in
            guard let key = try described(name, session) else { throw KeyServiceError.unknownKey(name) }
            return key
        }
    }

    func list(prefix: String, after: String?) throws -> [ServiceKey] {
        try perform { session in
            let objects = try module.find(.open, named: nil, limit: 10_000, session)
            let names = try Set(objects.compactMap { try text(3, $0, session) })
                .filter { $0.hasPrefix(prefix) && KeyServiceLimits.fault(inName: $0) == nil && $0 > after ?? "" }
            var found: [ServiceKey] = []
            for name in names.sorted() where found.count < KeyServiceLimits.maxListed {
                // What is not a key for signatures of ours, or stands there twice, is nobody's business here.
                if let key = try? described(name, session) { found.append(key) }
            }
            return found
        }
    }

    func make(_ kind: KeyKind, named name: String) throws -> ServiceKey {
        try perform { session in
            if let known = try described(name, session) {
                guard known.algorithm == kind.algorithm else {
                    throw KeyServiceError.refused("\(name) is a key for \(known.algorithm) already")
                }
                return known
            }
            let id = Array(PluginDigest.sha256(Data(name.utf8)).prefix(16))
            try module.make(kind, named: name, id: id, session)
            guard let made = try described(name, session) else {
                throw KeyServiceError.refused("the token does not show the key \(name) that it made")
            }
            return made
        }
    }

    /// Nil where there is no such key.
    private func described(_ name: String, _ session: SessionHandle) throws -> ServiceKey? {
        let secret = try one(.secret, name, session)
        guard let open = try one(.open, name, session) else {
            guard secret != nil else { return nil }
            throw KeyServiceError.refused("the public half of \(name) is missing in the token")
        }
        guard let kind = try kind(open, session),
            let form = kind.publicKey(
                point: try module.attribute(0x181, of: open, session), modulus: try module.attribute(0x120, of: open, session),
                exponent: try module.attribute(0x122, of: open, session))
        else { throw KeyServiceError.refused("\(name) is no key for signatures of ours") }
        let signs = try secret.map { try flag(0x108, $0, session) } ?? false
        let isKept = try secret.map { try self.isKept($0, session) } ?? true
        return ServiceKey(
            name: name, algorithm: kind.algorithm, publicKey: form, standing: signs ? .usable : .disabled, isExtractable: !isKept)
    }

    func one(_ half: KeyHalf, _ name: String, _ session: SessionHandle) throws -> UInt? {
        let found = try module.find(half, named: name, limit: 2, session)
        guard found.count < 2 else { throw KeyServiceError.refused("the token holds two keys named \(name)") }
        // To one who is not logged in, private keys are simply not there.
        if found.isEmpty, half != .open { try mustBeThere(session) }
        return found.first
    }

    /// Before a key is said to be unknown, token and login must be there: some modules show an empty token where it was taken away.
    private func mustBeThere(_ session: SessionHandle) throws {
        guard try module.isLoggedIn(session) else { throw CryptokiFault(code: 0x101, call: "C_GetSessionInfo") }
        guard try named(try module.tokens()) != nil else { throw CryptokiFault(code: 0xe0, call: "C_GetTokenInfo") }
    }

    /// Sensitive and not extractable, and that always: what was once outside may have stayed there.
    func isKept(_ object: UInt, _ session: SessionHandle) throws -> Bool {
        try flag(0x103, object, session) && !(try flag(0x162, object, session)) && flag(0x165, object, session)
            && flag(0x164, object, session)
    }
    private func kind(_ object: UInt, _ session: SessionHandle) throws -> KeyKind? {
        guard let bytes = try module.attribute(0x100, of: object, session), bytes.count == MemoryLayout<UInt>.size else { return nil }
        let type = bytes.reversed().reduce(UInt(0)) { $0 << 8 | UInt($1) }
        return KeyKind.allCases.first { $0.keyType == type }
    }
    func flag(_ type: UInt, _ object: UInt, _ session: SessionHandle) throws -> Bool {
        try module.attribute(type, of: object, session) == [1]
    }
    private func text(_ type: UInt, _ object: UInt, _ session: SessionHandle) throws -> String? {
        try module.attribute(type, of: object, session).flatMap { String(validating: $0, as: UTF8.self) }
    }
}
