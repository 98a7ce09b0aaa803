import Foundation
import Testing
import Vocabulary

@testable import Signing

@Suite("The sealer")
struct SealerTests {
    private let plain = Array("anna@example.com".utf8)
    private let person = UserID(UUID())

    private struct Home {
        let folder: Folder
        let directory: URL
        let master: MasterKey
        init(_ byte: UInt8 = 1) throws {
            folder = try Folder()
            directory = folder.url.appendingPathComponent("persons")
            master = MasterKey([UInt8](repeating: byte, count: 32), source: .environment)
        }
        func sealer() throws -> FileSealer { try FileSealer(masterKey: master, directory: directory, entropy: SystemEntropy()) }
        func keyFile(_ person: UserID) -> URL {
            directory.appendingPathComponent(String(person.description.suffix(2))).appendingPathComponent("\(person).key")
        }
    }

    @Test("a box opens in its own context only, in another process too, and shows nothing of what is in it")
    func contexts() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let box = try sealer.seal(plain, context: "user.totp:1")
        #expect(try sealer.open(box, context: "user.totp:1") == plain)
        #expect(try home.sealer().open(box, context: "user.totp:1") == plain)
        #expect(throws: SigningFault.sealBroken) { try sealer.open(box, context: "user.totp:2") }
        #expect(try sealer.seal(plain, context: "user.totp:1") != box)
        #expect(!Data(box).contains(Data(plain.prefix(6))))
        #expect(try sealer.open(try sealer.seal([], context: ""), context: "") == [])
    }

    @Test("a change of any bit, a cut or an addition breaks the seal")
    func tampered() throws {
        let home = try Home()
        let sealer = try home.sealer()
        for (box, open) in [
            (try sealer.seal(plain, context: "c"), { try sealer.open($0, context: "c") }),
            (try sealer.seal(plain, person: person, context: "c"), { [person] in try sealer.open($0, person: person, context: "c") }),
        ] as [([UInt8], ([UInt8]) throws -> [UInt8])] {
            #expect(try open(box) == plain)
            for index in box.indices {
                for bit in 0..<8 {
                    var changed = box
                    changed[index] ^= 1 << UInt8(bit)
                    #expect(throws: SigningFault.sealBroken) { try open(changed) }
                }
                #expect(throws: SigningFault.sealBroken) { try open(Array(box.prefix(index))) }
            }
            #expect(throws: SigningFault.sealBroken) { try open(box + [0]) }
        }
    }

    @Test("a person's box opens for that person only, and never as a box of the platform")
    func persons() throws {
        let sealer = try Home().sealer()
        let other = UserID(UUID())
        let box = try sealer.seal(plain, person: person, context: "user.email")
        #expect(try sealer.open(box, person: person, context: "user.email") == plain)
        #expect(throws: SigningFault.sealBroken) { try sealer.open(box, person: person, context: "user.name") }
        #expect(throws: SigningFault.sealBroken) { try sealer.open(box, person: other, context: "user.email") }
        _ = try sealer.seal(plain, person: other, context: "user.email")
        #expect(throws: SigningFault.sealBroken) { try sealer.open(box, person: other, context: "user.email") }
        #expect(throws: SigningFault.sealBroken) { try sealer.open(box, context: "\(person)/user.email") }
        let platform = try sealer.seal(plain, context: "\(person)/user.email")
        #expect(throws: SigningFault.sealBroken) { try sealer.open(platform, person: person, context: "user.email") }
    }

    @Test("another master key opens nothing")
    func otherMaster() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let box = try sealer.seal(plain, context: "c")
        let personal = try sealer.seal(plain, person: person, context: "c")
        let other = try FileSealer(
            masterKey: MasterKey([UInt8](repeating: 2, count: 32), source: .environment), directory: home.directory,
            entropy: SystemEntropy())
        #expect(throws: SigningFault.sealBroken) { try other.open(box, context: "c") }
        #expect(throws: SigningFault.sealBroken) { try other.open(personal, person: person, context: "c") }
        #expect(other.digest(plain, purpose: "p") != sealer.digest(plain, purpose: "p"))
    }

    @Test("a destroyed key opens and seals nothing, for good, in every process, also for one that held it")
    func destroyed() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let held = try home.sealer()
        let box = try sealer.seal(plain, person: person, context: "c")
        #expect(try held.open(box, person: person, context: "c") == plain)
        let key = try Data(contentsOf: home.keyFile(person))
        try sealer.destroy(person: person)
        for each in [sealer, held, try home.sealer()] {
            #expect(throws: SigningFault.personErased) { try each.open(box, person: person, context: "c") }
            #expect(throws: SigningFault.personErased) { try each.seal(plain, person: person, context: "c") }
        }
        #expect(try Data(contentsOf: home.keyFile(person)).isEmpty)
        #expect(key.count > 32)
        try sealer.destroy(person: person)
        // Someone who never had a key cannot get one afterwards either.
        let stranger = UserID(UUID())
        try sealer.destroy(person: stranger)
        #expect(throws: SigningFault.personErased) { try sealer.seal(plain, person: stranger, context: "c") }
    }

    @Test("a discarded key leaves no file and opens nothing; a destroyed one stays destroyed")
    func discarded() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let box = try sealer.seal(plain, person: person, context: "c")
        try sealer.discard(person: person)
        #expect(!FileManager.default.fileExists(atPath: home.keyFile(person).path))
        #expect(throws: SigningFault.sealBroken) { try sealer.open(box, person: person, context: "c") }
        try sealer.discard(person: person)
        let again = try sealer.seal(plain, person: person, context: "c")
        #expect(try sealer.open(again, person: person, context: "c") == plain)
        #expect(throws: (any Error).self) { try sealer.open(box, person: person, context: "c") }
        try sealer.destroy(person: person)
        try sealer.discard(person: person)
        #expect(throws: SigningFault.personErased) { try sealer.seal(plain, person: person, context: "c") }
    }

    @Test("a crash between overwriting and cutting the file leaves the key destroyed")
    func halfDestroyed() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let box = try sealer.seal(plain, person: person, context: "c")
        let count = try Data(contentsOf: home.keyFile(person)).count
        try KeyFiles.write([UInt8](repeating: 0, count: count), to: home.keyFile(person))
        #expect(throws: SigningFault.personErased) { try sealer.open(box, person: person, context: "c") }
    }

    @Test("many who seal for a new person at once use one key")
    func racing() async throws {
        let home = try Home()
        let sealers = [try home.sealer(), try home.sealer()]
        let person = person
        let plain = plain
        let boxes = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for index in 0..<32 { group.addTask { try sealers[index % 2].seal(plain, person: person, context: "c") } }
            return try await group.reduce(into: [[UInt8]]()) { $0.append($1) }
        }
        for box in boxes { #expect(try home.sealer().open(box, person: person, context: "c") == plain) }
        #expect(Set(boxes).count == 32)
    }

    @Test("keys of persons lie in 0600 files of 0700 directories, wrapped, and open ones are refused")
    func files() throws {
        let home = try Home()
        let box = try home.sealer().seal(plain, person: person, context: "c")
        let file = home.keyFile(person)
        func mode(_ url: URL) throws -> Int? { try FileManager.default.attributesOfItem(atPath: url.path)[.posixPermissions] as? Int }
        #expect(try mode(file) == 0o600)
        #expect(try mode(file.deletingLastPathComponent()) == 0o700)
        #expect(try mode(home.directory) == 0o700)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
        #expect(throws: SigningFault.permissions(path: file.path, mode: 0o644)) {
            try home.sealer().open(box, person: person, context: "c")
        }
    }

    @Test("a key file put in another person's place opens nothing")
    func swapped() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let other = UserID(UUID())
        let box = try sealer.seal(plain, person: person, context: "c")
        _ = try sealer.seal(plain, person: other, context: "c")
        try KeyFiles.write([UInt8](try Data(contentsOf: home.keyFile(person))), to: home.keyFile(other))
        #expect(throws: SigningFault.sealBroken) { try home.sealer().open(box, person: other, context: "c") }
    }

    @Test("digests are the same for the same purpose, in every process, and differ between purposes")
    func digests() throws {
        let home = try Home()
        let sealer = try home.sealer()
        let digest = sealer.digest(plain, purpose: "user.email")
        #expect(digest.count == 32)
        #expect(try home.sealer().digest(plain, purpose: "user.email") == digest)
        #expect(sealer.digest(plain, purpose: "license.key") != digest)
        #expect(sealer.digest(Array(plain.dropLast()), purpose: "user.email") != digest)
        #expect(Digest.sha256(plain) != digest)
    }

    @Test("the next key of a hundred others does not push out the one in use")
    func manyPersons() throws {
        let home = try Home()
        let keys = try PersonKeys(directory: home.directory, wrapping: home.master.derive("w"), entropy: SystemEntropy(), capacity: 4)
        let ids = (0..<20).map { _ in UserID(UUID()) }
        let first = try ids.map { try keys.key(of: $0, make: true).withBytes { Array($0) } }
        let second = try ids.map { try keys.key(of: $0, make: false).withBytes { Array($0) } }
        #expect(first == second)
        #expect(Set(first).count == ids.count)
    }
}
