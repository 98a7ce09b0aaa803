import Foundation
import Synchronization
import Testing
import Vocabulary

@testable import Signing

final class HandClock: Clock {
    private let time: Mutex<Timestamp>
    init(_ start: Timestamp = Timestamp(seconds: 1_795_000_000)) { time = Mutex(start) }
    func now() -> Timestamp { time.withLock { $0 } }
    func monotonic() -> Duration { .seconds(now().seconds) }
    func advance(_ span: Duration) { time.withLock { $0 = $0 + span } }
}

/// One installation: a folder of keys, a clock moved by hand.
final class Installation: Sendable {
    let folder: Folder
    let clock = HandClock()
    let masterKey: MasterKey
    let settings: Settings
    var directory: URL { folder.url.appendingPathComponent("keys") }

    init(_ settings: Settings = Settings()) throws {
        self.settings = settings
        folder = try Folder()
        masterKey = try MasterKey.load(
            environment: nil, file: folder.url.appendingPathComponent("keys/master.key"), keys: folder.url.appendingPathComponent("keys"),
            entropy: SystemEntropy())
    }
    /// RSA-4096 takes a second or more to make, so all rings but one share two such keys.
    func open(rsaKey: RSAKeyMaking = .atOnce) throws -> KeyRing {
        try KeyRing.open(
            directory: directory, masterKey: masterKey, clock: clock, entropy: SystemEntropy(), settings: settings, rsaKey: rsaKey
        ) {
            [rsaKeys] in $0 == .rsaPSS ? try rsaKeys.next() : try .generate($0)
        }
    }
    var rsaKeysMade: Int { rsaKeys.made }
    private let rsaKeys = TwoRSAKeys()
}

final class TwoRSAKeys: Sendable {
    var made: Int { count.withLock { $0 } }
    private static let both = Result { try (AsymmetricKey.generate(.rsaPSS), AsymmetricKey.generate(.rsaPSS)) }
    private let count = Mutex(0)
    func next() throws -> AsymmetricKey {
        let pair = try Self.both.get()
        return count.withLock { count in
            count += 1
            return count % 2 == 1 ? pair.0 : pair.1
        }
    }
}

/// One ring made as at a first start, for the tests that only look at it.
enum SharedRing {
    static let made = Task {
        let installation = try Installation()
        let ring = try KeyRing.open(
            directory: installation.directory, masterKey: installation.masterKey, clock: installation.clock, entropy: SystemEntropy(),
            settings: Settings())
        try await ring.ready()
        return (installation, ring)
    }
}

@Suite("The key ring")
struct KeyRingTests {
    private let message = Array("message".utf8)

    @Test(
        "signs and verifies for each purpose, and refuses every other message, purpose, key and signature", arguments: KeyPurpose.allCases)
    func purposes(purpose: KeyPurpose) async throws {
        let (_, ring) = try await SharedRing.made.value
        let signature = try await ring.sign(message, purpose)
        #expect(ring.verify(message, signature, purpose))
        #expect(!ring.verify(message + [0], signature, purpose))
        #expect(!ring.verify([], signature, purpose))
        for other in KeyPurpose.allCases where other != purpose {
            #expect(!ring.verify(message, signature, other))
            let otherKey = try #require(ring.list().first { $0.purpose == other && $0.state == .active })
            #expect(!ring.verify(message, Signature(keyID: otherKey.id, bytes: signature.bytes), other))
        }
        #expect(!ring.verify(message, Signature(keyID: "unknown", bytes: signature.bytes), purpose))
        #expect(!ring.verify(message, Signature(keyID: signature.keyID, bytes: []), purpose))
        #expect(!ring.verify(message, Signature(keyID: signature.keyID, bytes: signature.bytes + [0]), purpose))
        #expect(!ring.verify(message, Signature(keyID: signature.keyID, bytes: Array(signature.bytes.dropLast())), purpose))
        // One bit of every byte, so that no region of a signature goes unread.
        for index in signature.bytes.indices where purpose != .licenseRSA || index % 16 == 0 {
            var changed = signature.bytes
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(!ring.verify(message, Signature(keyID: signature.keyID, bytes: changed), purpose))
        }
    }

    @Test("an RSA signature has 512 bytes, and an equal message is signed once, also by many at a time")
    func signedOnce() async throws {
        let (_, ring) = try await SharedRing.made.value
        let message = Array("once \(UUID())".utf8)
        let all = try await withThrowingTaskGroup(of: Signature.self) { group in
            for _ in 0..<50 { group.addTask { try await ring.sign(message, .licenseRSA) } }
            return try await group.reduce(into: Set<Signature>()) { $0.insert($1) }
        }
        // PSS is salted: two signatures of one message would differ.
        #expect(all.count == 1)
        #expect(all.first?.bytes.count == 512)
        #expect(try await ring.sign(message, .licenseRSA) == all.first)
    }

    @Test("the key's id is the RFC 7638 thumbprint of what is published")
    func thumbprints() async throws {
        let (_, ring) = try await SharedRing.made.value
        let published = (ring.jwks()["keys"]?.array ?? []) + (ring.licenseKeysDocument()["keys"]?.array ?? [])
        #expect(published.count == ring.list().count)
        for key in published {
            let required = ["kty", "crv", "x", "y", "n", "e"].compactMap { name in key[name].map { (name, $0) } }
            let digest = Digest.sha256(try CanonicalJSON.encode(.object(Dictionary(uniqueKeysWithValues: required))))
            #expect(key["kid"]?.string == Base64URL.encode(digest))
            #expect(key["d"] == nil)
        }
    }

    @Test("a restart finds the same keys, and what was signed before still verifies")
    func restart() async throws {
        let (installation, ring) = try await SharedRing.made.value
        let signature = try await ring.sign(message, .licenseRSA)
        let again = try installation.open()
        try await again.ready()
        #expect(Set(again.list()) == Set(ring.list()))
        #expect(again.verify(message, signature, .licenseRSA))
        let pem = try String(contentsOf: installation.directory.appendingPathComponent("license-public.pem"), encoding: .utf8)
        let document = try #require(again.licenseKeysDocument()["keys"]?.array?.first { $0["kty"]?.string == "RSA" })
        #expect(document["pem"]?.string == pem)
    }

    @Test("an RSA key that was put off is made once, for all who ask first, and is there after a restart")
    func putOff() async throws {
        let installation = try Installation()
        let ring = try installation.open(rsaKey: .whenAsked)
        #expect(try await ring.sign(message, .license).bytes.count == 64)
        #expect(installation.rsaKeysMade == 0 && !ring.list().contains { $0.purpose == .licenseRSA })
        let signed = try await withThrowingTaskGroup(of: Signature.self) { group in
            for number in 0..<8 { group.addTask { [message] in try await ring.sign(message + [UInt8(number)], .licenseRSA) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(signed.count == 8 && Set(signed.map(\.keyID)).count == 1 && installation.rsaKeysMade == 1)
        let again = try installation.open(rsaKey: .whenAsked)
        #expect(try await again.sign(message, .licenseRSA).keyID == signed[0].keyID && installation.rsaKeysMade == 1)
    }

    @Test("files are 0600 and directories 0700, but for the public key")
    func modes() async throws {
        let (installation, _) = try await SharedRing.made.value
        func mode(_ name: String) throws -> Int? {
            let path = installation.directory.appendingPathComponent(name).path
            return try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode("") == 0o700)
        #expect(try mode("ring.json") == 0o600)
        #expect(try mode("master.key") == 0o600)
        #expect(try mode("license-public.pem") == 0o644)
        let left = try FileManager.default.contentsOfDirectory(atPath: installation.directory.path)
        #expect(!left.contains { $0.hasSuffix(".draft") })
    }

    @Test("no private key lies readable in the ring's file")
    func sealedAtRest() async throws {
        let installation = try Installation()
        let ring = try installation.open()
        let key = try AsymmetricKey.generate(.ed25519)
        let der = try key.privateDER()
        let text = try String(contentsOf: installation.directory.appendingPathComponent("ring.json"), encoding: .utf8)
        let parsed = try StrictJSON.parse(Array(text.utf8))
        for entry in try #require(parsed["keys"]?.array) {
            let box = try #require(entry["sealed"]?.string.flatMap { Base64URL.decode($0) })
            // The header that every PKCS #8 Ed25519 key begins with.
            #expect(!Data(box).contains(Data(der.prefix(16))))
        }
        #expect(ring.list().count >= 6)
    }

    @Test(
        "a file that others can read is refused, and so is a directory that others can enter", arguments: ["ring.json", "master.key", ""])
    func refusesOpenFiles(name: String) throws {
        let installation = try Installation()
        _ = try installation.open()
        let path = installation.directory.appendingPathComponent(name).path
        try FileManager.default.setAttributes([.posixPermissions: name.isEmpty ? 0o750 : 0o640], ofItemAtPath: path)
        #expect(throws: SigningFault.self) {
            let key = try MasterKey.load(
                environment: nil, file: installation.directory.appendingPathComponent("master.key"), keys: installation.directory,
                entropy: SystemEntropy())
            _ = try KeyRing.open(
                directory: installation.directory, masterKey: key, clock: installation.clock, entropy: SystemEntropy(), settings: Settings()
            )
        }
    }

    @Test("a symbolic link in place of a key file is refused")
    func refusesLinks() throws {
        let installation = try Installation()
        _ = try installation.open()
        let file = installation.directory.appendingPathComponent("ring.json")
        let moved = installation.folder.url.appendingPathComponent("elsewhere.json")
        try FileManager.default.moveItem(at: file, to: moved)
        try FileManager.default.createSymbolicLink(at: file, withDestinationURL: moved)
        #expect(throws: SigningFault.self) { _ = try installation.open() }
    }

    @Test("a ring under another master key, or with one byte changed, does not open")
    func tampered() throws {
        let installation = try Installation()
        _ = try installation.open()
        let other = MasterKey([UInt8](repeating: 7, count: 32), source: .environment)
        #expect(throws: SigningFault.otherMasterKey(path: installation.directory.appendingPathComponent("ring.json").path)) {
            _ = try KeyRing.open(
                directory: installation.directory, masterKey: other, clock: installation.clock, entropy: SystemEntropy(),
                settings: Settings())
        }
        let file = installation.directory.appendingPathComponent("ring.json")
        let whole = [UInt8](try Data(contentsOf: file))
        for (from, to) in [("\"active\"", "\"next\""), ("\"next\"", "\"retired\""), ("\"journal\"", "\"license\""), ("2026", "2027")] {
            let text = String(decoding: whole, as: UTF8.self)
            let changed = text.replacing(from, with: to, maxReplacements: 1)
            #expect(changed != text)
            try KeyFiles.write(Array(changed.utf8), to: file)
            #expect(throws: SigningFault.self) { _ = try installation.open() }
        }
        for index in stride(from: 0, to: whole.count, by: 37) {
            var changed = whole
            changed[index] ^= 1
            try KeyFiles.write(changed, to: file)
            #expect(throws: SigningFault.self) { _ = try installation.open() }
        }
        try KeyFiles.write(whole, to: file)
        _ = try installation.open()
    }

    @Test("a full queue refuses instead of letting callers wait for ever, and works on afterwards")
    func bounded() async throws {
        let pool = SignaturePool(width: 1, depth: 2, cache: 8)
        let gate = DispatchSemaphore(value: 0)
        let entered = DispatchSemaphore(value: 0)
        @Sendable func ask(_ id: UInt8, _ work: @escaping @Sendable () throws -> [UInt8]) -> Task<[UInt8], any Error> {
            Task { try await pool.result(for: .init(keyID: "k", digest: [id]), work) }
        }
        let first = ask(0) {
            entered.signal()
            gate.wait()
            return [0]
        }
        await withCheckedContinuation { waiter in
            Thread {
                entered.wait(); waiter.resume()
            }.start()
        }
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for id in 1...6 {
                group.addTask { (try? await pool.result(for: .init(keyID: "k", digest: [UInt8(id)])) { [UInt8(id)] }) != nil }
            }
            // Four are refused while the thread is held; only then may it go on.
            var refused = 0
            var seen: [Bool] = []
            while refused < 4, let outcome = await group.next() {
                if !outcome { refused += 1 }
                seen.append(outcome)
            }
            gate.signal()
            for await outcome in group { seen.append(outcome) }
            return seen
        }
        #expect(outcomes.filter { $0 }.count == 2)
        #expect(try await first.value == [0])
        #expect(try await ask(9) { [9] }.value == [9])
        #expect(await (try? ask(10) { throw SigningFault.sealBroken }.value) == nil)
        #expect(try await ask(10) { [10] }.value == [10])
        pool.close()
        await #expect(throws: SigningFault.busy) { try await ask(11) { [11] }.value }
    }

    @Test("a bounded cache never holds more than its capacity and keeps what is used")
    func cache() {
        var cache = BoundedCache<Int, Int>(capacity: 10)
        cache[-1] = -1
        for number in 0..<100 {
            cache[number] = number
            #expect(cache[-1] == -1)
            #expect(cache.count <= 10)
        }
        #expect(cache[99] == 99)
        #expect(cache[0] == nil)
        cache[99] = nil
        #expect(cache[99] == nil)
        var none = BoundedCache<Int, Int>(capacity: 0)
        none[1] = 1
        #expect(none[1] == nil)
    }
}

@Suite("Rotation")
struct RotationTests {
    @Test("the published next key takes over, the old one verifies through the overlap and not after")
    func tokens() async throws {
        let installation = try Installation(Settings().setting(SigningSettings.tokenOverlapSeconds, to: 3_600))
        let ring = try installation.open()
        let before = try await ring.issue(["sub": "a"])
        let old = try #require(ring.list().first { $0.purpose == .token && $0.state == .active })
        let next = try #require(ring.list().first { $0.purpose == .token && $0.state == .next })
        #expect(published(ring).contains(next.id))
        let active = try await ring.rotate(.token)
        #expect(active.id == next.id)
        let after = try await ring.issue(["sub": "a"])
        #expect(ring.verify(before) == ["sub": "a"])
        #expect(ring.verify(after) == ["sub": "a"])
        #expect(published(ring).count == 3)
        installation.clock.advance(.seconds(3_599))
        #expect(ring.verify(before) != nil)
        installation.clock.advance(.seconds(1))
        #expect(ring.verify(before) == nil)
        #expect(ring.verify(after) != nil)
        #expect(!published(ring).contains(old.id))
        try await ring.maintain()
        #expect(!ring.list().contains { $0.id == old.id })
        #expect(ring.verify(after) != nil)
    }

    @Test("licences and checkpoints of a retired key stay valid for good", arguments: [KeyPurpose.license, .journal])
    func licenses(purpose: KeyPurpose) async throws {
        let installation = try Installation()
        let ring = try installation.open()
        let signature = try await ring.sign([1], purpose)
        try await ring.rotate(purpose)
        installation.clock.advance(.days(36_500))
        try await ring.maintain()
        #expect(ring.verify([1], signature, purpose))
        #expect(try await ring.sign([1], purpose).keyID != signature.keyID)
        #expect(try installation.open().verify([1], signature, purpose))
    }

    @Test("RSA rotates to a key that clients could learn before, and the published file follows")
    func rsa() async throws {
        let installation = try Installation()
        let ring = try installation.open()
        let signature = try await ring.sign([1], .licenseRSA)
        let next = try await ring.prepare(.licenseRSA)
        #expect(try await ring.prepare(.licenseRSA).id == next.id)
        let file = installation.directory.appendingPathComponent("license-public.pem")
        let old = try Data(contentsOf: file)
        #expect(try await ring.rotate(.licenseRSA).id == next.id)
        #expect(try Data(contentsOf: file) != old)
        let later = try await ring.sign([1], .licenseRSA)
        #expect(later.keyID == next.id)
        #expect(ring.verify([1], signature, .licenseRSA))
        #expect(ring.verify([1], later, .licenseRSA))
    }

    @Test("a compromised key verifies nothing any more, at once, though its tokens were found good before")
    func compromised() async throws {
        let installation = try Installation()
        let ring = try installation.open()
        let token = try await ring.issue(["sub": "a"])
        #expect(ring.verify(token) != nil)
        let old = try #require(ring.list().first { $0.purpose == .token && $0.state == .active })
        try await ring.retire(old.id)
        #expect(ring.verify(token) == nil)
        #expect(ring.verify(try await ring.issue(["sub": "b"])) != nil)
        #expect(ring.list().filter { $0.purpose == .token && $0.state == .active }.count == 1)
        #expect(ring.list().filter { $0.purpose == .token && $0.state == .next }.count == 1)
        await #expect(throws: SigningFault.unknownKey("nothing")) { try await ring.retire("nothing") }
    }

    @Test("another process takes over a rotation at its next maintenance")
    func processes() async throws {
        let installation = try Installation()
        let first = try installation.open()
        let second = try installation.open()
        let early = try await first.issue(["n": 1])
        try await second.rotate(.token)
        let late = try await second.issue(["n": 2])
        // The next key was known before, so its tokens are good already.
        #expect(first.verify(late) != nil)
        try await first.maintain()
        #expect(Set(first.list()) == Set(second.list()))
        #expect(first.verify(early) != nil)
        #expect(second.verify(early) != nil)
    }

    @Test("the key of tokens is replaced when it is old enough, once, whichever process looks")
    func due() async throws {
        let installation = try Installation(Settings().setting(SigningSettings.tokenRotationDays, to: 30))
        let first = try installation.open()
        let second = try installation.open()
        let start = try #require(first.list().first { $0.purpose == .token && $0.state == .active })
        installation.clock.advance(.days(30) - .seconds(1))
        try await first.maintain()
        #expect(first.list().contains { $0.id == start.id && $0.state == .active })
        installation.clock.advance(.seconds(1))
        try await first.maintain()
        try await second.maintain()
        #expect(Set(first.list()) == Set(second.list()))
        #expect(first.list().filter { $0.purpose == .token }.count == 3)
        #expect(first.list().contains { $0.id == start.id && $0.state == .retired })
    }

    @Test("racing rotations of one directory leave exactly one active key")
    func racing() async throws {
        let installation = try Installation()
        let rings = [try installation.open(), try installation.open(), try installation.open()]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for ring in rings { for _ in 0..<4 { group.addTask { try await ring.rotate(.journal) } } }
            try await group.waitForAll()
        }
        for ring in rings {
            try await ring.maintain()
            #expect(ring.list().filter { $0.purpose == .journal && $0.state == .active }.count == 1)
            #expect(ring.list().filter { $0.purpose == .journal && $0.state == .next }.count == 1)
            #expect(ring.list().filter { $0.purpose == .journal && $0.state == .retired }.count == 12)
        }
    }

    private func published(_ ring: KeyRing) -> [String] { (ring.jwks()["keys"]?.array ?? []).compactMap { $0["kid"]?.string } }
}

@Suite("The master key")
struct MasterKeyTests {
    private let bytes = Array(UInt8(100)..<132)

    @Test("comes from the environment before the file, in hexadecimal or either base64")
    func environment() throws {
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("master.key")
        let expected = MasterKey(bytes, source: .environment)
        for text in [
            Hex.encode(bytes), Hex.encode(bytes).uppercased(), Data(bytes).base64EncodedString(), Base64URL.encode(bytes),
            " \(Hex.encode(bytes))\n",
        ] {
            let key = try MasterKey.load(environment: text, file: file, keys: folder.url, entropy: SystemEntropy())
            #expect(key.source == .environment)
            #expect(key.derive("a").withBytes { Array($0) } == expected.derive("a").withBytes { Array($0) })
        }
        #expect(!FileManager.default.fileExists(atPath: file.path))
        for text in [
            "short", String(repeating: "0", count: 62), Data(bytes + [0]).base64EncodedString(), String(repeating: "g", count: 64),
        ] {
            #expect(throws: SigningFault.masterKeyMalformed(source: "CODITECT_MASTER_KEY")) {
                _ = try MasterKey.load(environment: text, file: file, keys: folder.url, entropy: SystemEntropy())
            }
        }
    }

    @Test("is made once, then read")
    func file() throws {
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("master.key")
        let made = try MasterKey.load(environment: "", file: file, keys: folder.url, entropy: SystemEntropy())
        let read = try MasterKey.load(environment: nil, file: file, keys: folder.url, entropy: SystemEntropy())
        #expect(made.source == .created(file.path))
        #expect(read.source == .file(file.path))
        #expect(made.derive("a").withBytes { Array($0) } == read.derive("a").withBytes { Array($0) })
        #expect(made.derive("a").withBytes { Array($0) } != read.derive("b").withBytes { Array($0) })
        let elsewhere = folder.url.appendingPathComponent("other/master.key")
        let other = try MasterKey.load(environment: nil, file: elsewhere, keys: folder.url, entropy: SystemEntropy())
        #expect(made.derive("a").withBytes { Array($0) } != other.derive("a").withBytes { Array($0) })
    }

    @Test("is never made anew beside keys that another one sealed")
    func lost() throws {
        let installation = try Installation()
        _ = try installation.open()
        let file = installation.directory.appendingPathComponent("master.key")
        try FileManager.default.removeItem(at: file)
        #expect(throws: SigningFault.masterKeyMissing(path: file.path)) {
            _ = try MasterKey.load(environment: nil, file: file, keys: installation.directory, entropy: SystemEntropy())
        }
        #expect(!FileManager.default.fileExists(atPath: file.path))
    }
}
