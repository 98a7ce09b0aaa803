import Foundation
import Synchronization
import Vocabulary

/// The keys of this installation: made at the first start, kept sealed under the master key, rotated without a pause.
///
/// All processes over one directory share the ring: each change is one locked, atomic replacement of `ring.json`, and
/// `maintain` takes over what another process changed. RSA-4096 is made in the background; who needs it waits for it.
package final class KeyRing: Signer, TokenSigner {
    typealias KeyMaker = @Sendable (KeyAlgorithm) throws -> AsymmetricKey

    struct State {
        var ring: Ring
        var mark: KeyFiles.Mark?
        var tokens: TokenVerifier
        /// Set once the RSA key is there or could not be made.
        var rsa: Result<Void, any Error>?
        var waiting: [CheckedContinuation<Void, any Error>] = []
        /// It is made for the first one who waits.
        var isRSADeferred = false
        var houses: (any KeyHouses)?
    }

    let directory: URL
    let file: RingFile
    let clock: any Clock
    let entropy: any Entropy
    let makeKey: KeyMaker
    let overlap: Duration
    let rotationDays: Int
    /// Where new keys are made: `file`, or the id of a key service.
    let homes: [KeyPurpose: String]
    private let sharedSecret: SharedSecret?
    private let tokenCache: Int
    private let pool: SignaturePool
    let state: Mutex<State>

    static func file(in directory: URL) -> URL { directory.appendingPathComponent("ring.json") }
    static func exists(in directory: URL) -> Bool { FileManager.default.fileExists(atPath: file(in: directory).path) }

    /// Opens or makes the ring in `directory` (`DATA/keys`). Blocks for some milliseconds: RSA, on the first start, is left to a thread.
    package static func open(
        directory: URL, masterKey: MasterKey, clock: any Clock, entropy: any Entropy, settings: Settings,
        rsaKey: RSAKeyMaking = .atOnce
    ) throws -> KeyRing {
        try open(directory: directory, masterKey: masterKey, clock: clock, entropy: entropy, settings: settings, rsaKey: rsaKey) {
            try .generate($0)
        }
    }

    /// `makeKey` for tests, which need many rings but not a new RSA key for each.
    static func open(
        directory: URL, masterKey: MasterKey, clock: any Clock, entropy: any Entropy, settings: Settings,
        rsaKey: RSAKeyMaking = .atOnce, makeKey: @escaping KeyMaker
    ) throws -> KeyRing {
        try KeyFiles.prepare(directory: directory)
        let file = RingFile(url: file(in: directory), masterKey: masterKey, entropy: entropy)
        let ring = try KeyFiles.exclusively(lock(in: directory)) {
            let found = try file.read()
            var ring = found ?? Ring()
            let now = clock.now()
            // Written also while it is empty: keys of a service come later.
            var isChanged = found == nil
            // What lies with a key service is made by `maintain`, once the service is there: no key is made in another place meanwhile.
            for purpose in KeyPurpose.allCases where purpose != .licenseRSA && homes(settings)[purpose] == SigningSettings.file {
                for state in [KeyState.active, .next] where !ring.entries.contains(where: { $0.purpose == purpose && $0.state == state }) {
                    ring.entries.append(RingEntry(FreshKey(key: try makeKey(purpose.algorithm)), purpose, state, now: now))
                    isChanged = true
                }
            }
            if isChanged { try file.write(ring) }
            return ring
        }
        let opened = try KeyRing(
            directory: directory, file: file, ring: ring, clock: clock, entropy: entropy, settings: settings, makeKey: makeKey)
        try opened.prepareRSA(rsaKey)
        return opened
    }

    private init(
        directory: URL, file: RingFile, ring: Ring, clock: any Clock, entropy: any Entropy, settings: Settings,
        makeKey: @escaping KeyMaker
    ) throws {
        self.entropy = entropy
        homes = Self.homes(settings)
        self.directory = directory
        self.file = file
        self.clock = clock
        self.makeKey = makeKey
        overlap = .seconds(Int64(settings[SigningSettings.tokenOverlapSeconds]))
        rotationDays = settings[SigningSettings.tokenRotationDays]
        sharedSecret = try SharedSecret(settings)
        tokenCache = settings[SigningSettings.tokenCache]
        let threads = settings[SigningSettings.rsaThreads]
        pool = SignaturePool(
            width: threads == 0 ? 2 * Processors.count : threads, depth: settings[SigningSettings.rsaQueue],
            cache: settings[SigningSettings.signatureCache])
        state = Mutex(
            State(
                ring: ring, mark: KeyFiles.mark(file.url.path),
                tokens: TokenVerifier(ring: ring, shared: sharedSecret, now: clock.now(), cache: tokenCache)))
    }
    deinit { pool.close() }

    // MARK: - Signer

    package func sign(_ message: [UInt8], _ purpose: KeyPurpose) async throws -> Signature {
        if purpose == .licenseRSA { try await ready() }
        let entry = try active(purpose)
        return Signature(keyID: entry.key.id, bytes: try await signature(message, entry))
    }

    private func active(_ purpose: KeyPurpose) throws -> RingEntry {
        if let entry = state.withLock({ $0.ring.active(purpose) }) { return entry }
        guard let place = homes[purpose], place != SigningSettings.file else { throw SigningFault.unknownKey(purpose.rawValue) }
        throw SigningFault.service(place, reason: "it has made no key for \(purpose.rawValue) yet")
    }

    private func signature(_ message: [UInt8], _ entry: RingEntry) async throws -> [UInt8] {
        let key = entry.key
        let place = SignaturePool.Key(keyID: key.id, digest: Digest.sha256(message))
        switch entry.home {
        case .file where key.algorithm != .rsaPSS: return try key.sign(message)
        case .file: return try await pool.result(for: place) { try key.sign(message) }
        case .service(let service, let name):
            guard let houses = state.withLock(\.houses) else { throw SigningFault.service(service, reason: "it is not at work") }
            return try await pool.remote(for: place, keeps: key.algorithm != .es256) {
                try await Self.signature(message, key, of: houses, service, name)
            }
        }
    }

    /// What leaves this house verifies, whoever made it, and has the one form that we accept.
    private static func signature(
        _ message: [UInt8], _ key: AsymmetricKey, of houses: any KeyHouses, _ service: String, _ name: String
    ) async throws -> [UInt8] {
        let made = try await houses.sign(message, key.algorithm, name: name, in: service)
        let bytes = key.algorithm == .es256 ? ECDSAForm.lowered(made) ?? [] : made
        guard key.verify(message, bytes) else {
            throw SigningFault.service(service, reason: "what it signed with \(name) is not verified by the key's public half")
        }
        return bytes
    }

    package func verify(_ message: [UInt8], _ signature: Signature, _ purpose: KeyPurpose) -> Bool {
        guard let entry = state.withLock({ $0.ring.entry(signature.keyID, purpose) }), entry.verifies(at: clock.now()) else { return false }
        return entry.key.verify(message, signature.bytes)
    }

    // MARK: - TokenSigner

    package func issue(_ claims: JSONValue) async throws -> String {
        if let sharedSecret { return try sharedSecret.issue(claims) }
        let entry = try active(.token)
        let message = try Token.message(claims, header: Token.header(entry.key.id))
        return try Token.token(message, try await signature(Array(message.utf8), entry))
    }

    package func verify(_ token: String) -> JSONValue? {
        let bytes = Array(token.utf8)
        guard bytes.count <= Token.maxBytes else { return nil }
        let digest = Digest.sha256(bytes)
        let now = clock.now()
        let (known, keys, generation) = state.withLock { ($0.tokens.known(digest, now: now), $0.tokens.keys, $0.tokens.generation) }
        if let known { return known }
        guard let found = Token.verify(bytes, keys: keys, now: now) else { return nil }
        state.withLock { if $0.tokens.generation == generation { $0.tokens.remember(digest, found) } }
        return found.claims
    }

    // MARK: - Public keys

    /// RFC 7517: every key that verifies access tokens, the next one included. Never a shared secret.
    package func jwks() -> JSONValue {
        let now = clock.now()
        let keys = state.withLock { $0.ring.entries.filter { $0.purpose == .token && $0.verifies(at: now) } }
        return ["keys": .array(keys.map { .object(Self.members($0, ["alg": "ES256", "use": "sig"])) })]
    }

    /// Every key that verifies licences and journals offline.
    package func licenseKeysDocument() -> JSONValue {
        let now = clock.now()
        let keys = state.withLock { $0.ring.entries.filter { $0.purpose != .token && $0.verifies(at: now) } }
        return [
            "keys": .array(
                keys.map { entry in
                    var extra: [String: JSONValue] = [
                        "purpose": .string(entry.purpose.rawValue), "state": .string(entry.state.rawValue),
                        "scheme": .string(entry.key.algorithm.rawValue), "use": "sig",
                    ]
                    if entry.key.algorithm == .rsaPSS { extra["salt_length_bytes"] = 478 }
                    if let pem = try? entry.key.publicPEM() { extra["pem"] = .string(pem) }
                    return .object(Self.members(entry, extra))
                })
        ]
    }

    private static func members(_ entry: RingEntry, _ extra: [String: JSONValue]) -> [String: JSONValue] {
        entry.key.jwk.mapValues(JSONValue.string).merging(["kid": .string(entry.key.id)]) { first, _ in first }
            .merging(extra) { first, _ in first }
    }

    // MARK: - Changing

    static func lock(in directory: URL) -> URL { directory.appendingPathComponent(".lock") }

    /// Reads what is on disk, applies `body`, writes it, and only then lets this process see it.
    @discardableResult func change<Value>(_ body: (inout Ring, Timestamp) throws -> Value) throws -> Value {
        try KeyFiles.exclusively(Self.lock(in: directory)) {
            guard var ring = try file.read() else { throw SigningFault.file(path: file.url.path, reason: "the ring is gone") }
            let value = try body(&ring, clock.now())
            try file.write(ring)
            try adopt(ring)
            return value
        }
    }

    func reload() throws {
        guard let ring = try file.read() else { throw SigningFault.file(path: file.url.path, reason: "the ring is gone") }
        try adopt(ring)
    }

    private func adopt(_ ring: Ring) throws {
        let now = clock.now()
        let mark = KeyFiles.mark(file.url.path)
        state.withLock { state in
            state.ring = ring
            state.mark = mark
            state.tokens = TokenVerifier(
                ring: ring, shared: sharedSecret, now: now, cache: tokenCache, generation: state.tokens.generation + 1)
        }
        try publish(ring)
    }

    private func publish(_ ring: Ring) throws {
        guard let key = ring.active(.licenseRSA)?.key else { return }
        let target = directory.appendingPathComponent("license-public.pem")
        let pem = try key.publicPEM()
        if let present = try? String(contentsOf: target, encoding: .utf8), present == pem { return }
        try KeyFiles.write(Array(pem.utf8), to: target, mode: 0o644)
    }

    private func prepareRSA(_ making: RSAKeyMaking) throws {
        let ring = state.withLock { $0.ring }
        if ring.active(.licenseRSA) != nil {
            try publish(ring)
            return settle(.success(()))
        }
        guard homes[.licenseRSA] == SigningSettings.file else { return settle(.success(())) }
        switch making {
        case .atOnce: makeRSA()
        case .whenAsked: state.withLock { $0.isRSADeferred = true }
        }
    }

    func makeRSA() {
        Self.onThread { [weak self, makeKey] in
            let result = Result { try makeKey(.rsaPSS) }
            guard let self else { return }
            self.settle(
                Result {
                    let key = try result.get()
                    try self.change { ring, now in
                        // Another process may have been first.
                        if ring.active(.licenseRSA) == nil {
                            ring.entries.append(RingEntry(FreshKey(key: key), .licenseRSA, .active, now: now))
                        }
                    }
                })
        }
    }

    private func settle(_ result: Result<Void, any Error>) {
        let waiters = state.withLock { state in
            state.rsa = result
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiters { waiter.resume(with: result) }
    }

    private static func onThread(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = "key generation"
        thread.start()
    }

    static func offPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { waiter in onThread { waiter.resume(with: Result { try body() }) } }
    }
}
