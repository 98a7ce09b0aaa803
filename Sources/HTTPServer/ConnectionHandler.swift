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
        task = Task(executorPreference: rules.executor(of: loop)) { [raw] in
            let reply = await edge.respond(to: raw)
            if loop.inEventLoop {
                me.value.answer(reply, turn: turn)
            } else {
                loop.execute { me.value.answer(reply, turn: turn) }
            }
        }
    }

    private func answer(_ reply: Reply, turn: UInt64) {
        guard phase == .handling, turn == self.turn, let head else { return }
        task = nil
        request = nil
        write(
            reply, isLast: !head.isKeepAlive || !isRequestComplete || isInputClosed || head.method == .CONNECT || rules.draining.isDraining)
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

    private func write(_ reply: Reply, isLast: Bool) {
        guard let context else { return }
        var headers = HTTPHeaders(reply.headers)
        headers.add(name: "date", value: rules.date.text)
        let hasNoBody = reply.status == 204 || reply.status == 304
        if !hasNoBody, head?.method != .HEAD { headers.add(name: "content-length", value: String(reply.body.count)) }
        if isLast {
            headers.add(name: "connection", value: "close")
        } else if head?.version == .http1_0 {
            headers.add(name: "connection", value: "keep-alive")
        }
        let answer = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status), headers: headers)
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        if !hasNoBody, !reply.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: reply.body)))), promise: nil)
        }
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
        case .idle, .head, .blocked, .closing: context.close(promise: nil)
        case .closed: break
        }
    }
}

/// How a request says where its body ends. Two answers at once, or one that another reader might understand otherwise, are refused:
/// a proxy in front of us must never see other requests than we do (RFC 9112, 6.3 and 11.2).
enum Framing: Equatable {
    case none
    case length(Int)
    case chunked
    case malformed

    init(_ head: HTTPRequestHead) {
        var (lengths, codings, hosts) = (0, 0, 0)
        var found = Framing.none
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 4 where name.lowercased() == "host": hosts += 1
            case 14 where name.lowercased() == "content-length":
                lengths += 1
                guard !value.isEmpty, value.utf8.count <= 18, value.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(value)
                else {
                    self = .malformed
                    return
                }
                found = .length(length)
            case 17 where name.lowercased() == "transfer-encoding":
                codings += 1
                guard value.lowercased() == "chunked" else {
                    self = .malformed
                    return
                }
                found = .chunked
            default: break
            }
        }
        let isOld = head.version == .http1_0
        let isKnown = isOld || head.version == .http1_1
        guard isKnown, lengths + codings <= 1, hosts <= 1, hosts == 1 || isOld, !(isOld && codings > 0) else {
            self = .malformed
            return
        }
        self = found
    }
}

/// Tells the connection that bytes have come, before the decoder has made anything of them.
final class ByteWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    private let connection: ConnectionHandler
    init(_ connection: ConnectionHandler) { self.connection = connection }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.bytesArrived()
        context.fireChannelRead(data)
    }
}
