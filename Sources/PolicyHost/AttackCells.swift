import Foundation
import PrisonShim

/// Judges hostile files in child processes, so that one which takes its process along is told as well: a signal becomes `CRASHED`, no answer
/// `HUNG`. One child judges file after file; when it dies, another goes on behind the one that killed it.
package struct AttackCells: Sendable {
    /// A program that judges the files named behind these arguments, in order, and prints the line of each verdict at once.
    package struct Program: Sendable {
        let path: String
        let arguments: [String]
        package init(_ path: String, _ arguments: [String]) {
            self.path = path
            self.arguments = arguments
        }
    }
    private let program: Program
    private let patience: Duration

    /// `patience`: how long a file may take before it counts as hung.
    package init(_ program: Program, patience: Duration = .seconds(10)) {
        self.program = program
        self.patience = patience
    }

    /// Tells each verdict as it comes, in the order of the files. Blocks.
    package func judge(_ files: [String], tell: (AttackVerdict) -> Void) throws {
        var waiting = files[...]
        while !waiting.isEmpty {
            let child = try Child(program, waiting)
            var began = ContinuousClock.now
            var ending: Child.Ending?
            while let file = waiting.first, ending == nil {
                switch child.next(by: began + patience) {
                case .success(let verdict):
                    tell(verdict)
                    waiting.removeFirst()
                case .failure(let ended):
                    let milliseconds = Double((ContinuousClock.now - began).microseconds) / 1_000
                    tell(AttackVerdict(file, ended.outcome, milliseconds, ended.detail))
                    waiting.removeFirst()
                    ending = ended
                }
                began = ContinuousClock.now
            }
            child.end()
        }
    }
}

private final class Child {
    struct Ending: Error {
        let outcome: String
        let detail: String
    }
    private let pid: pid_t
    /// Where its verdicts come.
    private let output: Int32
    private var isGone = false
    private var buffer: [UInt8] = []

    /// Spawned, and not by Foundation's `Process`: that reads past the end of its own list where a process has very many descriptors open.
    init(_ program: AttackCells.Program, _ files: ArraySlice<String>) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        let (reading, writing) = (ends[0], ends[1])
        _ = fcntl(reading, F_SETFD, FD_CLOEXEC)
        _ = fcntl(writing, F_SETFD, FD_CLOEXEC)
        defer { close(writing) }
        // Nothing of the environment but where programs and libraries are: it holds the server's secrets.
        let kept: Set<String> = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL"]
        // A backtrace would take longer than the next ten files.
        let environment =
            ProcessInfo.processInfo.environment.filter { kept.contains($0.key) }.map { "\($0.key)=\($0.value)" }
            + ["SWIFT_BACKTRACE=enable=no"]
        var texts = ([program.path] + program.arguments + ["--"] + files).map { strdup($0) } + [nil]
        var settings = environment.map { strdup($0) } + [nil]
        defer { for text in texts + settings { free(text) } }
        var pid: pid_t = 0
        let fault = prison_spawn_heard(program.path, &texts, &settings, writing, &pid)
        guard fault == 0 else {
            close(reading)
            throw POSIXError(POSIXErrorCode(rawValue: fault) ?? .EIO)
        }
        (self.pid, output) = (pid, reading)
    }
    deinit { close(output) }

    func next(by deadline: ContinuousClock.Instant) -> Result<AttackVerdict, Ending> {
        while true {
            while let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                if let verdict = AttackVerdict(json: line[...]) { return .success(verdict) }
            }
            let left = (deadline - ContinuousClock.now).microseconds / 1_000
            var watched = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let ready = left > 0 ? poll(&watched, 1, Int32(clamping: left)) : 0
            if ready < 0 { continue }
            guard ready > 0 else {
                end()
                return .failure(Ending(outcome: "HUNG", detail: "gave no answer in time"))
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = read(output, &chunk, chunk.count)
            if count > 0 {
                buffer += chunk[..<count]
            } else if count == 0 {
                let status = end()
                let signal = status & 0x7f
                let detail = signal != 0 ? "signal \(signal)" : "the process ended with status \(status >> 8 & 0xff)"
                return .failure(Ending(outcome: "CRASHED", detail: detail))
            }
        }
    }

    /// Kills it where it still runs, by its own id, and answers how it ended: one that is ending already keeps its own status.
    @discardableResult func end() -> Int32 {
        var status: Int32 = 0
        if isGone { return status }
        isGone = true
        kill(pid, SIGKILL)
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
