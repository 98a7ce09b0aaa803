import ArgumentParser
import Foundation
import LicenseFormat
import Synchronization
import Vocabulary

struct SeatRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command while holding a seat.",
        usage: "coditect seat run [--device <device>] [--license <license>] [--when-lost stop|warn] -- <command> …")
    enum WhenLost: String, ExpressibleByArgument, CaseIterable { case stop, warn }

    @OptionGroup var deviceOptions: DeviceOptions
    @Option(help: "The licence's id; else that of this device's activation, else the oldest with a free seat.") var license: String?
    @Option(help: "What to do when the server takes the seat away: stop the command (SIGTERM) or only warn.") var whenLost = WhenLost.stop
    @Argument(parsing: .postTerminator, help: "The command with its arguments.") var command: [String] = []

    func validate() throws {
        if command.isEmpty { throw ValidationError("Give the command after two dashes: coditect seat run -- COMMAND") }
    }

    func run() throws {
        try reporting {
            let mask = ChildProcess.blockSignals()
            let folder = Folder.standard()
            let signedIn = try SignedIn(folder: folder)
            let hardwareID = try Device.hardwareID(named: deviceOptions.device, folder: folder)
            let held = folder.read(HeldLicense.self, HeldLicense.file)
            // A seat of the licence that this device was activated under, on the server that is signed in to.
            let chosen = license ?? held.flatMap { $0.server == signedIn.platform.name ? $0.licenseID : nil }
            let holder = SeatHolder(signedIn: signedIn, folder: folder, hardwareID: hardwareID, license: chosen)
            let keeper: SeatKeeper?
            do {
                keeper = SeatKeeper(holder, lease: try holder.acquire())
            } catch let error as Platform.Unreachable {
                keeper = nil
                try goOffline(held, hardwareID: hardwareID, platform: signedIn.platform, reason: error.reason)
            }
            if let signal = ChildProcess.pendingEnd() {
                holder.release()
                throw ExitCode(128 + signal)
            }
            let child: ChildProcess
            do { child = try ChildProcess(command, mask: mask) } catch let error as ChildProcess.NotRun {
                holder.release()
                Console.complain("cannot run \(command[0]): \(error.reason)")
                throw ExitCode(error.code)
            }
            let (pid, whenLost) = (child.pid, whenLost)
            keeper?.start { reason in
                switch whenLost {
                case .stop:
                    Console.complain("the seat is gone: \(reason); stopping the command")
                    kill(pid, SIGTERM)
                case .warn: Console.complain("the seat is gone: \(reason)")
                }
            }
            let code = child.wait()
            keeper?.stop()
            holder.release()
            if keeper?.isLost == true, whenLost == .stop { throw ExitCode(Failure.Code.later.rawValue) }
            if code != 0 { throw ExitCode(code) }
        }
    }

    /// Without the server there is no seat; the signed file of this very device stands in for it, as long as it holds.
    private func goOffline(_ held: HeldLicense?, hardwareID: String, platform: Platform, reason: String) throws {
        let away = "\(platform.name) cannot be reached: \(reason)"
        guard let held else { throw Failure(.unreachable, "\(away); and this device is not activated for offline use") }
        do throws(LicenseFileFault) {
            let file = try held.check(hardwareID: hardwareID, now: HeldLicense.now)
            Console.complain("\(away); running under the offline licence, which holds until \(Words.moment(file.offlineUntil.iso8601))")
        } catch { throw Failure(.unreachable, "\(away); and \(error.sentence)") }
    }
}

/// Sends the heartbeats of a seat from a thread of its own.
final class SeatKeeper: Sendable {
    private let holder: SeatHolder
    private let interval: Int64
    private let wake = DispatchSemaphore(value: 0)
    private let state = Mutex((isStopped: false, isLost: false))

    /// How long a command may go on while the server cannot be asked: the offline grace.
    static let offlineGrace: Int64 = 72 * 3_600

    init(_ holder: SeatHolder, lease: SeatHolder.Lease) {
        self.holder = holder
        interval = lease.interval
    }

    var isLost: Bool { state.withLock { $0.isLost } }

    func start(_ onLoss: @escaping @Sendable (String) -> Void) {
        let thread = Thread { [self] in keep(onLoss) }
        thread.name = "heartbeat"
        thread.start()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        wake.signal()
    }

    private func keep(_ onLoss: (String) -> Void) {
        var silent: Int64 = 0
        var pause = interval
        while wake.wait(timeout: .now() + .seconds(Int(pause))) == .timedOut {
            let outcome = holder.beat()
            if state.withLock({ $0.isStopped }) { return }
            switch outcome {
            case .alive:
                if silent > 0 { Console.complain("the server is back") }
                silent = 0
                pause = interval
            case .unknown(let reason):
                if silent == 0 { Console.complain("the server cannot be asked (\(reason)); going on, and trying again") }
                // Soon again, so that a short outage does not cost the seat.
                pause = min(interval, 15)
                silent += pause
                if silent >= Self.offlineGrace { return lose("the server was away for \(Words.span(silent))", onLoss) }
            case .lost(let reason): return lose(reason, onLoss)
            }
        }
    }

    private func lose(_ reason: String, _ onLoss: (String) -> Void) {
        state.withLock { $0.isLost = true }
        onLoss(reason)
    }
}
