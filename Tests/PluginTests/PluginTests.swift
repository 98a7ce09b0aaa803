import Foundation
import PluginHost
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

/// The library of Tests/Fixtures/misbehaving-plugin, built once by the very script that builds the shipped plugins.
enum BuiltFixture {
    static let folder: URL = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let out = FileManager.default.temporaryDirectory.appendingPathComponent(
            "coditect-plugins-\(ProcessInfo.processInfo.processIdentifier)")
        _ = build(["debug", out.path, root.appendingPathComponent("Tests/Fixtures/misbehaving-plugin").path], root: root)
        return out.appendingPathComponent("misbehaving")
    }()

    static func build(_ arguments: [String], root: URL) -> Bool {
        let build = Process()
        build.executableURL = URL(fileURLWithPath: "/bin/sh")
        build.arguments = [root.appendingPathComponent("Scripts/build-plugins.sh").path] + arguments
        do { try build.run() } catch { return false }
        build.waitUntilExit()
        return build.terminationStatus == 0
    }
}

/// One directory of plugins and the services that a host over it gets.
final class Bench: PluginHostServices {
    /// What goes wrong with the plugins' spaces: before anything is done or read, or after a change was made.
    enum SpaceFault { case before, after }
    struct State {
        var spaceFault: SpaceFault?
        var environment = ["MISBEHAVING_SECRET": "one,two"]
        var settings: [String: [String: JSONValue]] = [:]
        var values: [PluginSpaceName: [String: Data]] = [:]
        var lines: [String] = []
        var listeners: [(words: String, wake: CheckedContinuation<Void, Never>)] = []
        var requests: [OutboundRequest] = []
        /// What was connected to, and what was written there.
        var connected: [String] = []
        var closed = 0
        /// Nil: no signature is wanted; else one is, and `acme` signed this text.
        var trust: String??
        /// The text that `acme` signed, where no signature is wanted.
        var signed: String?
        /// Whether the fixture counts as one that came with the server.
        var isShipped = false
        /// Whether the operator says where plugins run.
        var saysIsolation = true
    }
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("coditect-bench-\(UUID().uuidString)")
    let clock = ManualPluginClock(Timestamp(seconds: 1_800_000_000))
    let state = Mutex(State())
    let folders: DiskFolders
    var directory: URL { root.appendingPathComponent("plugins") }
    var copies: URL { root.appendingPathComponent("copies") }

    /// Where the plugins of this bench run.
    let isolation: PluginIsolation

    init(_ isolation: PluginIsolation = .inProcess) throws {
        self.isolation = isolation
        folders = DiskFolders(root.appendingPathComponent("folders")) { [clock] in clock.now() }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: root) }

    func host(_ limits: CanaryLimits = CanaryLimits(), rules: ChildRules = ChildRules()) -> PluginHost {
        PluginHost(directory: directory, copies: copies, services: self, limits: limits, prison: PluginPrison(rules: rules))
    }
    /// Tasks that sleep on the clock beside those of the test: the one that watches a child.
    var watchers: Int { isolation == .process ? 1 : 0 }
    var lines: [String] { state.withLock { $0.lines } }

    /// Lays the fixture out under `name`, its manifest and library changed.
    func place(
        _ name: String = "misbehaving", manifest: (inout [String: JSONValue]) -> Void = { _ in }, library: (inout Data) -> Void = { _ in }
    ) throws {
        let folder = directory.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let source = try JSONValue.parse(Data(contentsOf: BuiltFixture.folder.appendingPathComponent("plugin.json")))
        var members = try #require(source.object)
        manifest(&members)
        try JSONValue.object(members).encoded().write(to: folder.appendingPathComponent("plugin.json"))
        var bytes = try Data(contentsOf: BuiltFixture.folder.appendingPathComponent("libMisbehavingPlugin.so"))
        library(&bytes)
        try bytes.write(to: folder.appendingPathComponent("libMisbehavingPlugin.so"))
    }
    func set(_ name: String, _ value: JSONValue) { state.withLock { $0.settings["misbehaving", default: [:]][name] = value } }

    func secret(_ name: String) -> String? { state.withLock { $0.environment[name] } }
    func publisher(of message: Data, signature: Data) -> String? {
        state.withLock { ($0.trust ?? $0.signed) == String(decoding: message, as: UTF8.self) ? "acme" : nil }
    }
    var requiresSignature: Bool { state.withLock { $0.trust != nil } }
    func isShipped(_ name: String, json: String, library: String) -> Bool { state.withLock(\.isShipped) }
    func environment(_ name: String) -> String? { state.withLock { $0.environment[name] } }
    func settings(of plugin: String) -> [String: JSONValue] {
        state.withLock {
            ($0.settings[plugin] ?? [:]).merging($0.saysIsolation ? ["isolation": .string(isolation.rawValue)] : [:]) { given, _ in given }
        }
    }
    func send(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse {
        state.withLock { $0.requests.append(request) }
        return OutboundResponse(status: 204)
    }
    func connect(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream {
        state.withLock { $0.connected.append("\(target.host):\(target.port)") }
        return EchoStream(bench: self)
    }
    func folder(of plugin: String, maxBytes: Int64) -> any PluginFolder { folders.folder(of: plugin, maxBytes: maxBytes) }
    func dataFolder() -> URL? { root }
    private func fails(_ fault: SpaceFault) throws {
        if state.withLock(\.spaceFault) == fault { throw PluginSpaceFailure.unavailable("the space is away") }
    }
    func value(_ key: String, in space: PluginSpaceName) async throws -> Data? {
        try fails(.before)
        return state.withLock { $0.values[space]?[key] }
    }
    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool {
        try fails(.before)
        let isPut = state.withLock { state in
            let now = state.values[space]?[key]
            switch condition {
            case .always: break
            case .absent: if now != nil { return false }
            case .holds(let expected): if now != expected { return false }
            }
            state.values[space, default: [:]][key] = value
            return true
        }
        try fails(.after)
        return isPut
    }
    func remove(_ key: String, in space: PluginSpaceName) async throws { state.withLock { $0.values[space]?[key] = nil } }
    func keys(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String] {
        try fails(.before)
        return state.withLock {
            Array(($0.values[space] ?? [:]).keys.filter { $0.hasPrefix(prefix) && $0 > after ?? "" }.sorted().prefix(limit))
        }
    }
    func log(_ level: PluginLogLevel, _ message: String, _ fields: [String: String], plugin: String) {
        let tail = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let told = state.withLock { state in
            state.lines.append("\(plugin): \(message)\(tail)")
            defer { state.listeners.removeAll { message.contains($0.words) } }
            return state.listeners.filter { message.contains($0.words) }
        }
        for listener in told { listener.wake.resume() }
    }
    /// Returns once a line with these words was written, now or before.
    func heard(_ words: String) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.lines.contains(where: { $0.contains(words) }) { return true }
                state.listeners.append((words, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
    /// Moves time until the child is back at work after `deaths`.
    func revived(_ host: PluginHost, deaths: Int) async {
        while true {
            if let child = host.children.first, child.deaths >= deaths, child.state == .working { return }
            if host.children.first?.state == .resting { clock.advance(by: .milliseconds(100)) }
            await Task.yield()
        }
    }
    func now() -> Timestamp { clock.now() }
    func sleep(for span: Duration) async throws { try await clock.sleep(for: span) }
    func origin() -> String { "https://platform.test" }
    func ownOrigin() -> String { "http://127.0.0.1:8080" }
}

extension Data {
    /// Replaces the first occurrence of `text` by one of the same length.
    mutating func patch(_ text: String, _ other: String) {
        precondition(text.utf8.count == other.utf8.count)  // a test's own mistake
        guard let place = range(of: Data(text.utf8)) else {
            Issue.record("\(text) is not in the library")
            return
        }
        replaceSubrange(place, with: Data(other.utf8))
    }
    /// Writes one word of the kit's note: 0 and 1 the kit, 2 to 4 the compiler.
    mutating func patchNote(_ word: Int, _ value: UInt8) {
        guard let name = range(of: Data("CODITECT\0\0\0\0".utf8)) else {
            Issue.record("there is no note")
            return
        }
        self[name.upperBound + word * 4] = value
    }
}

func checkout(
    _ tier: String, tenant: String = "ten_1", interval: BillingInterval = .month, successURL: String = "https://platform.test/done"
) -> CheckoutRequest {
    CheckoutRequest(
        reference: "ref_1", tenant: tenant, tier: tier, interval: interval, quantity: 1,
        unitPrice: Money(amountMinor: 9_900, currency: Currency("USD")!), providerPrice: nil, customer: nil, customerEmail: nil,
        trialDays: 0,
        successURL: successURL, cancelURL: "https://platform.test/back", idempotencyKey: "key_1")
}
