import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import PluginKit
import Synchronization

/// Opens plugins' connections. What may be reached was decided by the host before; here are time, certificates and honesty about what arrived.
struct OutboundStreamClient: Sendable {
    /// `address`: where the connection goes in place of where the name leads; the certificate is the name's all the same.
    func connect(_ target: StreamTarget, at address: String? = nil) async throws -> any OutboundStream {
        let tls = try context(target)
        let handler = StreamHandler()
        let name = serverName(target.host)
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(.microseconds(target.timeout.microseconds))
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
            }
        let channel: any Channel
        do { channel = try await bootstrap.connect(host: address ?? target.host, port: target.port).get() } catch {
            throw OutboundFailure.unsent("no connection to \(StreamAddress(host: target.host, port: target.port))")
        }
        let stream = NIOStream(channel: channel, handler: handler, tls: tls, serverName: name, timeout: target.timeout)
        guard target.encryption == .implicit else { return stream }
        do { try await stream.startTLS() } catch {
            await stream.close()
            throw error
        }
        return stream
    }

    private func context(_ target: StreamTarget) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        do {
            if let roots = target.trustedRoots {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(roots.utf8)))
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw OutboundFailure.forbidden("The authorities to trust are not PEM certificates.")
        }
    }

    /// An address has no name to ask for; its certificate is then held against the address.
    private func serverName(_ host: String) -> String? { (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil }
}

private final class NIOStream: OutboundStream {
    private let channel: any Channel
    private let handler: StreamHandler
    private let tls: NIOSSLContext
    private let serverName: String?
    private let timeout: Duration

    init(channel: any Channel, handler: StreamHandler, tls: NIOSSLContext, serverName: String?, timeout: Duration) {
        self.channel = channel
        self.handler = handler
        self.tls = tls
        self.serverName = serverName
        self.timeout = timeout
    }
    deinit { channel.close(promise: nil) }

    func read(max: Int) async throws -> Data {
        let timeout = timeout
        return try await channel.eventLoop.flatSubmit { [channel, handler] in handler.read(channel, max: max, timeout: timeout) }.get()
    }

    func write(_ data: Data) async throws {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        let late = channel.eventLoop.scheduleTask(in: .microseconds(timeout.microseconds)) {
            promise.fail(OutboundFailure.unanswered("the other side takes nothing"))
        }
        promise.futureResult.whenComplete { _ in late.cancel() }
        channel.writeAndFlush(ByteBuffer(bytes: data)).cascade(to: promise)
        do { try await promise.futureResult.get() } catch let failure as OutboundFailure { throw failure } catch {
            throw OutboundFailure.unanswered("the connection broke")
        }
    }

    func startTLS() async throws {
        let timeout = timeout
        do {
            try await channel.eventLoop.flatSubmit { [channel, handler, tls, serverName] in
                handler.encrypt(channel, tls, serverName, timeout: timeout)
            }.get()
        } catch let failure as OutboundFailure {
            throw failure
        } catch {
            throw OutboundFailure.unsent(StreamHandler.words(error))
        }
    }

    func close() async { try? await channel.close().get() }
}

/// What came and was not yet read; everything here happens on the channel's event loop.
private final class StreamHandler: ChannelInboundHandler, @unchecked Sendable {  // touched on the channel's event loop only
    typealias InboundIn = ByteBuffer

    private var buffer = ByteBuffer()
    private var end: OutboundFailure??
    private var reader: (promise: EventLoopPromise<Data>, max: Int)?
    private var handshake: EventLoopPromise<Void>?
    private var isPaused = false

    /// Beyond this nothing more is taken from the network until some was read.
    static let mostBuffered = 262_144

    func read(_ channel: any Channel, max: Int, timeout: Duration) -> EventLoopFuture<Data> {
        let promise = channel.eventLoop.makePromise(of: Data.self)
        guard reader == nil else {
            promise.fail(OutboundFailure.forbidden("Two tasks read from one connection."))
            return promise.futureResult
        }
        reader = (promise, max)
        serve(channel)
        guard reader != nil else { return promise.futureResult }
        let late = channel.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(timeout.microseconds)) { [self] in
            guard let waiting = reader else { return }
            reader = nil
            waiting.promise.fail(OutboundFailure.unanswered("nothing came in time"))
        }
        promise.futureResult.whenComplete { _ in late.cancel() }
        return promise.futureResult
    }

    private func serve(_ channel: any Channel) {
        guard let waiting = reader else { return }
        if buffer.readableBytes > 0 {
            reader = nil
            let bytes = buffer.readBytes(length: min(waiting.max, buffer.readableBytes)) ?? []
            buffer.discardReadBytes()
            waiting.promise.succeed(Data(bytes))
        } else if let end {
            reader = nil
            if let failure = end { waiting.promise.fail(failure) } else { waiting.promise.succeed(Data()) }
        }
        if isPaused, buffer.readableBytes < Self.mostBuffered {
            isPaused = false
            channel.setOption(.autoRead, value: true).whenComplete { _ in }
        }
    }

    func encrypt(_ channel: any Channel, _ tls: NIOSSLContext, _ serverName: String?, timeout: Duration) -> EventLoopFuture<Void> {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        guard buffer.readableBytes == 0, end == nil else {
            promise.fail(OutboundFailure.unsent("something came in the clear before encryption"))
            return promise.futureResult
        }
        handshake = promise
        do {
            let handler = try NIOSSLClientHandler(context: tls, serverHostname: serverName)
            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
        } catch {
            handshake = nil
            promise.fail(error)
            return promise.futureResult
        }
        let late = channel.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(timeout.microseconds)) { [self] in
            shake(.failure(OutboundFailure.unsent("the handshake took too long")))
        }
        promise.futureResult.whenComplete { _ in late.cancel() }
        return promise.futureResult
    }

    private func shake(_ result: Result<Void, any Error>) {
        handshake?.completeWith(result)
        handshake = nil
    }

    // MARK: - The channel's events

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var more = unwrapInboundIn(data)
        buffer.writeBuffer(&more)
        if buffer.readableBytes >= Self.mostBuffered, !isPaused {
            isPaused = true
            context.channel.setOption(.autoRead, value: false).whenComplete { _ in }
        }
        serve(context.channel)
    }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { shake(.success(())) }
        context.fireUserInboundEventTriggered(event)
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        shake(.failure(OutboundFailure.unsent(Self.words(error))))
        // TLS that was cut off instead of ended may hide that the end is missing.
        finish(context.channel, .unanswered("the connection broke"))
        context.close(promise: nil)
    }
    func channelInactive(context: ChannelHandlerContext) {
        shake(.failure(OutboundFailure.unsent("the other side ended the connection")))
        finish(context.channel, nil)
        context.fireChannelInactive()
    }
    private func finish(_ channel: any Channel, _ failure: OutboundFailure?) {
        if end == nil { end = .some(failure) }
        serve(channel)
    }

    static func words(_ error: any Error) -> String {
        let text = String(describing: error)
        if text.contains("CERTIFICATE_VERIFY_FAILED") { return "the certificate is not signed by a trusted authority, or has run out" }
        if error is NIOSSLExtraError { return "the certificate is not made out to this host" }
        return "the other side speaks no TLS that we do"
    }
}
