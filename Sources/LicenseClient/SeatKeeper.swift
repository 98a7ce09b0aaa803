import Foundation
import LicenseFormat
import Signing
import Synchronization
import Vocabulary

/// Carries out what the machine of one seat decides: speaks with the server, with the other processes of this device and with
/// the signed file, and feeds the machine with what they said.
final class SeatKeeper: Sendable {
    struct Surroundings: Sendable {
        let caller: Caller
        let activation: Activation
        let holders: DeviceHolders
        let clock: any Clock
        /// 0 ..< 1, another one each time.
        let jitter: @Sendable () -> Double
        /// Keys that the application was built with; answers and files of others are not believed.
        let pinned: LicensePublicKeys?
        let borrower: Borrower
    }
    struct Request: Sendable {
        let body: JSONValue
        /// Only seats of this licence.
        let license: String?
        /// The activation of this device belongs to the same server and device, so its file is worth keeping fresh.
        let keepsFile: Bool
    }
    private struct Standing: Sendable {
        var machine: SeatMachine
        var wake: Duration?
        /// Under which the request was made whose answer may have been lost.
        var key = UUID().uuidString
        var fileAsked: Duration?
    }

    let request: Request
    private let around: Surroundings
    private let standing: Mutex<Standing>
    private let tell: @Sendable (SeatNotice) -> Void
    private let signal = DispatchSemaphore(value: 0)
    private let releasing = NSLock()

    init(_ request: Request, rules: SeatMachine.Rules, around: Surroundings, tell: @escaping @Sendable (SeatNotice) -> Void) {
        self.request = request
        self.around = around
        self.tell = tell
        standing = Mutex(Standing(machine: SeatMachine(rules: rules)))
    }

    var state: SeatMachine.State { standing.withLock { $0.machine.state } }
    /// When the machine wants to be woken; nil: never.
    var wake: Duration? { standing.withLock { $0.wake } }

    /// Feeds one event and whatever follows from it at once.
    func drive(_ first: SeatMachine.Event) {
        var events = [first]
        while !events.isEmpty {
            let event = events.removeFirst()
            let actions = standing.withLock { standing in
                standing.wake = nil
                return standing.machine.handle(event, at: around.clock.monotonic(), jitter: around.jitter())
            }
            for action in actions { if let next = perform(action) { events.append(next) } }
        }
    }

    /// Sends what is due from a thread of its own, until the seat is given back.
    func keepInBackground() {
        let thread = Thread { [self] in
            while state != .released {
                // In slices, because a semaphore's time stands still while the machine sleeps.
                let pause = min(max((wake ?? .seconds(3_600)) - around.clock.monotonic(), .zero), .seconds(10))
                if pause > .zero { _ = signal.wait(timeout: .now() + .milliseconds(Int(pause.milliseconds) + 1)) }
                if let wake, wake <= around.clock.monotonic() { drive(.due) }
                refreshFile()
            }
        }
        thread.name = "seat"
        thread.start()
    }

    /// Done when it returns, whoever else releases at the same time.
    func release() {
        releasing.lock()
        defer { releasing.unlock() }
        drive(.release)
        // Where there was nothing to give back.
        around.holders.leave()
        signal.signal()
    }

    // MARK: Doing

    private func perform(_ action: SeatMachine.Action) -> SeatMachine.Event? {
        switch action {
        case .acquire(let isAgain, let patience):
            let key = standing.withLock { standing in
                if !isAgain { standing.key = UUID().uuidString }
                return standing.key
            }
            return outcome { try acquire(key, patience) }
        case .beat(let lease, let patience): return outcome { try beat(lease, patience) }
        case .judgeFile: return judge()
        case .giveBack(let lease):
            giveBack(lease)
            return nil
        case .wake(let moment):
            standing.withLock { $0.wake = moment }
            return nil
        case .tell(let notice):
            tell(notice)
            return nil
        }
    }

    /// A seat that this device borrowed goes before the file of its activation.
    private func judge() -> SeatMachine.Event {
        var borrowFault: LicenseClientError?
        do {
            if let seat = try around.borrower.judge(license: request.license) {
                return .fileHolds(until: seat.expiresAt, left: seat.expiresAt - around.clock.now(), isBorrowed: true)
            }
        } catch { borrowFault = Self.error(error) }
        do { return .fileHolds(until: try around.activation.judge().offlineUntil) } catch {
            let fault = Self.error(error)
            return .fileRefused(fault.code == .notActivated ? borrowFault ?? fault : fault)
        }
    }

    private func acquire(_ key: String, _ patience: Duration) throws -> SeatMachine.Event {
        try around.holders.exclusively(patience: .seconds(10)) {
            let asked = around.clock.monotonic()
            let answer = try around.caller.post("/api/v1/licenses/acquire", request.body, key: key, patience: patience)
            guard answer.isSuccess, answer.status != 202 else { throw Self.refusal(answer, license: request.license, around) }
            let lease = try Self.lease(answer, asked: asked, around)
            around.borrower.contacted(at: answer.date)
            guard lease.end > around.clock.monotonic() else { return .granted(lease) }
            do { try around.holders.enter() } catch {
                // Who cannot be counted as a holder holds none.
                if around.holders.others() == 0 {
                    _ = try? around.caller.post("/api/v1/licenses/release", ["session_id": .string(lease.session)], patience: .seconds(5))
                }
                throw error
            }
            // On a full disk each process sends heartbeats of its own, and none believes what stood there before.
            do { try around.holders.share(lease, at: around.clock.monotonic()) } catch { around.holders.forget() }
            return .granted(lease)
        }
    }

    /// Why there is no seat. A licence that the account does not have is told as one that is not there.
    static func refusal(_ answer: Answer, license: String?, _ around: Surroundings) -> LicenseClientError {
        guard answer.code == "not_found", let license else { return answer.error(around.caller.platform.name) }
        return LicenseClientError(
            .noLicense, "the account that is signed in has no licence \(license)",
            next: "run `coditect login` as a user of that licence, or name another one")
    }

    static func lease(_ answer: Answer, asked: Duration, _ around: Surroundings) throws -> SeatMachine.Lease {
        let json = answer.json
        guard let session = json["session_id"]?.string, let license = json["license_id"]?.string, let ends = json["expires_at"]?.string,
            let end = Timestamp(iso8601: ends)
        else {
            throw LicenseClientError(
                .badAnswer, "the answer of \(around.caller.platform.name) is not a seat", next: Platform.checkAddress)
        }
        if let pinned = around.pinned {
            let message = Array(PythonJSON.dumps(["expires_at": ends, "license_id": license, "session_id": session]).utf8)
            guard pinned.verifyFieldFormat(message, hex: json["signature"]?.string ?? "") else {
                throw LicenseClientError(
                    .notAuthentic, "the seat is not signed by the key that this program knows", next: Platform.checkAddress)
            }
        }
        let interval = Duration.seconds(min(max(json["heartbeat_interval"]?.int ?? 300, 1), 86_400))
        // Measured by the server's own clock, so that this device's need not be right.
        let term = min(end - (answer.date ?? around.clock.now()), .days(1))
        return SeatMachine.Lease(
            session: session, license: license, epoch: json["epoch"]?.int ?? 0, end: asked + term, interval: interval,
            used: json["seats_used"]?.int ?? 0, total: json["seats_total"]?.int ?? 0)
    }

    private func beat(_ lease: SeatMachine.Lease, _ patience: Duration) throws -> SeatMachine.Event {
        let now = around.clock.monotonic()
        // Another process of this device sends heartbeats for all, or had to take a new lease.
        if let shared = around.holders.shared, shared.lease.end > now + shared.lease.interval / 10 {
            let isFresh = now - shared.renewed < shared.lease.interval / 2 && shared.lease.end > lease.end
            if shared.lease.session != lease.session || isFresh { return .adopted(shared.lease) }
        }
        let answer = try around.caller.post(
            "/api/v1/licenses/heartbeat", ["session_id": .string(lease.session)], patience: patience)
        guard answer.isSuccess else { throw answer.leaseError(around.caller.platform.name) }
        let term = Duration.seconds(min(max(answer.json["expires_in"]?.int ?? lease.interval.wholeSeconds, 1), 86_400))
        let epoch = answer.json["epoch"]?.int ?? lease.epoch
        // Kept by whoever still counts: one that was given back meanwhile is nobody's to share.
        if state != .released {
            try? around.holders.exclusively(patience: .seconds(2)) { try around.holders.share(lease.renewed(now + term, epoch), at: now) }
        }
        return .beaten(end: now + term, epoch: epoch, resurrected: answer.json["resurrected"]?.bool ?? false)
    }

    /// The last holder of this device gives the lease back. Failing to is harmless: it ends by itself.
    private func giveBack(_ lease: SeatMachine.Lease) {
        do {
            try around.holders.exclusively(patience: .seconds(10)) {
                defer { around.holders.leave() }
                guard around.holders.others() == 0 else { return }
                let newest = around.holders.shared?.lease.session ?? lease.session
                around.holders.forget()
                // A seat that was lent to this device is given back by `returnBorrowed` alone.
                guard !around.borrower.isBorrowed(newest) else { return }
                let body: JSONValue = ["session_id": .string(newest)]
                do {
                    _ = try around.caller.post("/api/v1/licenses/release", body, patience: .seconds(5))
                } catch is Platform.Unreachable {
                    _ = try around.caller.post("/api/v1/licenses/release", body, patience: .seconds(2))
                }
            }
        } catch { around.holders.leave() }
    }

    private func outcome(_ body: () throws -> SeatMachine.Event) -> SeatMachine.Event {
        do { return try body() } catch {
            let error = Self.error(error)
            switch error.code {
            case .unreachable, .serverError, .badAnswer: return .unanswered(error)
            default: return .refused(error)
            }
        }
    }
    static func error(_ error: any Error) -> LicenseClientError {
        switch error {
        case let known as LicenseClientError: known
        case let silence as Platform.Unreachable: silence.error
        default: LicenseClientError(.notSignedIn, "no token to ask with: \(error)", next: "run `coditect login`, or give another token")
        }
    }

    // MARK: The file

    /// While the server answers, the offline grace is counted from about now, not from the day of the activation.
    func refreshFile() {
        let now = around.clock.monotonic()
        let isDue = standing.withLock { standing in
            guard request.keepsFile, case .held = standing.machine.state, standing.fileAsked.map({ now - $0 > .hours(1) }) ?? true else {
                return false
            }
            standing.fileAsked = now
            return true
        }
        guard isDue, let issued = (try? HeldLicense.load(around.activation.folder))?.issuedAt(hardwareID: around.activation.device.id),
            around.clock.now() - issued > .hours(1)
        else {
            return
        }
        _ = try? around.activation.validate()
    }
}
