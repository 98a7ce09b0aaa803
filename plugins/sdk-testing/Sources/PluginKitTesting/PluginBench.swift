import Foundation
import PluginKit
import Synchronization

/// Everything that a plugin's own tests need in place of a host: a context over stand-ins that a test moves by hand.
public struct PluginBench: Sendable {
    public let manifest: PluginManifest
    public let clock: ManualPluginClock
    public let http: ScriptedHTTP
    public let space = MemorySpace()
    public let folder = MemoryFolder()
    public let log = RecordingLog()
    public let site: FixedSite

    /// Reads `plugin.json` as a host does. Every outgoing request is answered by `answer`.
    public init(
        manifest file: URL, at moment: Timestamp, skipsSleep: Bool = false, origin: String = "http://127.0.0.1:8080",
        answer: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse = { _ in
            throw OutboundFailure.unsent("This test expects no request.")
        }
    ) throws {
        manifest = try PluginManifest(json: Data(contentsOf: file))
        clock = ManualPluginClock(moment, skipsSleep: skipsSleep)
        http = ScriptedHTTP(answer)
        site = FixedSite(origin: origin, webhook: origin + (manifest.webhook ?? ""))
    }

    /// The context that a host would hand over; settings are checked against the manifest, and so is where requests go.
    public func context(settings: [String: JSONValue] = [:], secrets: [String: [String]] = [:]) throws -> PluginContext {
        let inForce = try manifest.settings(from: settings).get()
        var context = PluginContext(
            id: manifest.id, settings: inForce, secrets: PluginSecrets(secrets), http: NamedHosts(manifest, inForce, site, http),
            space: space,
            tenantSpace: { [space] _ in space }, log: log, clock: clock, site: site)
        if manifest.folder { context.folder = folder }
        return context
    }
}

/// A clock that stands still until a test moves it.
public final class ManualPluginClock: PluginClock {
    private struct State {
        var now: Timestamp
        var next = 0
        var sleepers: [Int: (until: Timestamp, wake: CheckedContinuation<Void, any Error>)] = [:]
        var cancelled: Set<Int> = []
        var gained: [(count: Int, CheckedContinuation<Void, Never>)] = []
    }
    private let state: Mutex<State>
    private let skipsSleep: Bool
    /// With `skipsSleep` a sleep moves the clock by itself and returns at once.
    public init(_ now: Timestamp, skipsSleep: Bool = false) {
        state = Mutex(State(now: now))
        self.skipsSleep = skipsSleep
    }

    public func now() -> Timestamp { state.withLock { $0.now } }

    /// Moves time and wakes whoever slept until then.
    public func advance(by span: Duration) {
        let due = state.withLock { state in
            state.now = state.now + span
            let due = state.sleepers.filter { $0.value.until <= state.now }
            for key in due.keys { state.sleepers[key] = nil }
            return due.sorted { $0.value.until < $1.value.until }.map(\.value.wake)
        }
        for sleeper in due { sleeper.resume() }
    }

    /// Returns once at least `count` tasks sleep on this clock.
    public func sleepers(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.gained.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    public func sleep(for span: Duration) async throws {
        if skipsSleep {
            try Task.checkCancellation()
            return advance(by: span)
        }
        let key = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                var told: [CheckedContinuation<Void, Never>] = []
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(key) != nil { return true }
                    state.sleepers[key] = (state.now + span, continuation)
                    told = state.gained.filter { $0.count <= state.sleepers.count }.map(\.1)
                    state.gained.removeAll { $0.count <= state.sleepers.count }
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                for waiter in told { waiter.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: key)
                if sleeper == nil { state.cancelled.insert(key) }
                return sleeper
            }
            sleeper?.wake.resume(throwing: CancellationError())
        }
    }
}

/// Lets out what a host would let out: to hosts that `plugin.json` names, to those that settings open, to the own webhook for `self`.
private struct NamedHosts: OutboundHTTP {
    private let origins: Set<String>
    private let reachesPublic: Bool
    private let ownWebhook: String?
    private let inner: ScriptedHTTP

    init(_ manifest: PluginManifest, _ settings: PluginSettings, _ site: FixedSite, _ inner: ScriptedHTTP) {
        let opened = manifest.settings.filter(\.opensHost).compactMap { settings[$0.name]?.string }
        origins = Set((manifest.hosts.map { "https://\($0)" } + opened).compactMap(Self.origin))
        ownWebhook = manifest.hosts.contains("self") ? site.webhookAddress() : nil
        // Every public host by https, as tenants name their providers' hosts.
        reachesPublic = manifest.hosts.contains("public")
        self.inner = inner
    }

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        guard let origin = Self.origin(request.url) else {
            throw OutboundFailure.forbidden("The address is not an absolute http or https address.")
        }
        guard origins.contains(origin) || request.url == ownWebhook || (reachesPublic && request.url.lowercased().hasPrefix("https://"))
        else {
            throw OutboundFailure.forbidden(
                "The host \(origin) is not named in plugin.json. Add it to hosts, or let a setting with opens_host name it.")
        }
        return try await inner.send(request)
    }

    private static func origin(_ text: String) -> String? {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), let host = parts.host?.lowercased(),
            scheme == "https" || scheme == "http"
        else { return nil }
        return "\(scheme)://\(host):\(parts.port ?? (scheme == "https" ? 443 : 80))"
    }
}

/// Answers requests from a closure and remembers them.
public final class ScriptedHTTP: OutboundHTTP {
    private let answer: @Sendable (OutboundRequest) async throws -> OutboundResponse
    private let seen = Mutex<[OutboundRequest]>([])
    public init(_ answer: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse) { self.answer = answer }
    public var requests: [OutboundRequest] { seen.withLock { $0 } }
    public func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        seen.withLock { $0.append(request) }
        return try await answer(request)
    }
}

public final class RecordingLog: PluginLog {
    private let seen = Mutex<[String]>([])
    public init() {}
    public var lines: [String] { seen.withLock { $0 } }
    public func write(_ level: PluginLogLevel, _ message: String, _ fields: [String: String]) {
        let tail = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        seen.withLock { $0.append("\(level.rawValue) \(message)\(tail)") }
    }
}

public struct FixedSite: PluginSite {
    let base: String
    let webhook: String
    public init(origin: String, webhook: String) {
        base = origin
        self.webhook = webhook
    }
    public func origin() -> String { base }
    public func webhookAddress() -> String { webhook }
}
