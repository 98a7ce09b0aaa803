import Foundation

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
    private let process = Process()
    private let pipe = Pipe()
    private var buffer: [UInt8] = []

    init(_ program: AttackCells.Program, _ files: ArraySlice<String>) throws {
        process.executableURL = URL(fileURLWithPath: program.path)
        process.arguments = program.arguments + ["--"] + files
        // A backtrace would take longer than the next ten files.
        // Nothing of the environment but where programs and libraries are: it holds the server's secrets.
        let kept: Set<String> = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL"]
        process.environment = ProcessInfo.processInfo.environment.filter { kept.contains($0.key) }
            .merging(["SWIFT_BACKTRACE": "enable=no"]) { _, ours in ours }
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        process.standardOutput = pipe
        try process.run()
        try? pipe.fileHandleForWriting.close()
    }

    func next(by deadline: ContinuousClock.Instant) -> Result<AttackVerdict, Ending> {
        while true {
            while let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                if let verdict = AttackVerdict(json: line[...]) { return .success(verdict) }
            }
            let left = (deadline - ContinuousClock.now).microseconds / 1_000
            var watched = pollfd(fd: pipe.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
            let ready = left > 0 ? poll(&watched, 1, Int32(clamping: left)) : 0
            if ready < 0 { continue }
            guard ready > 0 else {
                end()
                return .failure(Ending(outcome: "HUNG", detail: "gave no answer in time"))
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = read(watched.fd, &chunk, chunk.count)
            if count > 0 {
                buffer += chunk[..<count]
            } else if count == 0 {
                process.waitUntilExit()
                let status = process.terminationStatus
                let detail = process.terminationReason == .uncaughtSignal ? "signal \(status)" : "the process ended with status \(status)"
                return .failure(Ending(outcome: "CRASHED", detail: detail))
            }
        }
    }

    /// Kills it where it still runs; by its own id.
    func end() {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }
}
