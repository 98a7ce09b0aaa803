import Foundation
import Synchronization

extension Wire {
    /// A descriptor that the reading thread also watches: every piece that comes out of it.
    package struct Sideline {
        package var descriptor: Int32
        package var hear: (UnsafeRawBufferPointer) -> Void
        package init(descriptor: Int32, hear: @escaping (UnsafeRawBufferPointer) -> Void) {
            self.descriptor = descriptor
            self.hear = hear
        }
    }

    /// Reads on the calling thread until the other side is gone, breaks the protocol or `shut` was called; gives the reason.
    package func run(_ desk: WireDesk, alongside sideline: Sideline? = nil) -> WireEnd {
        var reader = FrameReader(maxPayload: maxPayload)
        var hearing = sideline
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            var watched = [pollfd(fd: socket, events: Int16(POLLIN), revents: 0), pollfd(fd: bell.out, events: Int16(POLLIN), revents: 0)]
            if state.withLock({ !$0.unsent.isEmpty }) { watched[0].events |= Int16(POLLOUT) }
            if let hearing { watched.append(pollfd(fd: hearing.descriptor, events: Int16(POLLIN), revents: 0)) }
            guard poll(&watched, nfds_t(watched.count), -1) >= 0 || errno == EINTR else { return ended("poll failed, errno \(errno)") }
            if watched.count > 2, watched[2].revents != 0, let side = hearing {
                let count = read(side.descriptor, buffer.baseAddress, buffer.count)
                if count > 0 { side.hear(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
                if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { hearing = nil }
            }
            if watched[1].revents != 0 { while read(bell.out, buffer.baseAddress, 64) > 0 {} }
            state.withLock { if !$0.unsent.isEmpty { flush(&$0) } }
            guard watched[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 else { continue }
            let count = recv(socket, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            guard count > 0 else { return ended("the socket closed") }
            do {
                for frame in try reader.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { try take(frame, desk) }
            } catch {
                return ended("it broke the protocol: \(error)")
            }
        }
    }

    private func ended(_ reason: String) -> WireEnd {
        shut(WireEnd(reason))
        return state.withLock(\.end) ?? WireEnd(reason)
    }

    private func take(_ frame: Frame, _ desk: WireDesk) throws {
        switch frame.kind {
        case .answer: try waiter(frame)(.success(frame.payload))
        case .failure:
            let then = try waiter(frame)
            do { then(.failure(try WireCoder.decode(WireFailure.self, from: frame.payload).error)) } catch {
                then(.failure(error))
                throw error
            }
        case .note:
            guard let hear = desk.notes[frame.method], frame.id == 0 else { throw WireFault("it told of what nobody hears") }
            try hear(frame.payload)
        case .cancel: cancelServed(frame.id)
        case .call: try serve(frame, desk)
        }
    }

    private func waiter(_ frame: Frame) throws -> @Sendable (Result<Data, any Error>) -> Void {
        let then = state.withLock { state in
            state.answered += 1
            return frame.method == 0 ? state.waiting.removeValue(forKey: frame.id) : nil
        }
        guard let then else { throw WireFault("it answered what nobody asked") }
        return then
    }

    private func cancelServed(_ id: UInt64) {
        let task: Task<Void, Never>? = state.withLock { state in
            // One that is done already is no fault: answer and cancellation crossed.
            switch state.served[id] {
            case .running(let task): return task
            case .beginning: state.served[id] = .cancelled
            case .cancelled, nil: break
            }
            return nil
        }
        task?.cancel()
    }

    private func serve(_ frame: Frame, _ desk: WireDesk) throws {
        guard let answer = desk.answers[frame.method] else { throw WireFault("it asked for what there is not: \(frame.method)") }
        let id = frame.id
        let isRising = state.withLock { state in
            defer { state.lastServed = max(id, state.lastServed) }
            return id > state.lastServed
        }
        guard isRising else { throw WireFault("it used a number twice") }
        switch answer {
        case .atOnce(let work):
            do { send(Frame(.answer, id: id, payload: try work(frame.payload))) } catch let fault as WireFault { throw fault } catch {
                send(Wire.failure(id, error))
            }
        case .later(let work):
            let isFree = state.withLock { state in
                guard state.end == nil, state.served.count < desk.maxCalls else { return false }
                state.served[id] = .beginning
                return true
            }
            guard isFree else { return send(Wire.failure(id, TooMany())) }
            let payload = frame.payload
            let task = Task { [self] in
                do { finish(Frame(.answer, id: id, payload: try await work(payload))) } catch let fault as WireFault {
                    shut(WireEnd("it broke the protocol: \(fault)"))
                } catch {
                    finish(Wire.failure(id, error))
                }
            }
            let isCancelled = state.withLock { state in
                defer { if state.served[id] != nil { state.served[id] = .running(task) } }
                if case .cancelled = state.served[id] { return true }
                return false
            }
            if isCancelled { task.cancel() }
        }
    }

    private func finish(_ frame: Frame) {
        state.withLock { state in
            guard state.served.removeValue(forKey: frame.id) != nil, state.end == nil else { return }
            enqueue(frame, &state)
        }
    }

    private static func failure(_ id: UInt64, _ error: any Error) -> Frame {
        Frame(.failure, id: id, payload: (try? WireCoder.encode(WireFailure(error))) ?? Data())
    }
}
