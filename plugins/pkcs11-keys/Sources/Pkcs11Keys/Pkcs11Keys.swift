import Foundation
import PluginKit
import Synchronization

/// Keys that lie in an HSM and sign there, through the PKCS#11 module of its maker.
public struct Pkcs11Keys: Plugin {
    public let id = "pkcs11-keys"
    public init() {}

    public func validate(_ settings: PluginSettings) throws {
        let module = try settings.text("module")
        guard module.hasPrefix("/") else {
            throw PluginRefusal("The setting module is a path from the root, like /usr/lib/softhsm/libsofthsm2.so.")
        }
        guard settings["token_label"] != nil || settings["token_serial"] != nil else {
            throw PluginRefusal("Name the token: set token_label, token_serial or both.")
        }
        _ = try KeyKind.list(try settings.text("algorithms"))
    }

    public func make(_ context: PluginContext) async throws -> any PluginInstance {
        let settings = context.settings
        let terms = TokenTerms(
            label: settings["token_label"]?.string, serial: settings["token_serial"]?.string,
            kinds: try KeyKind.list(try settings.text("algorithms")), pin: try context.secrets.one("PKCS11_PIN"))
        let path = try settings.text("module")
        return TokenKeys(
            terms, sessions: try settings.integer("sessions"), queue: try settings.integer("queue"), clock: context.clock, log: context.log
        ) { try LoadedModule.load(path) }
    }
}

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(Pkcs11Keys()) }

/// The plugin at work with one token.
final class TokenKeys: PluginInstance, KeyService {
    private struct State {
        var pool: SessionPool?
        var watch: Task<Void, Never>?
        var isAway = false
    }
    private let terms: TokenTerms
    private let sessions: Int
    private let queue: Int
    private let clock: any PluginClock
    private let log: any PluginLog
    private let load: @Sendable () throws -> any TokenModule
    private let standing = TokenStanding()
    private let state = Mutex(State())

    init(
        _ terms: TokenTerms, sessions: Int, queue: Int, clock: any PluginClock, log: any PluginLog,
        load: @escaping @Sendable () throws -> any TokenModule
    ) {
        self.terms = terms
        self.sessions = sessions
        self.queue = queue
        self.clock = clock
        self.log = log
        self.load = load
    }

    var keyService: (any KeyService)? { self }
    var algorithms: Set<SigningAlgorithm> { Set(terms.kinds.map(\.algorithm)) }

    // MARK: - Life

    func start() async throws {
        let module = try await loaded()
        let pool = SessionPool(width: sessions, depth: queue, clock: clock) { [terms, standing, clock] in
            TokenSession(module, terms, standing) { clock.now() }
        }
        let watch = Task { [clock] in
            while !Task.isCancelled, (try? await clock.sleep(for: .seconds(1))) != nil { pool.sweep() }
        }
        state.withLock { state in
            state.pool = pool
            state.watch = watch
        }
        do { try await probe() } catch let error as KeyServiceError where !error.isPassing {
            // What only an operator can mend is a reason not to start; a token that is away may come back.
            throw PluginRefusal(Self.sentence(error))
        } catch {}
    }

    /// A library may do what it likes while it is loaded, so a thread waits for it, not Swift's pool.
    private func loaded() async throws -> any TokenModule {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { [load] in continuation.resume(with: Result { try load() }) }
        }
    }

    func stop() async {
        let (pool, watch) = state.withLock { ($0.pool, $0.watch) }
        pool?.close()
        pool?.sweep()
        watch?.cancel()
        await pool?.ended()
    }

    private static func sentence(_ error: KeyServiceError) -> String {
        if case .refused(let reason) = error { return reason.prefix(1).uppercased() + reason.dropFirst() + "." }
        return "\(error)."
    }

    // MARK: - Key service

    func makeKey(_ request: KeyRequest) async throws -> ServiceKey {
        let kind = try kind(request.algorithm, request.name)
        return try await run(KeyServiceLimits.makingSeconds) { [making] session in
            // One at a time: two at once would both find that there is none of this name.
            making.lock()
            defer { making.unlock() }
            return try session.make(kind, named: request.name)
        }
    }
    let making = NSLock()

    func readKey(_ name: String) async throws -> ServiceKey {
        try check(name)
        return try await run { try $0.read(name) }
    }
    func listKeys(prefix: String, after: String?) async throws -> [ServiceKey] {
        try await run { try $0.list(prefix: prefix, after: after) }
    }

    func sign(_ request: SigningRequest) async throws -> Data {
        let kind = try kind(request.algorithm, request.key)
        let data: [UInt8]
        switch (request.input, kind) {
        case (.message(let message), .ed25519): data = [UInt8](message)
        case (.message(let message), _): data = [UInt8](PluginDigest.sha256(message))
        case (.digest, .ed25519): throw KeyServiceError.refused("Ed25519 signs messages, not digests")
        case (.digest(let digest), _) where digest.count == 32: data = [UInt8](digest)
        default: throw KeyServiceError.refused("a digest has 32 bytes")
        }
        guard data.count <= KeyServiceLimits.maxMessageBytes else { throw KeyServiceError.refused("the message is too large") }
        let signature = try await run { try $0.sign(data, kind, key: request.key) }
        guard signature.count == request.algorithm.signatureBytes else {
            throw KeyServiceError.refused("the HSM made a signature of \(signature.count) bytes")
        }
        return Data(signature)
    }

    func probe() async throws {
        do {
            try await run { try $0.probe() }
            tell(nil)
        } catch {
            tell("\(error)")
            throw error
        }
    }

    /// Once for each change.
    private func tell(_ fault: String?) {
        let isNews = state.withLock { state in
            defer { state.isAway = fault != nil }
            return state.isAway != (fault != nil)
        }
        guard isNews else { return }
        if let fault { log.error("The HSM cannot sign: \(fault)") } else { log.info("The HSM signs again.") }
    }

    func run<Value: Sendable>(
        _ seconds: Int = KeyServiceLimits.answerSeconds, _ work: @escaping @Sendable (TokenSession) throws -> Value
    ) async throws -> Value {
        guard let pool = state.withLock(\.pool) else { throw KeyServiceError.unavailable("the plugin is not started") }
        return try await pool.run(seconds, work)
    }
    private func kind(_ algorithm: SigningAlgorithm, _ name: String) throws -> KeyKind {
        try check(name)
        guard let kind = KeyKind(algorithm), terms.kinds.contains(kind) else { throw KeyServiceError.notSupported(algorithm) }
        return kind
    }
    func check(_ name: String) throws {
        if let fault = KeyServiceLimits.fault(inName: name) { throw KeyServiceError.refused(fault) }
    }
}
