import Dispatch
import Foundation
import PrisonShim
import Synchronization

/// One end of the socket between server and child: calls in both directions at once, answers in any order.
///
/// One thread reads (`run`). Whoever asks writes by itself as long as the socket takes it, and leaves the rest to that thread: nobody
/// waits for a slow reader on a thread of the concurrency pool, and what waits is bounded.
package final class Wire: Sendable {
    struct State {
        var unsent = Data()
        var lastCall: UInt64 = 0
        var lastServed: UInt64 = 0
        var waiting: [UInt64: @Sendable (Result<Data, any Error>) -> Void] = [:]
        var served: [UInt64: Served] = [:]
        /// Answers that came so far: a sign of life.
        var answered = 0
        var end: WireEnd?
    }
    enum Served {
        case beginning, cancelled
        case running(Task<Void, Never>)
    }
    let socket: Int32
    /// Rung for the reading thread when something is left to send.
    let bell: (out: Int32, in: Int32)
    let maxPayload: Int
    let state = Mutex(State())

    /// What may lie unsent before the other side counts as hung.
    static let maxUnsent = 67_108_864

    /// Takes the socket over. `maxPayload`: the largest payload taken in.
    package init(socket: Int32, maxPayload: Int) throws {
        self.socket = socket
        self.maxPayload = maxPayload
        var ends: [Int32] = [0, 0]
        guard prison_pipe(&ends) == 0 else { throw WireEnd("there is no pipe for it") }
        bell = (ends[0], ends[1])
    }
    deinit {
        close(socket)
        close(bell.out)
        close(bell.in)
    }

    /// How many calls wait for an answer, and how many answers ever came.
    package var load: (waiting: Int, answered: Int) { state.withLock { ($0.waiting.count, $0.answered) } }

    // MARK: - Asking

    /// Asks and waits. Cancelling the task cancels the work on the other side, and waits on for what that says.
    package func call<Input, Output>(_ call: WireCall<Input, Output>, _ input: Input) async throws -> Output {
        let payload = try WireCoder.encode(input)
        let number = Slot<UInt64>()
        let answer = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Data, any Error>) in
                number.value = post(call.method, payload) { continuation.resume(with: $0) }
                if Task.isCancelled, let given = number.value { send(Frame(.cancel, id: given)) }
            }
        } onCancel: {
            if let given = number.value { send(Frame(.cancel, id: given)) }
        }
        return try read(answer)
    }

    /// Asks and blocks the calling thread until the answer is there, at most for `limit`: then it throws `WireEnd`.
    package func callBlocking<Input, Output>(_ call: WireCall<Input, Output>, _ input: Input, limit: DispatchTimeInterval? = nil) throws
        -> Output
    {
        let payload = try WireCoder.encode(input)
        let answer = Slot<Result<Data, any Error>>()
        let arrived = DispatchSemaphore(value: 0)
        _ = post(call.method, payload) { result in
            answer.value = result
            arrived.signal()
        }
        if let limit {
            guard arrived.wait(timeout: .now() + limit) == .success else { throw WireEnd("it did not answer in time") }
        } else {
            arrived.wait()
        }
        guard let result = answer.value else { throw WireEnd("it did not answer") }
        return try read(try result.get())
    }

    /// Tells, and hears nothing of it.
    package func note<Input>(_ note: WireNote<Input>, _ input: Input) {
        if let payload = try? WireCoder.encode(input) { send(Frame(.note, method: note.method, payload: payload)) }
    }

    /// The number of the call; nil where the wire has ended, which `then` hears.
    private func post(_ method: UInt16, _ payload: Data, _ then: @escaping @Sendable (Result<Data, any Error>) -> Void) -> UInt64? {
        let posted: Result<UInt64, WireEnd> = state.withLock { state in
            if let end = state.end { return .failure(end) }
            state.lastCall += 1
            state.waiting[state.lastCall] = then
            // Under the lock, so that numbers leave in their order.
            enqueue(Frame(.call, method: method, id: state.lastCall, payload: payload), &state)
            return .success(state.lastCall)
        }
        switch posted {
        case .success(let number): return number
        case .failure(let end):
            then(.failure(end))
            return nil
        }
    }

    private func read<Output: Decodable>(_ payload: Data) throws -> Output {
        do { return try WireCoder.decode(Output.self, from: payload) } catch {
            // Whoever answers nonsense once is not believed again.
            shut(WireEnd("it broke the protocol: \(error)"))
            throw error
        }
    }

    // MARK: - Sending

    func send(_ frame: Frame) {
        state.withLock { state in
            if state.end == nil { enqueue(frame, &state) }
        }
    }

    func enqueue(_ frame: Frame, _ state: inout State) {
        let wasEmpty = state.unsent.isEmpty
        state.unsent.append(frame.bytes)
        if wasEmpty { flush(&state) }
        if state.unsent.count > Wire.maxUnsent {
            state.unsent = Data()
            // The reading thread sees it and ends.
            shutdown(socket, Int32(SHUT_RDWR))
        } else if wasEmpty, !state.unsent.isEmpty {
            _ = write(bell.in, [1], 1)
        }
    }

    /// Sends what the socket takes now.
    func flush(_ state: inout State) {
        var sent = 0
        state.unsent.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            while sent < bytes.count, let start = bytes.baseAddress {
                let count = Glibc.send(socket, start + sent, bytes.count - sent, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                sent += count
            }
        }
        state.unsent = sent == state.unsent.count ? Data() : sent == 0 ? state.unsent : Data(state.unsent.dropFirst(sent))
    }

    // MARK: - The end

    /// Ends it for both sides; whoever waits hears why. The first reason stays.
    package func shut(_ end: WireEnd) {
        let (waiting, served) = state.withLock { state in
            if state.end == nil { state.end = end }
            defer {
                state.waiting = [:]
                state.served = [:]
                state.unsent = Data()
            }
            return (state.waiting, state.served)
        }
        shutdown(socket, Int32(SHUT_RDWR))
        let reason = state.withLock(\.end) ?? end
        for then in waiting.values { then(.failure(reason)) }
        for case .running(let task) in served.values { task.cancel() }
    }
}

/// One value that two threads hand over.
package final class Slot<Value: Sendable>: Sendable {
    private let state = Mutex<Value?>(nil)
    package init() {}
    package var value: Value? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
