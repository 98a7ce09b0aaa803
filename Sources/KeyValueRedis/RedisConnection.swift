import KeyValue
import NIOCore
import NIOPosix
import Synchronization

/// One connection: commands go out in the order of their asking, many under way at once; answers come in the same order.
///
/// What several tasks ask in one turn of the loop leaves in one write. The oldest command's time-out is the connection's: a server
/// answers in order, so one that keeps the oldest waiting keeps all.
final class RedisConnection: Sendable {
    private struct Waiting {
        /// Nil: its answer is of no interest.
        let answer: CheckedContinuation<RedisReply, any Error>?
        let deadline: NIODeadline
        let bytes: Int
    }
    private struct State {
        var outgoing = ByteBuffer()
        var waiting = CircularBuffer<Waiting>()
        var bytes = 0
        var isFlushing = false
        var fault: RedisFault?
    }
    private let channel: any Channel
    private let bounds: RedisBounds
    private let state = Mutex(State())
    /// Which memory is behind it; set once its greeting is over, before anybody else has it.
    let memory: Mutex<String> = Mutex("")

    private init(_ channel: any Channel, _ bounds: RedisBounds) {
        self.channel = channel
        self.bounds = bounds
    }

    /// - Parameter onClose: called once, when it is of no more use.
    static func open(
        _ place: RedisPlace, _ options: RedisOptions, onClose: @escaping @Sendable () -> Void
    ) async throws -> RedisConnection {
        let bounds = options.bounds
        let security = try options.security(for: place)
        let box = Mutex<RedisConnection?>(nil)
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(bounds.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: place.isLocal ? 0 : 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = RedisConnection(channel, bounds)
                    box.withLock { $0 = connection }
                    if let security { try channel.pipeline.syncOperations.addHandler(try security.handler()) }
                    try channel.pipeline.syncOperations.addHandler(
                        Inbound(connection: connection, reader: try RedisReader(bounds), onClose: onClose))
                }
            }
        do {
            switch place {
            case .host(let name, let port): _ = try await bootstrap.connect(host: name, port: port).get()
            case .socket(let path): _ = try await bootstrap.connect(unixDomainSocketPath: path).get()
            }
        } catch { throw RedisFault.away("\(place): \(error)") }
        guard let connection = box.withLock({ $0 }) else { throw RedisFault.away("\(place): no channel") }
        return connection
    }

    // MARK: Sending

    /// - Parameter before: a command that must stand right before it, whose answer is of no interest.
    func send(_ command: [ScriptArgument], before: [ScriptArgument]? = nil) async throws -> RedisReply {
        try await withCheckedThrowingContinuation { answer in
            enum Turn { case flush, wait, fail(RedisFault) }
            let deadline = NIODeadline.now() + bounds.timeout
            let turn = state.withLock { state -> Turn in
                if let fault = state.fault { return .fail(fault) }
                guard state.waiting.count < bounds.inFlight, state.bytes < bounds.inFlightBytes else { return .fail(.busy) }
                if let before {
                    state.outgoing.writeCommand(before)
                    state.waiting.append(Waiting(answer: nil, deadline: deadline, bytes: 0))
                }
                let size = state.outgoing.readableBytes
                state.outgoing.writeCommand(command)
                let bytes = state.outgoing.readableBytes - size
                state.bytes += bytes
                state.waiting.append(Waiting(answer: answer, deadline: deadline, bytes: bytes))
                defer { state.isFlushing = true }
                return state.isFlushing ? .wait : .flush
            }
            switch turn {
            case .wait: break
            case .flush: channel.eventLoop.execute { self.flush() }
            case .fail(let fault): answer.resume(throwing: fault)
            }
        }
    }

    private func flush() {
        let buffer = state.withLock { state -> ByteBuffer in
            defer { state.outgoing = ByteBuffer() }
            state.isFlushing = false
            return state.outgoing
        }
        channel.writeAndFlush(buffer, promise: nil)
    }

    fileprivate func take(_ replies: [RedisReply]) {
        let (answered, isTooMany) = state.withLock { state -> ([Waiting], Bool) in
            let count = min(replies.count, state.waiting.count)
            let answered = Array(state.waiting.prefix(count))
            state.waiting.removeFirst(count)
            for waiting in answered { state.bytes -= waiting.bytes }
            return (answered, count < replies.count)
        }
        for (waiting, reply) in zip(answered, replies) { waiting.answer?.resume(returning: reply) }
        if isTooMany { end(.malformed("an answer that nobody asked for")) }
    }

    /// True: the oldest command waits too long.
    fileprivate func isStuck(_ now: NIODeadline) -> Bool {
        state.withLock { $0.waiting.first.map { $0.deadline < now } ?? false }
    }

    /// Fails all that is under way, and closes.
    func end(_ fault: RedisFault) {
        let failed = state.withLock { state -> CircularBuffer<Waiting> in
            if state.fault == nil { state.fault = fault }
            defer { state.waiting = CircularBuffer() }
            return state.waiting
        }
        for waiting in failed { waiting.answer?.resume(throwing: fault) }
        channel.close(promise: nil)
    }

    /// Looks each second whether the same memory is still behind it, in the same role.
    func watch() {
        channel.eventLoop.scheduleRepeatedAsyncTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            let promise = self.channel.eventLoop.makePromise(of: Void.self)
            promise.completeWithTask {
                let known = self.memory.withLock { $0 }
                guard self.state.withLock({ $0.fault == nil }) else { throw RedisFault.busy }
                let now = try await self.identify()
                if now != known { self.end(.away("its role or memory changed")) }
            }
            return promise.futureResult
        }
    }

    /// A name for what the server remembers: another one after each restart and each change of master.
    func identify() async throws -> String {
        async let server = send([.text("INFO"), .text("server")])
        async let replication = send([.text("INFO"), .text("replication")])
        let lines = try await [server, replication].flatMap { reply -> [Substring] in
            if case .error(let text) = reply { throw RedisFault.refused(text) }
            return (reply.string ?? "").split(whereSeparator: \.isNewline)
        }
        func value(_ name: String) -> String? { lines.first { $0.hasPrefix("\(name):") }.map { String($0.dropFirst(name.count + 1)) } }
        guard let run = value("run_id"), let history = value("master_replid"), let role = value("role") else {
            throw RedisFault.malformed("no run_id, master_replid and role in INFO")
        }
        guard role == "master" else { throw RedisFault.away("it is a replica") }
        guard run.utf8.count <= 64, history.utf8.count <= 64 else { throw RedisFault.malformed("a run_id too long") }
        return "\(run):\(history)"
    }

    /// The channel's side of it.
    private final class Inbound: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let connection: RedisConnection
        private let reader: RedisReader
        private let onClose: @Sendable () -> Void
        private var clock: RepeatedTask?
        init(connection: RedisConnection, reader: RedisReader, onClose: @escaping @Sendable () -> Void) {
            self.connection = connection
            self.reader = reader
            self.onClose = onClose
        }
        func handlerAdded(context: ChannelHandlerContext) {
            let every = TimeAmount.nanoseconds(max(5_000_000, connection.bounds.timeout.nanoseconds / 8))
            clock = context.eventLoop.scheduleRepeatedTask(initialDelay: every, delay: every) { [connection] _ in
                if connection.isStuck(.now()) { connection.end(.away("no answer in time")) }
            }
        }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var buffer = unwrapInboundIn(data)
            do { connection.take(try reader.read(&buffer)) } catch { connection.end(error) }
        }
        func channelInactive(context: ChannelHandlerContext) {
            clock?.cancel()
            connection.end(.away("the connection ended"))
            onClose()
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { connection.end(.away("\(error)")) }
    }
}
