import Foundation
import Vocabulary

/// Where a key stands in its life: `next` is published and does not sign yet, `active` signs, `retired` only verifies.
package enum KeyState: String, Sendable, CaseIterable {
    case next, active, retired
}

/// One key as operators see it.
package struct KeyInfo: Sendable, Hashable {
    package let id: String
    package let purpose: KeyPurpose
    package let algorithm: KeyAlgorithm
    package let state: KeyState
    package let createdAt: Timestamp
    package let activatedAt: Timestamp?
    package let retiredAt: Timestamp?
    /// From when on its signatures are refused; nil: never.
    package let verifiesUntil: Timestamp?
}

struct RingEntry: Sendable {
    let key: AsymmetricKey
    let purpose: KeyPurpose
    var state: KeyState
    let createdAt: Timestamp
    var activatedAt: Timestamp?
    var retiredAt: Timestamp?
    var verifiesUntil: Timestamp?

    init(_ key: AsymmetricKey, _ purpose: KeyPurpose, _ state: KeyState, now: Timestamp) {
        self.init(key, purpose, state, createdAt: now, activatedAt: state == .active ? now : nil)
    }
    init(
        _ key: AsymmetricKey, _ purpose: KeyPurpose, _ state: KeyState, createdAt: Timestamp, activatedAt: Timestamp? = nil,
        retiredAt: Timestamp? = nil, verifiesUntil: Timestamp? = nil
    ) {
        self.key = key
        self.purpose = purpose
        self.state = state
        self.createdAt = createdAt
        self.activatedAt = activatedAt
        self.retiredAt = retiredAt
        self.verifiesUntil = verifiesUntil
    }

    func verifies(at now: Timestamp) -> Bool { verifiesUntil.map { now < $0 } ?? true }
    var info: KeyInfo {
        KeyInfo(
            id: key.id, purpose: purpose, algorithm: key.algorithm, state: state, createdAt: createdAt, activatedAt: activatedAt,
            retiredAt: retiredAt, verifiesUntil: verifiesUntil)
    }
}

/// The rules of a ring: which key signs, which verify, what a rotation does. Values and functions, no files.
struct Ring: Sendable {
    var entries: [RingEntry] = []

    func active(_ purpose: KeyPurpose) -> RingEntry? { entries.first { $0.purpose == purpose && $0.state == .active } }
    func next(_ purpose: KeyPurpose) -> RingEntry? { entries.first { $0.purpose == purpose && $0.state == .next } }
    func entry(_ id: String, _ purpose: KeyPurpose) -> RingEntry? { entries.first { $0.key.id == id && $0.purpose == purpose } }

    /// `next` (or `fresh`, where none was prepared) becomes active, the active one retires and verifies for `overlap` longer; nil: for ever.
    mutating func rotate(_ purpose: KeyPurpose, fresh: AsymmetricKey?, overlap: Duration?, now: Timestamp) throws {
        if next(purpose) == nil {
            guard let fresh else { throw SigningFault.unknownKey("next \(purpose.rawValue)") }
            entries.append(RingEntry(fresh, purpose, .next, now: now))
        }
        for index in entries.indices where entries[index].purpose == purpose {
            switch entries[index].state {
            case .active:
                entries[index].state = .retired
                entries[index].retiredAt = now
                entries[index].verifiesUntil = overlap.map { now + $0 }
            case .next:
                entries[index].state = .active
                entries[index].activatedAt = now
            case .retired: break
            }
        }
    }

    /// The key verifies nothing from now on. An active key cannot retire: rotate first.
    mutating func retire(_ id: String, now: Timestamp) throws {
        guard let index = entries.firstIndex(where: { $0.key.id == id }), entries[index].state != .active else {
            throw SigningFault.unknownKey(id)
        }
        entries[index].state = .retired
        entries[index].retiredAt = entries[index].retiredAt ?? now
        entries[index].verifiesUntil = min(entries[index].verifiesUntil ?? now, now)
    }

    /// Forgets keys of tokens whose overlap is over; keys of licences and of the journal stay, as a record of what was theirs.
    mutating func forget(now: Timestamp) { entries.removeAll { $0.purpose == .token && $0.state == .retired && !$0.verifies(at: now) } }
}

/// The ring's file: states, times and sealed private keys under one authentication code. Public keys are derived, never believed.
struct RingFile {
    private let wrapping: SecretBytes
    private let authentication: SecretBytes
    private let entropy: any Entropy
    let url: URL

    init(url: URL, masterKey: MasterKey, entropy: any Entropy) {
        self.url = url
        self.entropy = entropy
        wrapping = masterKey.derive("ring: private keys")
        authentication = masterKey.derive("ring: file")
    }

    func read() throws -> Ring? {
        guard let bytes = try KeyFiles.read(url) else { return nil }
        guard case .object(var members) = try? StrictJSON.parse(bytes, maxBytes: 1 << 20) else {
            throw broken("not the file of a key ring")
        }
        guard let code = members.removeValue(forKey: "mac")?.string.flatMap(Hex.decode),
            ConstantTime.equal(code, HMAC.sha256(try CanonicalJSON.encode(.object(members)), key: authentication))
        else { throw SigningFault.otherMasterKey(path: url.path) }
        guard members["version"]?.int == 1, let keys = members["keys"]?.array else { throw broken("written by a newer version") }
        return Ring(entries: try keys.map(entry))
    }

    func write(_ ring: Ring) throws {
        var members: [String: JSONValue] = ["version": 1, "keys": .array(try ring.entries.map(json))]
        members["mac"] = .string(Hex.encode(HMAC.sha256(try CanonicalJSON.encode(.object(members)), key: authentication)))
        try KeyFiles.write(try CanonicalJSON.encode(.object(members)), to: url)
    }

    private func json(_ entry: RingEntry) throws -> JSONValue {
        var plain = try entry.key.privateDER()
        defer { plain.cleanse() }
        let box = try AuthenticatedCipher.seal(
            plain, key: wrapping, nonce: entropy.bytes(AuthenticatedCipher.nonceCount), associated: context(entry.key.id, entry.purpose))
        func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
        return [
            "id": .string(entry.key.id), "purpose": .string(entry.purpose.rawValue), "state": .string(entry.state.rawValue),
            "created_at": time(entry.createdAt), "activated_at": time(entry.activatedAt), "retired_at": time(entry.retiredAt),
            "verifies_until": time(entry.verifiesUntil), "sealed": .string(Base64URL.encode(box)),
        ]
    }

    private func entry(_ json: JSONValue) throws -> RingEntry {
        func time(_ name: String) -> Timestamp? { json[name]?.string.flatMap(Timestamp.init(iso8601:)) }
        guard let id = json["id"]?.string, let purpose = json["purpose"]?.string.flatMap(KeyPurpose.init(rawValue:)),
            let state = json["state"]?.string.flatMap(KeyState.init(rawValue:)), let createdAt = time("created_at"),
            let box = json["sealed"]?.string.flatMap({ Base64URL.decode($0) })
        else { throw broken("a key lacks a member") }
        var plain = try AuthenticatedCipher.open(box[...], key: wrapping, associated: context(id, purpose))
        defer { plain.cleanse() }
        let key = try AsymmetricKey(privateDER: plain, purpose.algorithm)
        guard key.id == id else { throw broken("a key is not the one it is named") }
        return RingEntry(
            key, purpose, state, createdAt: createdAt, activatedAt: time("activated_at"), retiredAt: time("retired_at"),
            verifiesUntil: time("verifies_until"))
    }

    private func context(_ id: String, _ purpose: KeyPurpose) -> [UInt8] { Array("ring:\(purpose.rawValue):\(id)".utf8) }
    private func broken(_ reason: String) -> SigningFault { .file(path: url.path, reason: reason) }
}
