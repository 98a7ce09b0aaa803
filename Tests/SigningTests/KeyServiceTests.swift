import Foundation
import Synchronization
import Testing
import Vocabulary

@testable import Signing

/// Key services as the ring sees them, with real keys and every way of failing.
final class Houses: KeyHouses {
    struct State {
        var keys: [String: AsymmetricKey] = [:]
        var away: Set<String> = []
        var asked = 0
        var spoil: (@Sendable ([UInt8]) -> [UInt8])?
        var given: [UInt8]?
        var held: [CheckedContinuation<Void, Never>]?
        var arrivals: [(count: Int, CheckedContinuation<Void, Never>)] = []
    }
    let state = Mutex(State())
    private let rsaKeys = TwoRSAKeys()

    func setAway(_ service: String, _ isAway: Bool) {
        state.withLock { if isAway { $0.away.insert(service) } else { $0.away.remove(service) } }
    }
    func make(_ algorithm: KeyAlgorithm, name: String, in service: String) async throws -> [UInt8] {
        try check(service)
        let key = algorithm == .rsaPSS ? try rsaKeys.next() : try AsymmetricKey.generate(algorithm)
        state.withLock { $0.keys["\(service)/\(name)"] = key }
        return try state.withLock(\.given) ?? key.publicDER()
    }
    func sign(_ message: [UInt8], _ algorithm: KeyAlgorithm, name: String, in service: String) async throws -> [UInt8] {
        await hold()
        state.withLock { $0.asked += 1 }
        try check(service)
        let (key, spoil) = state.withLock { ($0.keys["\(service)/\(name)"], $0.spoil) }
        guard let key else { throw SigningFault.service(service, reason: "there is no key \(name)") }
        let made = try key.sign(message)
        return spoil?(made) ?? made
    }
    func fault(of service: String, keys: [String]) async -> String? {
        if state.withLock({ $0.away.contains(service) }) { return "away" }
        return keys.first { name in state.withLock { $0.keys["\(service)/\(name)"] == nil } }.map { "no \($0)" }
    }
    private func check(_ service: String) throws {
        if state.withLock({ $0.away.contains(service) }) { throw SigningFault.service(service, reason: "away") }
    }

    // MARK: Signatures that wait

    func holdAll() { state.withLock { $0.held = [] } }
    func release() {
        let held = state.withLock { state in
            defer { state.held = nil }
            return state.held ?? []
        }
        for waiter in held { waiter.resume() }
    }
    /// Returns once so many wait.
    func waiting(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.held?.count ?? 0 >= count { return true }
                state.arrivals.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
    private func hold() async {
        await withCheckedContinuation { continuation in
            let (isHeld, told) = state.withLock { state -> (Bool, [CheckedContinuation<Void, Never>]) in
                guard state.held != nil else { return (false, []) }
                state.held?.append(continuation)
                let count = state.held?.count ?? 0
                defer { state.arrivals.removeAll { $0.count <= count } }
                return (true, state.arrivals.filter { $0.count <= count }.map(\.1))
            }
            for waiter in told { waiter.resume() }
            if !isHeld { continuation.resume() }
        }
    }
}

@Suite struct KeyServiceTests {
    private static let all = ["token", "license_rsa", "license", "journal"]
    private static func settings(_ place: String, _ purposes: [String] = all, _ more: [String: String] = [:]) -> Settings {
        var values = more
        for purpose in purposes { values["signing.\(purpose)_keys"] = place }
        return Settings(values)
    }

    @Test(
        "from the file to one service, to another and back, while signatures are made without a pause",
        arguments: [KeyPurpose.token, .license, .journal])
    func rotates(_ purpose: KeyPurpose) async throws {
        let installation = try Installation()
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        try await ring.ready()
        let isOver = Mutex(false)
        let signer = Task {
            var made: [(message: [UInt8], signature: Signature)] = []
            while !isOver.withLock({ $0 }) {
                let message = Array("message \(made.count)".utf8)
                made.append((message, try await ring.sign(message, purpose)))
                await Task.yield()
            }
            return made
        }
        var homes = [try await ring.sign([1], purpose).keyID]
        for place in ["hsm-a", "hsm-b", "file"] {
            let next = try await ring.prepare(purpose, in: place)
            #expect(next.state == .next && next.home.place == place)
            let published = (ring.jwks()["keys"]?.array ?? []) + (ring.licenseKeysDocument()["keys"]?.array ?? [])
            #expect(published.contains { $0["kid"]?.string == next.id }, "the next key is published before it signs")
            let active = try await ring.rotate(purpose, to: place)
            #expect(active.id == next.id && active.home == next.home)
            let signature = try await ring.sign([2], purpose)
            #expect(signature.keyID == active.id)
            homes.append(active.id)
        }
        isOver.withLock { $0 = true }
        let made = try await signer.value
        for (message, signature) in made { #expect(ring.verify(message, signature, purpose)) }
        #expect(Set(homes).count == 4 && ring.list().filter { $0.purpose == purpose && $0.state == .retired }.count == 3)
        // What is in the file is enough to go on and to verify, without any service.
        let again = try installation.open()
        for (message, signature) in made { #expect(again.verify(message, signature, purpose)) }
    }

    @Test("a token that a service signed is verified here, and is of the one form that is ours, whichever s the service made")
    func tokens() async throws {
        let installation = try Installation(Self.settings("hsm", ["token"]))
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        #expect(ring.lacksKeys)
        await #expect(throws: SigningFault.service("hsm", reason: "it has made no key for token yet")) {
            _ = try await ring.issue(["sub": "a"])
        }
        try await ring.maintain()
        #expect(!ring.lacksKeys && ring.list().filter { $0.purpose == .token }.map(\.home.place) == ["hsm", "hsm"])
        houses.state.withLock { $0.spoil = { Array($0[..<32]) + ECDSAForm.negated(Array($0[32...])) } }
        let token = try await ring.issue(["sub": "a"])
        #expect(ring.verify(token) == ["sub": "a"])
    }

    @Test("a service that is away costs its own signatures an error that passes, and nothing falls back to another key")
    func away() async throws {
        let installation = try Installation(Self.settings("hsm", ["license"]))
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        try await ring.maintain()
        let key = try await ring.sign([1], .license).keyID
        houses.setAway("hsm", true)
        // The RSA key of a new ring is made beside it.
        try await ring.ready()
        let before = ring.list()
        for _ in 0..<3 {
            let error = await #expect(throws: SigningFault.self) { _ = try await ring.sign([2], .license) }
            #expect(error?.isPassing == true && error?.problem.code == "signing_unavailable" && error?.problem.status == 503)
        }
        await #expect(throws: SigningFault.service("hsm", reason: "away")) { try await ring.rotate(.license) }
        await #expect(throws: SigningFault.service("hsm", reason: "away")) { try await ring.prepare(.journal, in: "hsm") }
        let faults = await ring.serviceFaults()
        #expect(ring.list() == before && faults.map(\.fault) == ["away"])
        let other = try await ring.sign([2], .journal)
        #expect(other.keyID != key, "the others go on")
        houses.setAway("hsm", false)
        let again = try await ring.sign([2], .license)
        let none = await ring.serviceFaults()
        #expect(again.keyID == key && none.isEmpty)
    }

    @Test("a first start without its service makes no key anywhere else, and makes them when it is there")
    func firstStart() async throws {
        let installation = try Installation(Self.settings("hsm"))
        let houses = Houses()
        houses.setAway("hsm", true)
        let ring = try installation.open()
        await #expect(throws: SigningFault.service("hsm", reason: "it is not at work")) { try await ring.maintain() }
        ring.use(houses)
        await #expect(throws: SigningFault.service("hsm", reason: "away")) { try await ring.maintain() }
        #expect(ring.list().isEmpty)
        houses.setAway("hsm", false)
        try await ring.maintain()
        for purpose in KeyPurpose.allCases {
            let signature = try await ring.sign([7], purpose)
            #expect(ring.verify([7], signature, purpose))
        }
        #expect(ring.list().allSatisfy { $0.home.place == "hsm" } && ring.list().count == 7)
        let pem = try String(contentsOf: installation.directory.appendingPathComponent("license-public.pem"), encoding: .utf8)
        #expect(pem.hasPrefix("-----BEGIN PUBLIC KEY-----"), "the RSA key is published as a file, wherever it lies")
    }

    @Test("where new keys belong elsewhere, the next one is prepared there, and only a rotation lets it sign")
    func moves() async throws {
        let installation = try Installation()
        let before = try installation.open()
        try await before.ready()
        let active = Dictionary(uniqueKeysWithValues: before.list().filter { $0.state == .active }.map { ($0.purpose, $0.id) })
        let ring = try KeyRing.open(
            directory: installation.directory, masterKey: installation.masterKey, clock: installation.clock, entropy: SystemEntropy(),
            settings: Self.settings("hsm"))
        ring.use(Houses())
        try await ring.maintain()
        for purpose in KeyPurpose.allCases {
            let keys = ring.list().filter { $0.purpose == purpose }
            #expect(
                keys.filter { $0.state == .active }.map(\.id) == [active[purpose]]
                    && keys.filter { $0.state == .next }.map(\.home.place) == ["hsm"])
        }
        let listed = ring.list()
        try await ring.maintain()
        #expect(ring.list() == listed, "there is nothing more to do")
    }

    @Test("the key of tokens that is due is replaced by one in its place, and stays while its service is away")
    func due() async throws {
        let installation = try Installation(Self.settings("hsm", ["token"], ["signing.token_rotation_days": "30"]))
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        try await ring.maintain()
        let old = try #require(ring.list().first { $0.purpose == .token && $0.state == .active })
        installation.clock.advance(.days(31))
        houses.setAway("hsm", true)
        await #expect(throws: SigningFault.self) { try await ring.maintain() }
        #expect(ring.list().contains { $0.id == old.id && $0.state == .active })
        houses.setAway("hsm", false)
        try await ring.maintain()
        let new = ring.list().filter { $0.purpose == .token }
        #expect(new.first { $0.state == .active }?.id != old.id && new.allSatisfy { $0.home.place == "hsm" } && new.count == 3)
    }

    @Test("what a service answers wrongly never leaves: no signature, another message's, another key's, cut or empty")
    func spoilt() async throws {
        let installation = try Installation(Self.settings("hsm"))
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        try await ring.maintain()
        let spoils: [@Sendable ([UInt8]) -> [UInt8]] = [
            { _ in [] }, { Array($0.dropLast()) }, { $0 + [0] }, { [$0[0] ^ 1] + $0.dropFirst() },
            { [UInt8](repeating: 0, count: $0.count) },
        ]
        for purpose in KeyPurpose.allCases {
            for (number, spoil) in spoils.enumerated() {
                houses.state.withLock { $0.spoil = spoil }
                let error = await #expect(throws: SigningFault.self) { _ = try await ring.sign([UInt8(number)], purpose) }
                #expect(error?.isPassing == true)
            }
            houses.state.withLock { $0.spoil = nil }
            let signature = try await ring.sign([0], purpose)
            #expect(ring.verify([0], signature, purpose), "a failure is not kept")
        }
    }

    @Test("a service's public key is taken only if it is one of this very kind")
    func foreignKeys() async throws {
        let installation = try Installation()
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        let edwards = try AsymmetricKey.generate(.ed25519).publicDER()
        let p256 = try AsymmetricKey.generate(.es256).publicDER()
        // X25519 and secp256k1 are as long as what we use.
        let x25519 = Array(edwards).enumerated().map { $0.offset == 8 ? 0x6e : $0.element }
        for (purpose, form) in [
            (KeyPurpose.license, p256), (.token, edwards), (.licenseRSA, edwards), (.license, x25519), (.token, []), (.token, [0x30]),
            (.token, p256 + [0]), (.license, Array(edwards.dropLast())),
        ] {
            houses.state.withLock { $0.given = form }
            await #expect(throws: SigningFault.self) { try await ring.rotate(purpose, to: "hsm") }
        }
        #expect(ring.list().allSatisfy { $0.home == .file })
    }

    @Test("equal messages are asked for once, and more at a time than may wait are told to come back")
    func bounded() async throws {
        let installation = try Installation(Self.settings("hsm", ["license"], ["signing.rsa_queue": "3"]))
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        try await ring.maintain()
        houses.holdAll()
        async let first = ring.sign([1], .license)
        async let second = ring.sign([1], .license)
        async let third = ring.sign([2], .license)
        async let fourth = ring.sign([3], .license)
        await houses.waiting(3)
        await #expect(throws: SigningFault.busy) { _ = try await ring.sign([4], .license) }
        houses.release()
        let made = try await [first, second, third, fourth]
        #expect(made[0] == made[1] && houses.state.withLock(\.asked) == 3)
        let last = try await ring.sign([4], .license)
        #expect(last.bytes.count == 64)
        _ = try await ring.sign([1], .license)
        #expect(houses.state.withLock(\.asked) == 4, "what was signed lately is not asked for again")
    }

    @Test("the ring's file holds no more of a service's key than its name and public half, and a changed one is refused")
    func file() async throws {
        let installation = try Installation(Self.settings("hsm", ["journal"]))
        let ring = try installation.open()
        ring.use(Houses())
        try await ring.ready()  // else its RSA key is written over what is changed below
        try await ring.maintain()
        let file = KeyRing.file(in: installation.directory)
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text.contains(#""version":2"#) && text.contains(#""service":"hsm""#))
        for (old, new) in [(#""service":"hsm""#, #""service":"hsn""#), ("coditect-journal-", "coditect-juornal-")] {
            try Data(text.replacing(old, with: new).utf8).write(to: file)
            #expect(throws: SigningFault.otherMasterKey(path: file.path)) { try installation.open() }
        }
        try Data(text.utf8).write(to: file)
        let again = try installation.open()
        #expect(again.list() == ring.list())
    }

    @Test("a compromised key in a service retires at once, and its successor may lie in the file")
    func retires() async throws {
        let installation = try Installation(Self.settings("hsm", ["license"]))
        let houses = Houses()
        let ring = try installation.open()
        ring.use(houses)
        try await ring.maintain()
        let signature = try await ring.sign([1], .license)
        houses.setAway("hsm", true)
        try await ring.retire(signature.keyID, to: "file")
        #expect(!ring.verify([1], signature, .license))
        let active = try #require(ring.list().first { $0.purpose == .license && $0.state == .active })
        let next = try await ring.sign([1], .license)
        #expect(active.home == .file && next.keyID == active.id)
    }
}
