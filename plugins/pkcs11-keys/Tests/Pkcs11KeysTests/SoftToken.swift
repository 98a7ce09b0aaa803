import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import Pkcs11Keys

/// Debian's softhsm2 with a folder of its own. One for the process, as the module reads its settings once.
enum SoftHSM {
    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let pin = "482916"
    static let label = "conformance"

    static let folder: URL = {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pkcs11-\(UUID().uuidString)")
        let tokens = folder.appendingPathComponent("tokens")
        let file = folder.appendingPathComponent("softhsm2.conf")
        try? FileManager.default.createDirectory(at: tokens, withIntermediateDirectories: true)
        try? Data("directories.tokendir = \(tokens.path)\nobjectstore.backend = file\nlog.level = ERROR\n".utf8).write(to: file)
        setenv("SOFTHSM2_CONF", file.path, 1)
        atexit { try? FileManager.default.removeItem(at: SoftHSM.folder) }
        for label in [label, "twins", "twins"] { make(label, in: folder) }
        return folder
    }()

    static func make(_ label: String, in folder: URL) {
        _ = try? run("softhsm2-util", ["--init-token", "--free", "--label", label, "--so-pin", "0000000", "--pin", pin])
    }

    /// What a program prints on both its outputs; throws where it fails.
    @discardableResult
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw PluginRefusal("\(program) ended with \(process.terminationStatus): \(text)") }
        return text
    }
}

/// A real module whose answers a test spoils: a token that is gone, calls that fail with a code or do not come back.
final class SpoiltModule: TokenModule {
    struct State {
        var isAway = false
        var isHanging = false
        var held: [DispatchSemaphore] = []
        var sessions: [SessionHandle] = []
        /// Thrown once each, by the call of that name.
        var faults: [(call: String, code: UInt)] = []
        var calls: [String] = []
        var beginnings = 0
        var lacks: KeyKind?
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    let real: LoadedModule
    let state = Mutex(State())
    init() throws {
        _ = SoftHSM.folder
        real = try LoadedModule.load(SoftHSM.module)
    }
    func fail(_ call: String, _ code: UInt) { state.withLock { $0.faults.append((call, code)) } }
    var calls: [String] { state.withLock(\.calls) }

    /// Returns once a call hangs.
    func hangs() async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.held.isEmpty { state.waiters.append(continuation) }
                return !state.held.isEmpty
            }
            if isThere { continuation.resume() }
        }
    }
    func release() {
        let held = state.withLock { state in
            state.isHanging = false
            defer { state.held = [] }
            return state.held
        }
        for semaphore in held { semaphore.signal() }
    }

    private func pass(_ call: String) throws {
        let (fault, hold, waiters): (UInt?, DispatchSemaphore?, [CheckedContinuation<Void, Never>]) = state.withLock { state in
            state.calls.append(call)
            if state.isAway, call != "begin", call != "beginAnew", call != "tokens" { return (0x32, nil, []) }
            if let index = state.faults.firstIndex(where: { $0.call == call }) { return (state.faults.remove(at: index).code, nil, []) }
            guard state.isHanging else { return (nil, nil, []) }
            let hold = DispatchSemaphore(value: 0)
            state.held.append(hold)
            defer { state.waiters = [] }
            return (nil, hold, state.waiters)
        }
        for waiter in waiters { waiter.resume() }
        hold?.wait()
        if let fault { throw CryptokiFault(code: fault, call: call) }
    }

    func begin() throws {
        try pass("begin")
        try real.begin()
    }
    func beginAnew() throws {
        try pass("beginAnew")
        state.withLock { $0.beginnings += 1 }
    }
    func tokens() throws -> [TokenFound] {
        try pass("tokens")
        return state.withLock(\.isAway) ? [] : try real.tokens()
    }
    func offers(_ kind: KeyKind, slot: UInt) throws -> Bool {
        try pass("offers")
        return try state.withLock(\.lacks) != kind && real.offers(kind, slot: slot)
    }
    func open(slot: UInt) throws -> SessionHandle {
        try pass("open")
        let session = try real.open(slot: slot)
        state.withLock { $0.sessions.append(session) }
        return session
    }
    func close(_ session: SessionHandle) { real.close(session) }
    func logIn(_ session: SessionHandle, pin: String) throws {
        try pass("logIn")
        try real.logIn(session, pin: pin)
    }
    func isLoggedIn(_ session: SessionHandle) throws -> Bool {
        try pass("isLoggedIn")
        return try real.isLoggedIn(session)
    }
    func find(_ half: KeyHalf, named name: String?, limit: Int, _ session: SessionHandle) throws -> [UInt] {
        try pass("find")
        return try real.find(half, named: name, limit: limit, session)
    }
    func attribute(_ type: UInt, of object: UInt, _ session: SessionHandle) throws -> [UInt8]? {
        try pass("attribute")
        return try real.attribute(type, of: object, session)
    }
    func make(_ kind: KeyKind, named name: String, id: [UInt8], _ session: SessionHandle) throws {
        try pass("make")
        try real.make(kind, named: name, id: id, session)
    }
    func sign(_ data: [UInt8], _ kind: KeyKind, with key: UInt, _ session: SessionHandle) throws -> [UInt8] {
        try pass("sign")
        return try real.sign(data, kind, with: key, session)
    }
    func wraps(slot: UInt) throws -> Bool {
        try pass("wraps")
        return try real.wraps(slot: slot)
    }
    func makeSymmetric(named name: String, id: [UInt8], _ session: SessionHandle) throws {
        try pass("makeSymmetric")
        try real.makeSymmetric(named: name, id: id, session)
    }
    func crypt(_ data: [UInt8], _ gcm: GCM, with key: UInt, _ session: SessionHandle) throws -> [UInt8] {
        try pass("crypt")
        return try real.crypt(data, gcm, with: key, session)
    }
}

/// One service over the token, and the clock that it goes by.
struct Stand {
    let clock = ManualPluginClock(Timestamp(seconds: 1_800_000_000))
    let log = RecordingLog()
    let module: SpoiltModule
    init() throws { module = try SpoiltModule() }

    func keys(pin: String = SoftHSM.pin, label: String? = SoftHSM.label, sessions: Int = 4, queue: Int = 1_024) -> TokenKeys {
        TokenKeys(
            TokenTerms(label: label, serial: nil, kinds: KeyKind.allCases, pin: pin), sessions: sessions, queue: queue, clock: clock,
            log: log
        ) { [module] in module }
    }
}

/// The plugin as the conformance kit tries it, with the openssl program as the other library.
final class Subject: KeyServiceSubject {
    let stand: Stand
    let prefix = "kit"
    private let started = Mutex<[TokenKeys]>([])
    init() throws { stand = try Stand() }

    func service() async throws -> any KeyService {
        let keys = stand.keys()
        try await keys.start()
        started.withLock { $0.append(keys) }
        return keys
    }
    func stop() async { for keys in started.withLock({ $0 }) { await keys.stop() } }

    func verifies(_ signature: Data, of message: Data, under publicKey: Data, _ algorithm: SigningAlgorithm) async throws -> Bool {
        try OpenSSLProgram.verifies(signature, of: message, under: publicKey, algorithm)
    }
    func setAway(_ isAway: Bool) async throws { stand.module.state.withLock { $0.isAway = isAway } }
    func loseSessions() async throws {
        let sessions = stand.module.state.withLock { state in
            defer { state.sessions = [] }
            return state.sessions
        }
        // One loses its login, and so do all; the others their sessions too.
        if let first = sessions.last { try? stand.module.real.logOut(first) }
        for session in sessions.dropLast() { stand.module.real.close(session) }
    }
    func setHanging(_ isHanging: Bool) async throws {
        if isHanging { stand.module.state.withLock { $0.isHanging = true } } else { stand.module.release() }
    }
    func pass(_ span: Duration) async throws {
        if stand.module.state.withLock(\.isHanging) { await stand.module.hangs() }
        // Every service has its watch asleep.
        await stand.clock.sleepers(started.withLock(\.count))
        stand.clock.advance(by: span)
    }
    func extractableKey() async throws -> String? {
        let name = "kit-extractable"
        let known = try SoftHSM.run("pkcs11-tool", tool + ["--list-objects", "--type", "privkey"])
        if !known.contains(name) {
            try SoftHSM.run(
                "pkcs11-tool", tool + ["--keypairgen", "--key-type", "EC:prime256v1", "--label", name, "--extractable", "--usage-sign"])
        }
        return name
    }
    private var tool: [String] { ["--module", SoftHSM.module, "--token-label", SoftHSM.label, "--login", "--pin", SoftHSM.pin] }
}

enum OpenSSLProgram {
    static func verifies(_ signature: Data, of message: Data, under publicKey: Data, _ algorithm: SigningAlgorithm) throws -> Bool {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("openssl-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (key, text, mark) = ("\(folder.path)/key.pem", "\(folder.path)/message", "\(folder.path)/signature")
        let lines = publicKey.base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        try Data("-----BEGIN PUBLIC KEY-----\n\(lines)\n-----END PUBLIC KEY-----\n".utf8).write(to: URL(fileURLWithPath: key))
        try message.write(to: URL(fileURLWithPath: text))
        try (algorithm == .es256 ? der(signature) : signature).write(to: URL(fileURLWithPath: mark))
        let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:478"]
        let told: String
        do {
            if algorithm == .ed25519 {
                told = try SoftHSM.run("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", text, "-sigfile", mark])
            } else {
                told = try SoftHSM.run(
                    "openssl", ["dgst", "-sha256", "-verify", key] + (algorithm == .rsaPSS ? pss : []) + ["-signature", mark, text])
            }
        } catch is PluginRefusal { return false }
        return told.contains("Verified OK") || told.contains("Verified Successfully")
    }
    private static func der(_ raw: Data) -> Data {
        func integer(_ bytes: Data) -> [UInt8] {
            var digits = Array(bytes.drop { $0 == 0 })
            if digits.first.map({ $0 & 0x80 != 0 }) ?? true { digits.insert(0, at: 0) }
            return [2, UInt8(digits.count)] + digits
        }
        let body = integer(raw.prefix(32)) + integer(raw.dropFirst(32))
        return Data([0x30, UInt8(body.count)] + body)
    }
}
