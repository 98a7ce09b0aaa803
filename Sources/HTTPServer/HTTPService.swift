import Foundation
import HTTPEdge
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Vocabulary

/// Why the service cannot start.
package enum HTTPServiceFault: Error, Sendable, CustomStringConvertible {
    case certificate(String)
    package var description: String {
        switch self {
        case .certificate(let why): "TLS: \(why)"
        }
    }
}

/// Serves an edge over HTTP/1.1, with TLS 1.3 where a certificate is configured.
///
/// `run` binds, tells the port, and serves until `stop` or until its task is cancelled. Then: readiness falls (`draining`), after the
/// notice the port takes nobody new and closes when those who stood at it are in, within a second; requests in flight finish within `http.drain_seconds`, what
/// is left is cut.
package final class HTTPService: Sendable {
    private let edge: Edge
    private let settings: Settings
    private let draining: DrainSwitch
    private let clock: any Vocabulary.Clock
    private let logger: Logger
    private let stopping = AsyncStream<Void>.makeStream()
    /// Bare in a generic box a closure would be wrapped once more at each look.
    private struct Count: Sendable { let read: @Sendable () -> Int }
    private let openCount = Mutex(Count { 0 })
    private let listening = Mutex<(any Channel)?>(nil)
    private let closing = ClosingPort()

    package init(edge: Edge, settings: Settings, draining: DrainSwitch, clock: any Vocabulary.Clock, logger: Logger) {
        self.edge = edge
        self.settings = settings
        self.draining = draining
        self.clock = clock
        var logger = logger
        logger.logLevel = max(logger.logLevel, .notice)
        self.logger = logger
    }

    /// Connections open now.
    package var openConnections: Int { openCount.withLock { $0 }.read() }

    /// Ends `run`, gracefully. May be called at any time, also more than once.
    package func stop() { stopping.continuation.finish() }

    /// Port 0 takes a free one; `onBound` hears which.
    package func run(host: String, port: Int, onBound: @escaping @Sendable (Int) -> Void) async throws {
        // The process' own loops: they outlive the service, so a handler that comes back after the end still finds its thread.
        let group = MultiThreadedEventLoopGroup.singleton
        let tls = try tlsConfiguration()
        let rules = ConnectionRules(edge: edge, draining: draining, settings: settings, clock: clock, isTLS: tls != nil, group: group)
        openCount.withLock { $0 = Count { rules.registry.count } }
        let configuration = ServerConfiguration(
            address: .hostname(host, port: port), serverName: nil, backlog: 1_024,
            availableConnectionsDelegate: ClosingPort.Places(settings[HTTPEdgeSettings.maxConnections], of: closing))
        let bound: @Sendable (any Channel) async -> Void = { [self] channel in
            listening.withLock { $0 = channel }
            onBound(channel.localAddress?.port ?? port)
        }
        let child = EdgeChannel(rules: rules)
        if let tls {
            let server = Server(
                childChannelSetup: try TLSChannel(child, tlsConfiguration: tls), configuration: configuration, onServerRunning: bound,
                eventLoopGroup: group, logger: logger)
            try await serve(rules, run: { try await server.run() }, shutDown: { try await server.shutdownGracefully() })
        } else {
            let server = Server(
                childChannelSetup: child, configuration: configuration, onServerRunning: bound, eventLoopGroup: group, logger: logger)
            try await serve(rules, run: { try await server.run() }, shutDown: { try await server.shutdownGracefully() })
        }
    }

    private func serve(
        _ rules: ConnectionRules, run: @escaping @Sendable () async throws -> Void, shutDown: @escaping @Sendable () async throws -> Void
    ) async throws {
        // The server's own task is not a child: a cancelled `run` still drains.
        let server = Task.detached {
            defer { self.stop() }
            try await run()
        }
        await withTaskCancellationHandler {
            for await _ in stopping.stream {}
        } onCancel: {
            stop()
        }
        let notice = settings[HTTPEdgeSettings.drainNotice]
        let limit = settings[HTTPEdgeSettings.drain]
        draining.begin()
        let drain = Task.detached {
            if notice > 0 { try? await Task.sleep(for: .seconds(notice)) }
            if let port = self.listening.withLock({ $0.take() }) {
                let lost = await self.closing.settle(port, loops: MultiThreadedEventLoopGroup.singleton)
                if lost > 0 { self.logger.warning("the port closes on \(lost) connections that nobody has come to take") }
            }
            let cut = Task.detached {
                try await Task.sleep(for: .seconds(limit))
                rules.registry.closeAll()
            }
            try? await shutDown()
            cut.cancel()
        }
        await drain.value
        defer { rules.close() }
        try await server.value
    }

    /// Until when the certificate that these settings name is valid; nil where there is none, or none that can be read.
    package static func certificateEnds(_ settings: Settings) -> Timestamp? {
        let file = settings[HTTPEdgeSettings.tlsCertificate]
        guard !file.isEmpty, let chain = try? NIOSSLCertificate.fromPEMFile(file) else { return nil }
        return chain.map { Timestamp(seconds: Int64($0.notValidAfter)) }.min()
    }

    private func tlsConfiguration() throws -> TLSConfiguration? {
        let (certificate, key) = (settings[HTTPEdgeSettings.tlsCertificate], settings[HTTPEdgeSettings.tlsKey])
        if certificate.isEmpty, key.isEmpty { return nil }
        guard !certificate.isEmpty, !key.isEmpty else {
            throw HTTPServiceFault.certificate("tls_certificate and tls_key must be set together")
        }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate)
            let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
            configuration.minimumTLSVersion = .tlsv13
            configuration.applicationProtocols = ["http/1.1"]
            return configuration
        } catch { throw HTTPServiceFault.certificate("\(certificate) or \(key) cannot be read: \(error)") }
    }
}
