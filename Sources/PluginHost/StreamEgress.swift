import Foundation
import PluginKit
import Synchronization

/// The way out of one plugin for protocols that are not HTTP: what its manifest names as `host:port`, what settings of type `address` open, and
/// for an identity provider with `public` the directories that tenants name, as far as everybody can reach them.
struct StreamEgress: OutboundStreams {
    let plugin: String
    let addresses: Set<StreamAddress>
    let reachesPublic: Bool
    /// LDAP, LDAPS and Active Directory's global catalogue. No other service is knocked at because a tenant wrote its name.
    static let publicPorts: Set<Int> = [389, 636, 3_268, 3_269]
    let services: any PluginHostServices
    private let open = OpenStreams()

    init(_ manifest: PluginManifest, _ settings: PluginSettings, services: any PluginHostServices) {
        plugin = manifest.id
        let named = manifest.hosts.compactMap { StreamAddress($0) }
        let opened = manifest.settings.filter { $0.opensHost && $0.type == .address }.compactMap { settings[$0.name]?.string }
            .compactMap { StreamAddress($0) }
        addresses = Set(named + opened)
        reachesPublic = manifest.hosts.contains(PluginManifest.publicHosts)
        self.services = services
    }

    func connect(_ target: StreamTarget) async throws -> any OutboundStream {
        if let fault = fault(in: target) {
            services.log(.warning, "A connection of a plugin was not let out.", ["why": fault], plugin: plugin)
            throw OutboundFailure.forbidden(fault)
        }
        guard open.enter() else { throw OutboundFailure.forbidden("More than \(StreamLimits.maxOpen) connections are open.") }
        do {
            let stream =
                isNamed(target) ? try await services.connect(target, for: plugin) : try await services.connectPublic(target, for: plugin)
            return GuardedStream(stream: stream, open: open)
        } catch {
            open.leave()
            throw Self.known(error) ?? OutboundFailure.unsent("no connection")
        }
    }

    private func isNamed(_ target: StreamTarget) -> Bool { addresses.contains(StreamAddress(host: target.host, port: target.port)) }

    private func fault(in target: StreamTarget) -> String? {
        let isDirectory = reachesPublic && Self.publicPorts.contains(target.port)
        guard isNamed(target) || isDirectory else {
            return "The address \(StreamAddress(host: target.host, port: target.port).description.prefix(300)) is not named in plugin.json."
        }
        guard StreamLimits.timeout.contains(target.timeout) else { return "The time-out lies outside 1 to 300 seconds." }
        guard (target.trustedRoots?.utf8.count ?? 0) <= StreamLimits.maxRootsBytes else {
            return "The authorities to trust have more than \(StreamLimits.maxRootsBytes) bytes."
        }
        return nil
    }

    static func known(_ error: any Error) -> (any Error)? {
        switch error {
        case let failure as OutboundFailure: failure
        case let cancelled as CancellationError: cancelled
        default: nil
        }
    }
}

/// How many connections a plugin holds.
private final class OpenStreams: Sendable {
    private let count = Mutex(0)
    func enter() -> Bool {
        count.withLock { count in
            guard count < StreamLimits.maxOpen else { return false }
            count += 1
            return true
        }
    }
    func leave() { count.withLock { $0 -= 1 } }
}

/// A connection within its limits, counted until it is closed or let go.
private final class GuardedStream: OutboundStream {
    private let stream: any OutboundStream
    private let open: OpenStreams
    private let isOver = Mutex(false)

    init(stream: any OutboundStream, open: OpenStreams) {
        self.stream = stream
        self.open = open
    }
    deinit { leave() }

    func read(max: Int) async throws -> Data {
        try await checked { try await stream.read(max: min(Swift.max(1, max), StreamLimits.maxRead)) }
    }
    func write(_ data: Data) async throws {
        guard data.count <= StreamLimits.maxWriteBytes else {
            throw OutboundFailure.forbidden("One write has more than \(StreamLimits.maxWriteBytes) bytes.")
        }
        try await checked { try await stream.write(data) }
    }
    func startTLS() async throws { try await checked { try await stream.startTLS() } }
    func close() async {
        leave()
        await stream.close()
    }

    private func checked<Value>(_ work: () async throws -> Value) async throws -> Value {
        guard !isOver.withLock({ $0 }) else { throw OutboundFailure.unsent("the connection is closed") }
        do { return try await work() } catch { throw StreamEgress.known(error) ?? OutboundFailure.unanswered("the connection broke") }
    }
    private func leave() {
        let isFirst = isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
        if isFirst { open.leave() }
    }
}
