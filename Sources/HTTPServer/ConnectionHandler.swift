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
///
/// It is the last of its pipeline, right behind NIO's decoder: what is read while an answer is due waits here for its turn, and an answer leaves as
/// the bytes that it is. As long as each read is one whole plain request, the decoder is not asked.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
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

    let rules: ConnectionRules
    private(set) var phase = Phase.idle
    private(set) var context: ChannelHandlerContext?
    private var executor: LoopExecutor?
    private var waiting = WaitingParts()
    /// Some bytes of a next head may have come while an answer was due.
    private var hasPartOfNext = false
    /// The decoder has seen nothing yet of this connection.
    private var isPlain = true
    private var isQuiescing = false
    /// The first request of what was read begins at once; those behind it in the same bytes take turns with the other connections.
    private var mayBegin = false
    /// Of answers, kept while they are small.
    private var out = ByteBuffer()
    private var peer = ""
    private var manner = Manner.unknown
    /// What has come and waits for its body, or for a client that reads.
    private var arriving: RawRequest?
    private var body: ByteBuffer?
    private var bodyLimit = 0
    private var isOverLimit = false
    private var isRequestComplete = true
    /// The client will send nothing more, though it may still read.
    private var isInputClosed = false
    /// Of the answer that is being poured.
    var isPouringLast = false
    var request: RawRequest?
    /// The request under way.
    var work: LoopWorker.Turn?
    /// Tells a reply that comes too late from the one awaited.
    private(set) var turn: UInt64 = 0
    private var deadline = NIODeadline.distantFuture
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture

    init(_ rules: ConnectionRules) { self.rules = rules }

    // MARK: Life of the connection

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        executor = rules.executor(of: context.eventLoop)
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
        work = nil
        request = nil
        waiting.drop()
        self.context = nil
        rules.registry.remove(context.channel)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            isQuiescing = true
            waiting.drop()
            // A request may be on its way, or already here and not yet read: who has sent it cannot know that it was not carried out.
            switch phase {
            case .idle: enter(.idle, for: turn == 0 ? ConnectionRules.firstRequestTime : ConnectionRules.crossingTime)
            case .head: enter(.head, for: ConnectionRules.firstRequestTime)
            default: break
            }
        case ChannelEvent.inputClosed where !waiting.isEmpty: waiting.add(.inputClosed)
        case ChannelEvent.inputClosed: inputClosed(context)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }
    private func inputClosed(_ context: ChannelHandlerContext) {
        isInputClosed = true
        if phase == .idle || phase == .head || phase == .closing { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? HTTPParserError, isNextOnes { return waiting.add(.fault(error)) }
        fail(error, context)
    }
    private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
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

    /// Bytes have come; called before they are understood. True: they were one plain request, which is under way.
    func takes(_ bytes: ByteBuffer) -> Bool {
        mayBegin = true
        if isPlain, phase == .idle, !isQuiescing, let plain = plain(bytes) {
            begin(plain)
            return true
        }
        isPlain = false
        if phase == .idle { enter(.head, for: headTime) } else if isAnswerDue { hasPartOfNext = true }
        return false
    }

    private var headTime: TimeAmount { isQuiescing ? ConnectionRules.firstRequestTime : rules.headerTimeout }

    private func plain(_ bytes: ByteBuffer) -> PlainRequest? {
        bytes.withUnsafeReadableBytes { PlainRequest($0, maxHeaderBytes: rules.maxHeaderBytes, maxHeaderFields: rules.maxHeaderFields) }
    }

    // MARK: One at a time

    /// The request is whole and its answer is not: whatever comes belongs to the next request.
    private var isAnswerDue: Bool {
        switch phase {
        case .handling, .pouring, .blocked: isRequestComplete
        case .idle, .head, .body, .closing, .closed: false
        }
    }
    private var isNextOnes: Bool { isAnswerDue || !waiting.isEmpty }

    /// One look into the socket more than there is to do: without it each request would cost two calls to put reading off and on again.
    func read(context: ChannelHandlerContext) {
        if isAnswerDue, !waiting.isEmpty { waiting.isReadHeld = true } else { context.read() }
    }

    /// Lets in what waits, until another answer is due.
    private func takeNext(_ context: ChannelHandlerContext) {
        guard waiting.begin() else { return }
        while !isAnswerDue, let next = waiting.next() {
            switch next {
            case .part(let part): take(part, context)
            case .fault(let error): fail(error, context)
            case .inputClosed: inputClosed(context)
            }
        }
        waiting.end()
        if waiting.isReadHeld, waiting.isEmpty || !isAnswerDue {
            waiting.isReadHeld = false
            context.read()
        }
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard isNextOnes else { return take(part, context) }
        // What comes after a whole head, or a whole request, says anew that it is there.
        if case .body = part {} else { hasPartOfNext = false }
        waiting.add(.part(part))
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
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

    private func begin(_ plain: PlainRequest) {
        manner = .plain
        isOverLimit = false
        isRequestComplete = true
        var raw = RawRequest(
            method: plain.method, target: plain.target, headers: plain.headers, remoteAddress: peer, isTLS: rules.isTLS)
        raw.body = plain.body
        arriving = raw
        dispatch()
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard phase == .idle || phase == .head else { return }
        manner = Manner(head)
        arriving = RawRequest(
            method: head.method.rawValue, target: head.uri, headers: HeaderFields(head.headers.map { (name: $0.name, value: $0.value) }),
            remoteAddress: peer, isTLS: rules.isTLS)
        body = nil
        bodyLimit = 0
        isOverLimit = false
        isRequestComplete = false
        hasPartOfNext = false
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
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
    }

    // MARK: Handling

    private func dispatch() {
        guard let context, let executor, var raw = arriving else { return }
        guard context.channel.isWritable else { return enter(.blocked, for: rules.bodyTimeout) }
        arriving = nil
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
        let isFirst = mayBegin
        mayBegin = false
        executor.begin(atOnce: isFirst, { [raw] in await Self.serve(raw, edge, me, loop, turn: turn) }) { work = $0 }
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
        work = nil
        request = nil
        write(reply, isLast: isLastAnswer)
    }
    var isLastAnswer: Bool { !manner.isKept || !isRequestComplete || isInputClosed || isQuiescing || rules.draining.isDraining }

    private func refuse(_ problem: Problem) {
        if phase != .body { manner = .unknown }
        isRequestComplete = false
        write(rules.edge.refuse(problem), isLast: true)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if phase == .blocked, context.channel.isWritable { dispatch() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Writing

    /// How the answer to this request begins.
    func start(_ reply: Reply, isLast: Bool) -> AnswerStart {
        AnswerStart(reply, manner, date: rules.date.text, isLast: isLast)
    }

    private func write(_ reply: Reply, isLast: Bool) {
        out.clear(minimumCapacity: 512 + reply.body.count)
        start(reply, isLast: isLast).writeWhole(to: &out)
        let bytes = out
        if bytes.capacity > ConnectionRules.largestKept { out = ByteBuffer() }
        end(bytes, isLast: isLast)
    }
    /// Writes the rest of an answer; then comes the next request, or the end.
    func end(_ rest: ByteBuffer, isLast: Bool) {
        guard let context else { return }
        guard isLast else {
            // Before the writing, which may find that the connection is gone.
            if hasPartOfNext { enter(.head, for: rules.headerTimeout) } else { enter(.idle, for: rules.idleTimeout) }
            context.writeAndFlush(wrapOutboundOut(rest), promise: nil)
            return takeNext(context)
        }
        waiting.drop()
        enter(.closing, for: rules.bodyTimeout)
        let written = context.eventLoop.makePromise(of: Void.self)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in me.value.close() }
        context.writeAndFlush(wrapOutboundOut(rest), promise: written)
        takeNext(context)
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

    func enter(_ phase: Phase, for time: TimeAmount) {
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
            work?.cancel()
            work = nil
            if let request { write(rules.edge.expired(request), isLast: true) } else { context.close(promise: nil) }
        // Before a head is whole there is no request to answer.
        case .idle, .head, .blocked, .pouring, .closing: context.close(promise: nil)
        case .closed: break
        }
    }
}
