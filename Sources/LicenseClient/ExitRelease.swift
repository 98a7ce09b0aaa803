import Foundation
import Synchronization

/// Written by the handler of a signal, which may do little else.
nonisolated(unsafe) private var signalPipe: Int32 = -1  // set once, before the handler is installed, and never again

/// Gives every seat of this process back when it ends: by itself, or by a signal that nobody else handles.
final class ExitRelease: Sendable {
    static let shared = ExitRelease()
    private static let threadName = "seat-exit"
    private static let signals: [Int32] = [SIGTERM, SIGINT, SIGHUP]
    private let keepers = Mutex<[ObjectIdentifier: SeatKeeper]>([:])
    private let isPrepared = Mutex(false)
    private let isEnding = Mutex(false)

    func add(_ keeper: SeatKeeper) {
        keepers.withLock { $0[ObjectIdentifier(keeper)] = keeper }
        let isFirst = isPrepared.withLock { prepared in
            defer { prepared = true }
            return !prepared
        }
        guard isFirst else { return }
        atexit {
            ExitRelease.shared.waitForTheEnd()
            ExitRelease.shared.releaseAll()
        }
        listen()
    }
    func remove(_ keeper: SeatKeeper) { keepers.withLock { $0[ObjectIdentifier(keeper)] = nil } }

    /// While a signal ends the process, whoever would end it too waits: the seats are being given back, and the parent is to see
    /// the signal.
    func waitForTheEnd() {
        // The thread that gives them back may let go of the last reference to one.
        guard Thread.current.name != Self.threadName else { return }
        while isEnding.withLock({ $0 }) { pause() }
    }

    private func releaseAll() {
        let open = keepers.withLock { keepers in
            defer { keepers = [:] }
            return Array(keepers.values)
        }
        for keeper in open { keeper.release() }
    }

    /// A handler of the application's own is left alone: it ends the process as it likes, and the exit releases.
    private func listen() {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalPipe = ends[1]
        let reading = ends[0]
        for number in Self.signals {
            var current = sigaction()
            guard sigaction(number, nil, &current) == 0, current.__sigaction_handler.sa_handler == nil else { continue }
            var ours = sigaction()
            ours.sa_flags = SA_RESTART
            ours.__sigaction_handler.sa_handler = { number in
                let before = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(signalPipe, &byte, 1)
                errno = before
            }
            sigaction(number, &ours, nil)
        }
        let thread = Thread { [self] in
            var byte: UInt8 = 0
            while read(reading, &byte, 1) != 1 {}
            isEnding.withLock { $0 = true }
            releaseAll()
            // The process ends as if nobody had listened, so that its parent sees the signal.
            signal(Int32(byte), SIG_DFL)
            kill(getpid(), Int32(byte))
        }
        thread.name = Self.threadName
        thread.start()
    }
}
