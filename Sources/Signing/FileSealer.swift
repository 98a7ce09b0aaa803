import Foundation
import Store
import Synchronization
import Vocabulary

/// Seals under the master key, and personal fields under a key of each person that lies in a file of its own.
///
/// A box is: kind (1 platform, 2 person), id of the master key, nonce, ciphertext, tag. Kind, person and context are authenticated.
package final class FileSealer: Sealer {
    private enum Kind: UInt8 { case platform = 1, person = 2 }

    private let masterID: UInt8
    private let platform: SecretBytes
    private let master: MasterKey
    private let people: PersonKeys
    private let entropy: any Entropy
    private let digestKeys = Mutex<[String: SecretBytes]>([:])

    /// `directory` holds the keys of persons: `DATA/keys/persons`, on no account inside the database or its backups.
    package init(masterKey: MasterKey, directory: URL, entropy: any Entropy) throws {
        master = masterKey
        masterID = masterKey.id
        platform = masterKey.derive("sealer: platform")
        people = try PersonKeys(directory: directory, wrapping: masterKey.derive("sealer: person keys"), entropy: entropy, capacity: 4_096)
        self.entropy = entropy
    }

    package func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { try seal(plain, .platform, platform, context) }
    package func open(_ box: [UInt8], context: String) throws -> [UInt8] { try open(box, .platform, platform, context) }

    package func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        try seal(plain, .person, try people.key(of: person, make: true), "\(person)/\(context)")
    }
    package func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        try open(box, .person, try people.key(of: person, make: false), "\(person)/\(context)")
    }

    package func digest(_ plain: [UInt8], purpose: String) -> [UInt8] {
        // Purposes are literals of the code, so the table stays small.
        let key = digestKeys.withLock { keys in
            if let key = keys[purpose] { return key }
            let key = master.derive("sealer: digest of \(purpose)")
            keys[purpose] = key
            return key
        }
        return HMAC.sha256(plain, key: key)
    }

    /// Erases everything sealed under this person's key, wherever copies of it lie. For good: nothing can be sealed for the person afterwards.
    package func destroy(person: UserID) throws { try people.destroy(person) }
    package func discard(person: UserID) throws { try people.discard(person) }

    private func seal(_ plain: [UInt8], _ kind: Kind, _ key: SecretBytes, _ context: String) throws -> [UInt8] {
        let header = [kind.rawValue, masterID]
        return header
            + (try AuthenticatedCipher.seal(
                plain, key: key, nonce: entropy.bytes(AuthenticatedCipher.nonceCount), associated: header + Array(context.utf8)))
    }

    private func open(_ box: [UInt8], _ kind: Kind, _ key: SecretBytes, _ context: String) throws -> [UInt8] {
        guard box.count > 2, box[0] == kind.rawValue, box[1] == masterID else { throw SigningFault.sealBroken }
        return try AuthenticatedCipher.open(box.dropFirst(2), key: key, associated: box.prefix(2) + Array(context.utf8))
    }
}

/// One file for each person: a random key, wrapped under the master key. An empty file is a key that was destroyed.
final class PersonKeys: Sendable {
    private struct Held: Sendable {
        let mark: KeyFiles.Mark
        let key: SecretBytes
    }
    private let directory: URL
    private let path: String
    private let wrapping: SecretBytes
    private let entropy: any Entropy
    private let held: Mutex<BoundedCache<UserID, Held>>

    init(directory: URL, wrapping: SecretBytes, entropy: any Entropy, capacity: Int) throws {
        self.directory = directory
        path = directory.path
        self.wrapping = wrapping
        self.entropy = entropy
        held = Mutex(BoundedCache(capacity: capacity))
        try KeyFiles.prepare(directory: directory)
    }

    /// The key is asked of the disk as soon as its file has changed, so that a destroyed key is gone in every process.
    func key(of person: UserID, make: Bool) throws -> SecretBytes {
        let name = person.description
        // Put together by hand: this is asked at each sealing, and an address takes longer than the rest of it.
        let mark = KeyFiles.mark("\(path)/\(name.suffix(2))/\(name).key")
        if let mark, let known = held.withLock({ $0[person] }), known.mark == mark { return known.key }
        let file = self.file(person)
        if mark == nil {
            guard make else { throw SigningFault.sealBroken }
            try KeyFiles.prepare(directory: file.deletingLastPathComponent())
            var fresh = entropy.bytes(32)
            defer { fresh.cleanse() }
            let box = try AuthenticatedCipher.seal(
                fresh, key: wrapping, nonce: entropy.bytes(AuthenticatedCipher.nonceCount), associated: context(person))
            // Whoever loses a race reads the winner's key below.
            _ = try KeyFiles.create(box, at: file)
        }
        guard let mark = KeyFiles.mark(file.path), let box = try KeyFiles.read(file, maxBytes: 4_096) else { throw SigningFault.sealBroken }
        guard box.contains(where: { $0 != 0 }) else {
            held.withLock { $0[person] = nil }
            throw SigningFault.personErased
        }
        var plain = try AuthenticatedCipher.open(box[...], key: wrapping, associated: context(person))
        defer { plain.cleanse() }
        let key = SecretBytes(plain)
        held.withLock { $0[person] = Held(mark: mark, key: key) }
        return key
    }

    func destroy(_ person: UserID) throws {
        held.withLock { $0[person] = nil }
        let file = self.file(person)
        try KeyFiles.prepare(directory: file.deletingLastPathComponent())
        // The empty file stays, so that no later use makes a new key.
        while try !KeyFiles.blank(file) { if try KeyFiles.create([], at: file) { return } }
    }

    /// Takes the file away; a destroyed key stays destroyed.
    func discard(_ person: UserID) throws {
        held.withLock { $0[person] = nil }
        let file = self.file(person)
        guard let box = try KeyFiles.read(file, maxBytes: 4_096), box.contains(where: { $0 != 0 }) else { return }
        try KeyFiles.remove(file)
    }

    /// Spread by the last byte of the id, which is random; the first ones are its time.
    private func file(_ person: UserID) -> URL {
        let name = person.description
        return directory.appendingPathComponent(String(name.suffix(2))).appendingPathComponent("\(name).key")
    }
    private func context(_ person: UserID) -> [UInt8] { Array("person:\(person)".utf8) }
}
