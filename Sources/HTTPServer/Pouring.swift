import Foundation
import HTTPEdge
import NIOCore

/// Long answers.
extension ConnectionHandler {
    /// Writes a long answer: the next part is made when the socket has taken the one before, so that one part is in memory at a time.
    static func pour(
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
        var bytes = ByteBuffer()
        start(reply, isLast: isPouringLast).write(to: &bytes)
        pour(bytes, done)
    }
    private func pour(_ part: Data, turn: UInt64, _ done: @escaping @Sendable (Bool) -> Void) {
        guard phase == .pouring, turn == self.turn, let context else { return done(false) }
        pour(context.channel.allocator.buffer(bytes: part), done)
    }
    private func pour(_ part: ByteBuffer, _ done: @escaping @Sendable (Bool) -> Void) {
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
        work = nil
        end(ByteBuffer(), isLast: isPouringLast || isLastAnswer)
    }
    /// What was promised will not come: the client must not take the part for the whole.
    private func cut(_ turn: UInt64) {
        guard phase == .pouring, turn == self.turn else { return }
        context?.close(promise: nil)
    }
}
