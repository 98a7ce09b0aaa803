import Foundation
import HTTPEdge
import NIOCore
import NIOHTTP1
import Vocabulary

/// One connection: takes requests one at a time, hands each to the edge, writes its reply. Lives on one event loop.
///
///     idle → (head) → body → handling → idle …        any phase → closing → closed
///
/// One deadline holds at a time, the phase's own: between requests, for the head, for the body, for the handler, for a client that
/// does not read. A single timer serves them all; it is set again only when it fires or a phase ends earlier than it.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        /// Between requests.
        case idle
        /// Some bytes of a head have come.
        case head
        case body
        /// The request is whole, but the client does not read what we wrote before.
        case blocked
        case handling
        /// A long answer is under way, part after part.
        case pouring
        /// The last answer is being written, or what still comes in is dropped.
        case closing
        case closed
    }

    private let rules: ConnectionRules
    private var phase = Phase.idle
    private var context: ChannelHandlerContext?
    private var peer = ""
    private var head: HTTPRequestHead?
    private var body: ByteBuffer?
    private var bodyLimit = 0
    private var isOverLimit = false
    private var isRequestComplete = true
    /// The client will send nothing more, though it may still read.
    private var isInputClosed = false
    /// Of the answer that is being poured.
    private var isPouringLast = false
    private var request: RawRequest?
    private var task: Task<Void, Never>?
    /// Tells a reply that comes too late from the one awaited.
    private var turn: UInt64 = 0
    private var deadline = NIODeadline.distantFuture
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture

    init(_ rules: ConnectionRules) { self.rules = rules }

    // MARK: Life of the connection

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        peer = context.remoteAddress?.ipAddress ?? ""
        rules.registry.add(context.channel)
        enter(.idle, for: rules.idleTimeout)
    }
    func handlerRemoved(context: ChannelHandlerContext) { leave(context) }
    func channelInactive(context: ChannelHandlerContext) {
        leave(context)
        context.fireChannelInactive()
    }
    private func leave(_ context: ChannelHandlerContext) {
        guard phase != .closed else { return }
        phase = .closed
        timer?.cancel()
        timer = nil
        task = nil
        request = nil
        self.context = nil
        rules.registry.remove(context.channel)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            if phase == .idle || phase == .head || phase == .closing { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError, phase == .idle || phase == .head || phase == .body else {
            // Of TLS or of the socket: there is nobody to answer. While an answer is due, it is finished first.
            if phase != .handling, phase != .closing, phase != .blocked { context.close(promise: nil) }
            return
        }
        switch error {
        case .headerOverflow: refuse(HTTPProblems.headersTooLarge)
        case .invalidEOFState, .closedConnection: context.close(promise: nil)
        default: refuse(HTTPProblems.malformedMessage)
        }
    }

    /// Bytes have come; called before they are understood.
    func bytesArrived() { if phase == .idle { enter(.head, for: rules.headerTimeout) } }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(var part):
            guard phase == .body else { return }
            if (body?.readableBytes ?? 0) + part.readableBytes > bodyLimit {
                isOverLimit = true
                dispatch()
            } else if body == nil {
                body = part
            } else {
                body?.writeBuffer(&part)
            }
        case .end:
            isRequestComplete = true
            if phase == .body { dispatch() }
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard phase == .idle || phase == .head else { return }
        self.head = head
        body = nil
        bodyLimit = 0
        isOverLimit = false
        isRequestComplete = false
        switch Framing(head) {
        case .malformed:
            phase = .body
            return refuse(HTTPProblems.malformedMessage)
        case .none: enter(.body, for: rules.bodyTimeout)
        case .chunked:
            bodyLimit = rules.edge.bodyLimit(method: head.method.rawValue, target: head.uri)
            enter(.body, for: rules.bodyTimeout)
        case .length(let length):
            bodyLimit = rules.edge.bodyLimit(method: head.method.rawValue, target: head.uri)
            enter(.body, for: rules.bodyTimeout)
            if length > bodyLimit {
                isOverLimit = true
                return dispatch()
            }
        }
        if head.headers.first(name: "expect")?.lowercased() == "100-continue", head.version == .http1_1 {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
    }

    // MARK: Handling

    private func dispatch() {
        guard let context, let head else { return }
        guard context.channel.isWritable else { return enter(.blocked, for: rules.bodyTimeout) }
        var raw = RawRequest(
            method: head.method.rawValue, target: head.uri, headers: HeaderFields(head.headers.map { (name: $0.name, value: $0.value) }),
            remoteAddress: peer, isTLS: rules.isTLS)
        if let body, !isOverLimit { raw.body = Data(body.readableBytesView) }
        raw.isBodyTooLarge = isOverLimit
        raw.requestID = rules.edge.identify(raw)
        body = nil
        request = raw
        turn &+= 1
        enter(.handling, for: rules.handlerTimeout)
        let turn = turn
        let edge = rules.edge
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        let work: @Sendable () async -> Void = { [raw] in await Self.serve(raw, edge, me, loop, turn: turn) }
        task = Task(executorPreference: rules.executor(of: loop), operation: work)
    }

    private static func serve(
        _ raw: RawRequest, _ edge: Edge, _ me: NIOLoopBound<ConnectionHandler>, _ loop: any EventLoop, turn: UInt64
    ) async {
        let reply = await edge.respond(to: raw)
        if let stream = reply.stream {
            await pour(reply, stream, into: me, on: loop, turn: turn) { edge.broken($0, raw) }
        } else if loop.inEventLoop {
            me.value.answer(reply, turn: turn)
        } else {
            loop.execute { me.value.answer(reply, turn: turn) }
        }
    }

    private func answer(_ reply: Reply, turn: UInt64) {
        guard phase == .handling, turn == self.turn else { return }
        task = nil
        request = nil
        write(reply, isLast: isLastAnswer)
    }
    private var isLastAnswer: Bool {
        guard let head else { return true }
        return !head.isKeepAlive || !isRequestComplete || isInputClosed || head.method == .CONNECT || rules.draining.isDraining
    }

    /// Writes a long answer: the next part is made when the socket has taken the one before, so that one part is in memory at a time.
    private static func pour(
        _ reply: Reply, _ stream: ReplyStream, into me: NIOLoopBound<ConnectionHandler>, on loop: any EventLoop, turn: UInt64,
        broken: @Sendable (any Error) -> Void
    ) async {
        guard await written(loop, { me.value.beginPouring(reply, turn: turn, $0) }) else { return }
        var left = stream.length
        while left > 0 {
            let part: Data
            do {
                part = try await stream.read(stream.length - left)
                guard !part.isEmpty, part.count <= left else { throw PouringFault(left: left) }
            } catch {
                loop.execute { me.value.cut(turn) }
                return broken(error)
            }
            guard await written(loop, { me.value.pour(part, turn: turn, $0) }) else { return }
            left -= Int64(part.count)
        }
        loop.execute { me.value.endPouring(turn) }
    }
    /// A part that is none: too much, or nothing where something is due.
    private struct PouringFault: Error { let left: Int64 }
    private static func written(_ loop: any EventLoop, _ write: @escaping @Sendable (@escaping @Sendable (Bool) -> Void) -> Void) async
        -> Bool
    {
        await withCheckedContinuation { waiting in loop.execute { write { waiting.resume(returning: $0) } } }
    }
    private func beginPouring(_ reply: Reply, turn: UInt64, _ done: @escaping @Sendable (Bool) -> Void) {
        guard phase == .handling, turn == self.turn else { return done(false) }
        request = nil
        isPouringLast = isLastAnswer
        pour(.head(responseHead(reply, isLast: isPouringLast)), done)
    }
    private func pour(_ part: Data, turn: UInt64, _ done: @escaping @Sendable (Bool) -> Void) {
        guard phase == .pouring, turn == self.turn, let context else { return done(false) }
        pour(.body(.byteBuffer(context.channel.allocator.buffer(bytes: part))), done)
    }
    private func pour(_ part: HTTPServerResponsePart, _ done: @escaping @Sendable (Bool) -> Void) {
        guard let context else { return done(false) }
        // A client that takes nothing for so long is let go.
        enter(.pouring, for: rules.bodyTimeout)
        let flushed = context.eventLoop.makePromise(of: Void.self)
        flushed.futureResult.whenComplete { result in
            switch result {
            case .success: done(true)
            case .failure: done(false)
            }
        }
        context.writeAndFlush(wrapOutboundOut(part), promise: flushed)
    }
    private func endPouring(_ turn: UInt64) {
        guard phase == .pouring, turn == self.turn else { return }
        task = nil
        end(isLast: isPouringLast)
    }
    /// What was promised will not come: the client must not take the part for the whole.
    private func cut(_ turn: UInt64) {
        guard phase == .pouring, turn == self.turn else { return }
        context?.close(promise: nil)
    }

    private func refuse(_ problem: Problem) {
        if phase != .body { head = nil }
        isRequestComplete = false
        write(rules.edge.refuse(problem), isLast: true)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if phase == .blocked, context.channel.isWritable { dispatch() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Writing

    private func responseHead(_ reply: Reply, isLast: Bool) -> HTTPResponseHead {
        var headers = HTTPHeaders(reply.headers)
        headers.add(name: "date", value: rules.date.text)
        let hasNoBody = reply.status == 204 || reply.status == 304
        if !hasNoBody, head?.method != .HEAD { headers.add(name: "content-length", value: String(reply.length)) }
        if isLast {
            headers.add(name: "connection", value: "close")
        } else if head?.version == .http1_0 {
            headers.add(name: "connection", value: "keep-alive")
        }
        return HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status), headers: headers)
    }

    private func write(_ reply: Reply, isLast: Bool) {
        guard let context else { return }
        context.write(wrapOutboundOut(.head(responseHead(reply, isLast: isLast))), promise: nil)
        if reply.status != 204, reply.status != 304, !reply.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: reply.body)))), promise: nil)
        }
        end(isLast: isLast)
    }
    private func end(isLast: Bool) {
        guard let context else { return }
        guard isLast else {
            // The next request, if it waits in the pipeline, is delivered within this very call: be ready for it.
            enter(.idle, for: rules.idleTimeout)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            return
        }
        enter(.closing, for: rules.bodyTimeout)
        let written = context.eventLoop.makePromise(of: Void.self)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in me.value.close() }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    /// Closes; where more of the request may be under way, only our half at first, since closing both at once would reset the
    /// connection and take the answer from a client that still sends.
    private func close() {
        guard let context, phase == .closing else { return }
        guard !isRequestComplete, !rules.isTLS else { return context.close(promise: nil) }
        enter(.closing, for: ConnectionRules.lingerTime)
        let closed = context.eventLoop.makePromise(of: Void.self)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        closed.futureResult.whenFailure { _ in me.value.context?.close(promise: nil) }
        context.close(mode: .output, promise: closed)
    }

    // MARK: Deadlines

    private func enter(_ phase: Phase, for time: TimeAmount) {
        self.phase = phase
        deadline = .now() + time
        if deadline < timerAt { setTimer() }
    }

    private func setTimer() {
        guard let context else { return }
        timer?.cancel()
        timerAt = deadline
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        timer = nil
        timerAt = .distantFuture
        guard let context, phase != .closed else { return }
        guard deadline <= .now() else { return setTimer() }
        switch phase {
        case .body: refuse(HTTPProblems.requestTimeout)
        case .handling:
            turn &+= 1
            task?.cancel()
            task = nil
            if let request { write(rules.edge.expired(request), isLast: true) } else { context.close(promise: nil) }
        // Before a head is whole there is no request to answer.
        case .idle, .head, .blocked, .pouring, .closing: context.close(promise: nil)
        case .closed: break
        }
    }
}
