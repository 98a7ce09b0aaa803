import Foundation
import Vocabulary

/// Where a key stands in its life: `next` is published and does not sign yet, `active` signs, `retired` only verifies.
package enum KeyState: String, Sendable, CaseIterable {
    case next, active, retired
}

/// Where a key's private half lies.
package enum KeyHome: Sendable, Hashable {
    /// Sealed in the ring's own file.
    case file
    /// With the key service of this plugin, under this name there; it never leaves.
    case service(String, name: String)

    /// `file`, or the plugin's id: what settings and commands say.
    package var place: String { if case .service(let id, _) = self { id } else { SigningSettings.file } }
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
    package let home: KeyHome
}

struct RingEntry: Sendable {
    let key: AsymmetricKey
    let home: KeyHome
    let purpose: KeyPurpose
    var state: KeyState
    let createdAt: Timestamp
    var activatedAt: Timestamp?
    var retiredAt: Timestamp?
    var verifiesUntil: Timestamp?

    init(_ fresh: FreshKey, _ purpose: KeyPurpose, _ state: KeyState, now: Timestamp) {
        self.init(fresh, purpose, state, createdAt: now, activatedAt: state == .active ? now : nil)
    }
    init(
        _ fresh: FreshKey, _ purpose: KeyPurpose, _ state: KeyState, createdAt: Timestamp, activatedAt: Timestamp? = nil,
        retiredAt: Timestamp? = nil, verifiesUntil: Timestamp? = nil
    ) {
        key = fresh.key
        home = fresh.home
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
            retiredAt: retiredAt, verifiesUntil: verifiesUntil, home: home)
    }
}

/// A key that no ring holds yet. One with a service is its public half only.
struct FreshKey: Sendable {
    let key: AsymmetricKey
    var home = KeyHome.file
}

/// The rules of a ring: which key signs, which verify, what a rotation does. Values and functions, no files.
struct Ring: Sendable {
    var entries: [RingEntry] = []

    func active(_ purpose: KeyPurpose) -> RingEntry? { entries.first { $0.purpose == purpose && $0.state == .active } }
    func next(_ purpose: KeyPurpose) -> RingEntry? { entries.first { $0.purpose == purpose && $0.state == .next } }
    func entry(_ id: String, _ purpose: KeyPurpose) -> RingEntry? { entries.first { $0.key.id == id && $0.purpose == purpose } }

    /// A prepared key in another place than this has signed nothing and is forgotten.
    mutating func dropNext(_ purpose: KeyPurpose, notIn place: String) {
        entries.removeAll { $0.purpose == purpose && $0.state == .next && $0.home.place != place }
    }

    /// `next` (or `fresh`, where none was prepared) becomes active, the active one retires and verifies for `overlap` longer; nil: for ever.
    mutating func rotate(_ purpose: KeyPurpose, fresh: FreshKey?, overlap: Duration?, now: Timestamp) throws {
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

/// The ring's file: states, times, sealed private keys, and the public halves of keys that lie with a service, under one authentication code.
/// The public half of a sealed key is derived, never believed.
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
        guard [1, 2].contains(members["version"]?.int), let keys = members["keys"]?.array else {
            throw broken("written by a newer version")
        }
        return Ring(entries: try keys.map(entry))
    }

    func write(_ ring: Ring) throws {
        // A program that knows no key services must not take such a ring for its own.
        let version: JSONValue = ring.entries.contains { $0.home != .file } ? 2 : 1
        var members: [String: JSONValue] = ["version": version, "keys": .array(try ring.entries.map(json))]
        members["mac"] = .string(Hex.encode(HMAC.sha256(try CanonicalJSON.encode(.object(members)), key: authentication)))
        try KeyFiles.write(try CanonicalJSON.encode(.object(members)), to: url)
    }

    private func json(_ entry: RingEntry) throws -> JSONValue {
        func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
        var members: [String: JSONValue] = [
            "id": .string(entry.key.id), "purpose": .string(entry.purpose.rawValue), "state": .string(entry.state.rawValue),
            "created_at": time(entry.createdAt), "activated_at": time(entry.activatedAt), "retired_at": time(entry.retiredAt),
            "verifies_until": time(entry.verifiesUntil),
        ]
        switch entry.home {
        case .file: members["sealed"] = .string(Base64URL.encode(try sealed(entry)))
        case .service(let service, let name):
            members["service"] = .string(service)
            members["name"] = .string(name)
            members["public"] = .string(Base64URL.encode(try entry.key.publicDER()))
        }
        return .object(members)
    }

    private func sealed(_ entry: RingEntry) throws -> [UInt8] {
        var plain = try entry.key.privateDER()
        defer { plain.cleanse() }
        return try AuthenticatedCipher.seal(
            plain, key: wrapping, nonce: entropy.bytes(AuthenticatedCipher.nonceCount), associated: context(entry.key.id, entry.purpose))
    }

    private func entry(_ json: JSONValue) throws -> RingEntry {
        func time(_ name: String) -> Timestamp? { json[name]?.string.flatMap(Timestamp.init(iso8601:)) }
        guard let id = json["id"]?.string, let purpose = json["purpose"]?.string.flatMap(KeyPurpose.init(rawValue:)),
            let state = json["state"]?.string.flatMap(KeyState.init(rawValue:)), let createdAt = time("created_at")
        else { throw broken("a key lacks a member") }
        let key = try json["service"] == nil ? opened(json, id, purpose) : served(json, purpose)
        guard key.key.id == id else { throw broken("a key is not the one it is named") }
        return RingEntry(
            key, purpose, state, createdAt: createdAt, activatedAt: time("activated_at"), retiredAt: time("retired_at"),
            verifiesUntil: time("verifies_until"))
    }

    private func opened(_ json: JSONValue, _ id: String, _ purpose: KeyPurpose) throws -> FreshKey {
        guard let box = json["sealed"]?.string.flatMap({ Base64URL.decode($0) }) else { throw broken("a key lacks a member") }
        var plain = try AuthenticatedCipher.open(box[...], key: wrapping, associated: context(id, purpose))
        defer { plain.cleanse() }
        return FreshKey(key: try AsymmetricKey(privateDER: plain, purpose.algorithm))
    }
    private func served(_ json: JSONValue, _ purpose: KeyPurpose) throws -> FreshKey {
        guard let service = json["service"]?.string, let name = json["name"]?.string,
            let form = json["public"]?.string.flatMap({ Base64URL.decode($0) })
        else { throw broken("a key lacks a member") }
        return FreshKey(key: try AsymmetricKey(publicDER: form, purpose.algorithm), home: .service(service, name: name))
    }

    private func context(_ id: String, _ purpose: KeyPurpose) -> [UInt8] { Array("ring:\(purpose.rawValue):\(id)".utf8) }
    private func broken(_ reason: String) -> SigningFault { .file(path: url.path, reason: reason) }
}
