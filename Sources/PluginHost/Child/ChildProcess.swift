import Foundation
import PluginKit
import PluginWire
import PrisonShim
import Synchronization

/// One child: its process, its end of the socket, and the thread that starts it, reads from it and reaps it. The child is bound to
/// that thread's life: with the server it dies too.
final class ChildProcess: Sendable {
    struct Call: Sendable {
        var began: Int
        var limit: Int
    }
    private struct State {
        /// Nil before it started and from its end on.
        var process: pid_t?
        var tick = 0
        var nextCall = 0
        var calls: [Int: Call] = [:]
        var returned = 0
        var returnedBefore = 0
        var timeBefore: Int64 = 0
        var pingedAt: Int?
        var ended: [CheckedContinuation<Void, Never>] = []
        var isOver = false
    }
    let wire: Wire
    private let confinement: PluginConfinement
    private let state = Mutex(State())
    private let childEnds: (socket: Int32, stderr: Int32)
    private let stderr: Int32

    /// The largest payload that a child may send: a request of 6 MiB with its headers, a page of 2 MiB, a list of events.
    static let maxPayload = 8_388_608
    /// Answered by a task of the child every so many seconds; this long without one ends it.
    static let pingEvery = 5
    static let pingPatience = 30

    init(_ confinement: PluginConfinement) throws {
        self.confinement = confinement
        var ends: [Int32] = [0, 0]
        guard prison_socketpair(&ends) == 0 else { throw WireEnd("there is no socket for it") }
        var errors: [Int32] = [0, 0]
        guard prison_pipe(&errors) == 0 else {
            close(ends[0])
            close(ends[1])
            throw WireEnd("there is no pipe for it")
        }
        wire = try Wire(socket: ends[0], maxPayload: ChildProcess.maxPayload)
        childEnds = (ends[1], errors[1])
        stderr = errors[0]
    }

    /// Starts it and returns once the process is there. `over` hears, once, how it ended; by then it is reaped.
    func begin(
        program: String, arguments: [String], desk: WireDesk, line: @escaping @Sendable (String) -> Void,
        over: @escaping @Sendable (String) -> Void
    ) async throws {
        try await withCheckedThrowingContinuation { (started: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread { [self] in
                var process: pid_t = 0
                var texts = ([program] + arguments).map { strdup($0) } + [nil]
                let fault = prison_spawn(program, &texts, childEnds.socket, childEnds.stderr, &process)
                for text in texts { free(text) }
                close(childEnds.socket)
                close(childEnds.stderr)
                defer { close(stderr) }
                guard fault == 0 else {
                    let end = WireEnd("\(program) does not start: \(String(cString: strerror(fault)))")
                    wire.shut(end)
                    finish()
                    return started.resume(throwing: end)
                }
                state.withLock { $0.process = process }
                started.resume()
                let lines = LineCutter(line)
                let end = wire.run(desk, alongside: Wire.Sideline(descriptor: stderr) { lines.feed($0) })
                state.withLock { $0.process = nil }
                kill(process, SIGKILL)
                var status: Int32 = 0
                while waitpid(process, &status, 0) < 0, errno == EINTR {}
                let signal = status & 0x7f
                finish()
                over("\(end.description); \(signal == 0 ? "exit status \((status >> 8) & 0xff)" : "signal \(signal)")")
            }
        }
    }

    private func finish() {
        let waiting = state.withLock { state in
            state.isOver = true
            defer { state.ended = [] }
            return state.ended
        }
        for waiter in waiting { waiter.resume() }
    }

    /// Ends it; whoever waits for an answer hears why. The thread kills and reaps.
    func end(_ reason: String) { wire.shut(WireEnd(reason)) }

    /// Returns once it is reaped.
    func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.ended.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    var isOver: Bool { state.withLock(\.isOver) }
    var process: Int? { state.withLock { $0.process.map(Int.init) } }

    // MARK: - Asking, watched

    func call<Input, Output>(_ call: WireCall<Input, Output>, _ input: Input) async throws -> Output {
        let watched = watch(limit: confinement.callSeconds)
        defer { unwatch(watched) }
        return try await wire.call(call, input)
    }
    /// Blocks the calling thread, at most for so long; a child that takes longer is ended.
    func callBlocking<Input, Output>(_ call: WireCall<Input, Output>, _ input: Input, seconds: Int) throws -> Output {
        let watched = watch(limit: confinement.callSeconds)
        defer { unwatch(watched) }
        do { return try wire.callBlocking(call, input, limit: .seconds(seconds)) } catch let end as WireEnd {
            self.end(end.description)
            throw end
        }
    }
    static let blockingSeconds = 10

    private func watch(limit: Int) -> Int {
        state.withLock { state in
            state.nextCall += 1
            state.calls[state.nextCall] = Call(began: state.tick, limit: limit)
            return state.nextCall
        }
    }
    private func unwatch(_ call: Int) {
        state.withLock { state in
            state.calls[call] = nil
            state.returned += 1
        }
    }

    /// Once a second: ends a child that is late, burns processor time without bringing anything back, or no longer turns.
    func tick() {
        enum Verdict { case fine, ping, end(String) }
        let verdict: Verdict = state.withLock { state in
            state.tick += 1
            guard let process = state.process else { return .fine }
            if let late = state.calls.values.first(where: { state.tick - $0.began > $0.limit }) {
                return .end("a call did not come back within \(late.limit) s")
            }
            let used = prison_processor_time(process)
            if state.calls.isEmpty || state.returned != state.returnedBefore || used < 0 {
                state.returnedBefore = state.returned
                state.timeBefore = max(0, used)
            } else if used - state.timeBefore > Int64(confinement.cpuSeconds) * 1_000_000_000 {
                return .end("it used more than \(confinement.cpuSeconds) s of processor time and no call came back")
            }
            if let pinged = state.pingedAt {
                return state.tick - pinged > ChildProcess.pingPatience ? .end("its threads no longer turn") : .fine
            }
            guard state.tick % ChildProcess.pingEvery == 0 else { return .fine }
            state.pingedAt = state.tick
            return .ping
        }
        switch verdict {
        case .fine: break
        case .end(let reason): end(reason)
        case .ping:
            Task { [self] in
                _ = try? await wire.call(ToChild.ping, Nothing())
                state.withLock { $0.pingedAt = nil }
            }
        }
    }
}

/// Cuts what a child writes to its standard error into lines, of 1,000 bytes at most.
private final class LineCutter {
    private var rest: [UInt8] = []
    private let line: (String) -> Void
    init(_ line: @escaping (String) -> Void) { self.line = line }
    func feed(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if byte == 10 || rest.count == 1_000 {
                if !rest.isEmpty { line(String(decoding: rest, as: UTF8.self)) }
                rest.removeAll(keepingCapacity: true)
            }
            if byte != 10 { rest.append(byte) }
        }
    }
}
