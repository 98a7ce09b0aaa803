import Foundation
import Synchronization
import Vocabulary

/// The keys of this installation: made at the first start, kept sealed under the master key, rotated without a pause.
///
/// All processes over one directory share the ring: each change is one locked, atomic replacement of `ring.json`, and
/// `maintain` takes over what another process changed. RSA-4096 is made in the background; who needs it waits for it.
package final class KeyRing: Signer, TokenSigner {
    typealias KeyMaker = @Sendable (KeyAlgorithm) throws -> AsymmetricKey

    private struct State {
        var ring: Ring
        var mark: KeyFiles.Mark?
        var tokens: TokenVerifier
        /// Set once the RSA key is there or could not be made.
        var rsa: Result<Void, any Error>?
        var waiting: [CheckedContinuation<Void, any Error>] = []
    }

    private let directory: URL
    private let file: RingFile
    private let clock: any Clock
    private let makeKey: KeyMaker
    private let overlap: Duration
    private let rotationDays: Int
    private let sharedSecret: SharedSecret?
    private let tokenCache: Int
    private let pool: SignaturePool
    private let state: Mutex<State>

    static func file(in directory: URL) -> URL { directory.appendingPathComponent("ring.json") }
    static func exists(in directory: URL) -> Bool { FileManager.default.fileExists(atPath: file(in: directory).path) }

    /// Opens or makes the ring in `directory` (`DATA/keys`). Blocks for some milliseconds: RSA, on the first start, is left to a thread.
    package static func open(
        directory: URL, masterKey: MasterKey, clock: any Clock, entropy: any Entropy, settings: Settings
    ) throws -> KeyRing {
        try open(directory: directory, masterKey: masterKey, clock: clock, entropy: entropy, settings: settings) { try .generate($0) }
    }

    /// `makeKey` for tests, which need many rings but not a new RSA key for each.
    static func open(
        directory: URL, masterKey: MasterKey, clock: any Clock, entropy: any Entropy, settings: Settings, makeKey: @escaping KeyMaker
    ) throws -> KeyRing {
        try KeyFiles.prepare(directory: directory)
        let file = RingFile(url: file(in: directory), masterKey: masterKey, entropy: entropy)
        let ring = try KeyFiles.exclusively(lock(in: directory)) {
            var ring = try file.read() ?? Ring()
            let now = clock.now()
            var isChanged = false
            for purpose in KeyPurpose.allCases where purpose != .licenseRSA {
                for state in [KeyState.active, .next] where !ring.entries.contains(where: { $0.purpose == purpose && $0.state == state }) {
                    ring.entries.append(RingEntry(try makeKey(purpose.algorithm), purpose, state, now: now))
                    isChanged = true
                }
            }
            if isChanged { try file.write(ring) }
            return ring
        }
        let opened = try KeyRing(directory: directory, file: file, ring: ring, clock: clock, settings: settings, makeKey: makeKey)
        try opened.prepareRSA()
        return opened
    }

    private init(directory: URL, file: RingFile, ring: Ring, clock: any Clock, settings: Settings, makeKey: @escaping KeyMaker) throws {
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
            width: threads == 0 ? ProcessInfo.processInfo.activeProcessorCount : threads, depth: settings[SigningSettings.rsaQueue],
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
        guard let key = state.withLock({ $0.ring.active(purpose)?.key }) else { throw SigningFault.unknownKey(purpose.rawValue) }
        guard key.algorithm == .rsaPSS else { return Signature(keyID: key.id, bytes: try key.sign(message)) }
        let bytes = try await pool.result(for: .init(keyID: key.id, digest: Digest.sha256(message))) { try key.sign(message) }
        return Signature(keyID: key.id, bytes: bytes)
    }

    package func verify(_ message: [UInt8], _ signature: Signature, _ purpose: KeyPurpose) -> Bool {
        guard let entry = state.withLock({ $0.ring.entry(signature.keyID, purpose) }), entry.verifies(at: clock.now()) else { return false }
        return entry.key.verify(message, signature.bytes)
    }

    // MARK: - TokenSigner

    package func issue(_ claims: JSONValue) async throws -> String {
        if let sharedSecret { return try sharedSecret.issue(claims) }
        guard let key = state.withLock({ $0.ring.active(.token)?.key }) else { throw SigningFault.unknownKey("token") }
        return try Token.issue(claims, header: Token.header(key.id)) { try key.sign($0) }
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

    // MARK: - Operators

    package func list() -> [KeyInfo] { state.withLock { $0.ring.entries.map(\.info) } }

    /// Waits until the RSA key is there: only after a first start, and then for a second or some.
    package func ready() async throws {
        try await withCheckedThrowingContinuation { waiter in
            let result = state.withLock { state -> Result<Void, any Error>? in
                if state.rsa == nil { state.waiting.append(waiter) }
                return state.rsa
            }
            if let result { waiter.resume(with: result) }
        }
    }

    /// The prepared key takes over at once; what the old one signed stays valid: tokens for `signing.token_overlap_seconds`,
    /// licences and checkpoints for good. A new key is prepared and published, except for RSA, whose next key `prepare` makes.
    @discardableResult package func rotate(_ purpose: KeyPurpose) async throws -> KeyInfo {
        if purpose == .licenseRSA { try await ready() }
        // Made before the lock is taken, as RSA takes its time.
        let needed = state.withLock { $0.ring.next(purpose) == nil }
        let fresh = needed ? try await Self.offPool { [makeKey] in try makeKey(purpose.algorithm) } : nil
        return try change { ring, now in
            try ring.rotate(purpose, fresh: fresh, overlap: purpose == .token ? overlap : nil, now: now)
            if purpose != .licenseRSA { ring.entries.append(RingEntry(try makeKey(purpose.algorithm), purpose, .next, now: now)) }
            guard let active = ring.active(purpose) else { throw SigningFault.unknownKey(purpose.rawValue) }
            return active.info
        }
    }

    /// Makes and publishes the key that the next rotation will use, so that clients can learn it before.
    @discardableResult package func prepare(_ purpose: KeyPurpose) async throws -> KeyInfo {
        if purpose == .licenseRSA { try await ready() }
        if let next = state.withLock({ $0.ring.next(purpose)?.info }) { return next }
        let fresh = try await Self.offPool { [makeKey] in try makeKey(purpose.algorithm) }
        return try change { ring, now in
            if let next = ring.next(purpose) { return next.info }
            let entry = RingEntry(fresh, purpose, .next, now: now)
            ring.entries.append(entry)
            return entry.info
        }
    }

    /// After a key was compromised: it verifies nothing any more. An active key is replaced first.
    package func retire(_ id: String) async throws {
        guard let info = list().first(where: { $0.id == id }) else { throw SigningFault.unknownKey(id) }
        if info.state == .active { try await rotate(info.purpose) }
        try change { ring, now in
            try ring.retire(id, now: now)
            if info.state == .next, info.purpose != .licenseRSA {
                ring.entries.append(RingEntry(try makeKey(info.purpose.algorithm), info.purpose, .next, now: now))
            }
        }
    }

    /// To be called every minute or so: takes over what another process changed, rotates the key of tokens when it is due,
    /// forgets keys whose overlap is over.
    package func maintain() async throws {
        if KeyFiles.mark(file.url.path) != state.withLock({ $0.mark }) {
            try KeyFiles.exclusively(Self.lock(in: directory)) { try reload() }
        }
        let now = clock.now()
        let (age, isStale) = state.withLock { state in
            let since = state.ring.active(.token).flatMap { $0.activatedAt }
            return (since.map { now - $0 }, state.ring.entries.contains { $0.purpose == .token && !$0.verifies(at: now) })
        }
        if isStale { try change { ring, now in ring.forget(now: now) } }
        guard rotationDays > 0, let age, age >= .days(Int64(rotationDays)) else { return }
        try change { ring, now in
            // Read again under the lock: another process may have been first.
            guard let since = ring.active(.token)?.activatedAt, now - since >= .days(Int64(rotationDays)) else { return }
            try ring.rotate(.token, fresh: try makeKey(.es256), overlap: overlap, now: now)
            if ring.next(.token) == nil { ring.entries.append(RingEntry(try makeKey(.es256), .token, .next, now: now)) }
        }
    }

    /// Maintains once a minute until cancelled. A failure is told and tried again: the keys at hand go on signing.
    package func run(log: @escaping @Sendable (String) -> Void) async {
        while !Task.isCancelled {
            do { try await maintain() } catch { log("keys: \(error)") }
            try? await Task.sleep(for: .seconds(60))
        }
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

    private static func lock(in directory: URL) -> URL { directory.appendingPathComponent(".lock") }

    /// Reads what is on disk, applies `body`, writes it, and only then lets this process see it.
    @discardableResult private func change<Value>(_ body: (inout Ring, Timestamp) throws -> Value) throws -> Value {
        try KeyFiles.exclusively(Self.lock(in: directory)) {
            guard var ring = try file.read() else { throw SigningFault.file(path: file.url.path, reason: "the ring is gone") }
            let value = try body(&ring, clock.now())
            try file.write(ring)
            try adopt(ring)
            return value
        }
    }

    private func reload() throws {
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

    private func prepareRSA() throws {
        let ring = state.withLock { $0.ring }
        if ring.active(.licenseRSA) != nil {
            try publish(ring)
            return settle(.success(()))
        }
        Self.onThread { [weak self, makeKey] in
            let result = Result { try makeKey(.rsaPSS) }
            guard let self else { return }
            self.settle(
                Result {
                    let key = try result.get()
                    try self.change { ring, now in
                        // Another process may have been first.
                        if ring.active(.licenseRSA) == nil { ring.entries.append(RingEntry(key, .licenseRSA, .active, now: now)) }
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

    private static func offPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { waiter in onThread { waiter.resume(with: Result { try body() }) } }
    }
}
