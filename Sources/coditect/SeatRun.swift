import ArgumentParser
import Foundation
import LicenseClient
import Synchronization
import Vocabulary

/// What happens to a command whose seat is lost.
enum OnLoss: String, Codable, ExpressibleByArgument, CaseIterable {
    /// A warning; the command is asked to end when the last term of its lease is over, and never before it had time to save.
    case grace
    /// The command is asked to end at once.
    case stop
    /// A warning, no more.
    case `continue`
}

struct SeatRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command while holding a seat.",
        usage: "coditect seat run [--wait] [--on-loss grace|stop|continue] [--device <device>] [--license <license>] -- <command> …",
        discussion: """
            The seat is taken before the command starts, kept while it runs and given back when it ends. Processes of one user on one \
            device share one seat. Signals are passed on; the exit code is the command's.

            When the server does not answer, the seat is kept to the end of its lease. Then the signed file of this device stands in \
            for 72 hours (see `coditect activate`). When the seat is lost all the same, --on-loss says what happens to the command:
              grace     a warning; SIGTERM at the end of the lease's last term, --grace-seconds from now at the earliest (the default)
              stop      SIGTERM at once
              continue  a warning, no more
            A command that was ended for want of a seat makes this one end with 75.
            """)

    @OptionGroup var deviceOptions: DeviceOptions
    @Option(help: "The licence's id; else the project's, else that of this device's activation, else the oldest with a free seat.")
    var license: String?
    @Option(help: "What happens to the command when its seat is lost: grace, stop or continue.") var onLoss: OnLoss?
    @Option(help: "The least time that grace gives a command to save its work.") var graceSeconds = 60
    @Flag(help: "Wait for a free seat, as long as it takes.") var wait = false
    @Option(help: "Wait for a free seat, for so many seconds at most.") var waitSeconds: Int?
    @OptionGroup var output: OutputOptions
    @Argument(parsing: .postTerminator, help: "The command with its arguments.") var command: [String] = []

    func validate() throws {
        if command.isEmpty { throw ValidationError("Give the command after two dashes: coditect seat run -- COMMAND") }
        if let license, UUID(uuidString: license) == nil { throw ValidationError("--license is an id, as on the licence page.") }
        if graceSeconds < 0 { throw ValidationError("--grace-seconds is 0 or more.") }
        if let waitSeconds, waitSeconds < 0 { throw ValidationError("--wait-seconds is 0 or more.") }
    }

    func run() throws {
        try output.reporting {
            // Before any other thread is made.
            let mask = ChildProcess.blockSignals()
            let folder = StateFolder.standard()
            let found = try Project.find()
            let account = try Account.load(folder)
            if let (project, path) = found, project.server != account.server {
                throw Failure(
                    .notSetUp, "other_server", "\(path) wants \(project.server), but you are signed in to \(account.server)",
                    next: "run `coditect login --server \(project.server)`, if you trust it")
            }
            var options = LicenseClient.Options()
            options.license = license ?? found?.project.license
            options.device = deviceOptions.device
            options.releasesAtExit = false
            options.machine = thisMachine
            let client = try LicenseClient(server: account.server, application: "coditect", options: options)
            let guardian = Guardian(
                onLoss: onLoss ?? found?.project.onLoss ?? .grace, leastGrace: .seconds(graceSeconds), asJSON: output.json)
            let seat: Seat
            do {
                let pause: (Duration) -> Bool = { ChildProcess.pause($0) }
                seat = try client.acquire(waiting: patience(found?.project), pause: pause) { guardian.hear($0) }
            } catch let error as LicenseClientError where error.code == .interrupted {
                throw ExitCode(128 + (ChildProcess.pendingEnd() ?? SIGINT))
            }
            if let signal = ChildProcess.pendingEnd() {
                seat.release()
                throw ExitCode(128 + signal)
            }
            let child: ChildProcess
            do { child = try ChildProcess(command, mask: mask) } catch let error as ChildProcess.NotRun {
                seat.release()
                let reason = error.code == 127 ? "there is no such command" : error.reason
                Console.complain("cannot run \(command[0]): \(reason)")
                throw ExitCode(error.code)
            }
            guardian.guardChild(child.pid)
            let code = child.wait()
            let isStopped = guardian.end()
            seat.release()
            if isStopped { throw ExitCode(Failure.Code.later.rawValue) }
            if code != 0 { throw ExitCode(code) }
        }
    }

    private func patience(_ project: Project?) -> Duration {
        if let waitSeconds { return .seconds(waitSeconds) }
        return wait ? .days(3_650) : .seconds(project?.waitSeconds ?? 0)
    }
}

/// Tells the user what happens to the seat, and asks the command to end when there is no right to go on.
final class Guardian: Sendable {
    private struct State {
        var child: pid_t?
        /// When the command is to end; nil while it may go on.
        var deadline: Duration?
        var isStopped = false
        var hasEnded = false
    }
    private let onLoss: OnLoss
    private let leastGrace: Duration
    private let asJSON: Bool
    private let clock = DeviceClock()
    private let state = Mutex(State())
    private let changed = DispatchSemaphore(value: 0)

    init(onLoss: OnLoss, leastGrace: Duration, asJSON: Bool) {
        self.onLoss = onLoss
        self.leastGrace = leastGrace
        self.asJSON = asJSON
    }

    func hear(_ notice: SeatNotice) {
        var deadline: Duration?
        switch notice {
        // The refusal of the first seat is told by the command's own error.
        case .refused, .released: return
        case .lost(_, let grace) where onLoss != .continue:
            deadline = clock.monotonic() + (onLoss == .stop ? .zero : max(grace, leastGrace))
        default: break
        }
        tell(notice, grace: deadline.map { $0 - clock.monotonic() })
        state.withLock { $0.deadline = deadline }
        changed.signal()
    }

    private func tell(_ notice: SeatNotice, grace: Duration?) {
        let line = notice.line
        var text = line.message
        if case .lost = notice {
            switch grace.map(\.wholeSeconds) {
            case nil: text += "; the command goes on"
            case .some(..<1): text += "; stopping the command"
            case .some(let seconds): text += "; the command is stopped in \(Spans.text(seconds)), save your work"
            }
        }
        if asJSON {
            let event: JSONValue = [
                "event": .string(line.event), "message": .string(text), "at": .string(clock.now().iso8601),
                "stops_in_seconds": grace.map { .int(max(0, $0.wholeSeconds)) } ?? .null,
            ]
            FileHandle.standardError.write(Data("\(Console.text(event, pretty: false))\n".utf8))
        } else if isWorthALine(notice) {
            Console.complain(text)
        }
    }
    private func isWorthALine(_ notice: SeatNotice) -> Bool {
        switch notice {
        case .held, .released, .asking: false
        default: true
        }
    }

    func guardChild(_ pid: pid_t) {
        state.withLock { $0.child = pid }
        let thread = Thread { [self] in
            while true {
                let (deadline, hasEnded) = state.withLock { ($0.deadline, $0.hasEnded) }
                if hasEnded { return }
                // In slices, because a semaphore's time stands still while the machine sleeps.
                let pause = deadline.map { min(max($0 - clock.monotonic(), .zero), .seconds(10)) } ?? .seconds(3_600)
                if pause > .zero {
                    _ = changed.wait(timeout: .now() + .milliseconds(Int(pause.microseconds / 1_000) + 1))
                    continue
                }
                stop()
                return
            }
        }
        thread.name = "guardian"
        thread.start()
    }

    private func stop() {
        state.withLock { state in
            guard let child = state.child, !state.hasEnded, state.deadline != nil else { return }
            state.isStopped = true
            kill(child, SIGTERM)
        }
    }

    /// The command has ended; whether it was asked to.
    func end() -> Bool {
        defer { changed.signal() }
        return state.withLock { state in
            state.hasEnded = true
            return state.isStopped
        }
    }
}
