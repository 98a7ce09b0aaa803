import Foundation

/// A command run in the foreground, with the terminal, the environment and the files of this process.
///
/// Signals are blocked here and waited for one by one. What the terminal sends reaches the child by itself, as it is in the same
/// process group; what another process sends to this one is passed on.
struct ChildProcess {
    static let forwarded: [Int32] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH]
    let pid: pid_t

    /// To be called before any other thread is made.
    static func blockSignals() -> sigset_t {
        var set = sigset_t()
        var before = sigset_t()
        sigemptyset(&set)
        for signal in forwarded + [SIGCHLD] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, &before)
        return before
    }

    /// The signal that asked this process to end while it could not listen, if any.
    static func pendingEnd() -> Int32? {
        var pending = sigset_t()
        sigpending(&pending)
        return [SIGINT, SIGTERM, SIGHUP, SIGQUIT].first { sigismember(&pending, $0) == 1 }
    }

    /// Waits, unless this process is asked to end meanwhile: then false, and the signal stays to be looked up.
    static func pause(_ span: Duration) -> Bool {
        let end =
            DispatchTime.now()
            + .nanoseconds(Int(span.components.seconds) * 1_000_000_000 + Int(span.components.attoseconds / 1_000_000_000))
        while DispatchTime.now() < end {
            if pendingEnd() != nil { return false }
            usleep(20_000)
        }
        return pendingEnd() == nil
    }

    /// Exit codes of a shell: 127 if there is no such command, 126 if it cannot be run.
    struct NotRun: Error {
        let code: Int32
        let reason: String
    }

    /// - Parameter mask: the signals that were blocked before. The child begins with those, but can always be asked to end.
    init(_ command: [String], mask: sigset_t) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = mask
        for signal in Self.forwarded + [SIGCHLD] { sigdelset(&mask, signal) }
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, command[0], nil, &attributes, &arguments, environ)
        guard code == 0 else { throw NotRun(code: code == ENOENT ? 127 : 126, reason: String(cString: strerror(code))) }
        self.pid = pid
    }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits for the end of the child, passing signals on; answers its exit code, or 128 and the signal that ended it.
    func wait() -> Int32 {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in Self.forwarded + [SIGCHLD] { sigaddset(&set, signal) }
        while true {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) == pid {
                let signal = status & 0x7f
                return signal == 0 ? (status >> 8) & 0xff : 128 + signal
            }
            var info = siginfo_t()
            let signal = sigwaitinfo(&set, &info)
            // Zero and below: sent by a process. Above: by the kernel, to the whole group.
            if signal > 0, signal != SIGCHLD, info.si_code <= 0 { send(signal) }
        }
    }
}
