import Foundation
import Signing
import Synchronization
import Vocabulary

/// Holds a seat for this process. All processes of one user on one device share its lease: each that comes asks the server, which
/// answers the same lease, and the last to go releases it.
final class SeatHolder: Sendable {
    /// A process that holds the lease; its start tells it from another that got its number later.
    struct Holder: Codable, Hashable, Sendable {
        let pid: Int32
        let started: String

        static func current() -> Holder { Holder(pid: getpid(), started: start(of: getpid()) ?? "") }
        var isAlive: Bool { Self.start(of: pid) == started }

        /// Field 22 of /proc/PID/stat: clock ticks from boot to the start of the process.
        static func start(of pid: Int32) -> String? {
            guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8), let end = text.lastIndex(of: ")") else {
                return nil
            }
            let fields = text[text.index(after: end)...].split(separator: " ")
            return fields.count > 19 ? String(fields[19]) : nil
        }
    }
    struct Shared: Codable, Sendable {
        var session: String
        var holders: [Holder]
    }
    struct Lease: Sendable {
        let session: String
        let epoch: Int64
        let interval: Int64
        let used: Int64
        let total: Int64
    }

    enum Beat: Sendable {
        case alive
        /// The server cannot be asked; the lease may still live.
        case unknown(String)
        /// The seat is gone for good, and why.
        case lost(String)
    }

    private let signedIn: SignedIn
    private let folder: Folder
    private let request: JSONValue
    /// Names the file that the processes of this device share.
    private let name: String
    private let lease = Mutex<Lease?>(nil)

    init(signedIn: SignedIn, folder: Folder, hardwareID: String, license: String?) {
        self.signedIn = signedIn
        self.folder = folder
        var request: [String: JSONValue] = [
            "hardware_id": .string(hardwareID), "hostname": .string(String(Device.hostname.prefix(255))), "os": .string(Device.system),
            "version": "1",
        ]
        if let license { request["license_id"] = .string(license) }
        self.request = .object(request)
        name = "seat-" + Hex.encode(Digest.sha256(Array("\(signedIn.platform.name)\n\(hardwareID)\n\(license ?? "")".utf8)).prefix(12))
    }

    /// Takes the seat and counts this process in; throws what the server said.
    func acquire() throws -> Lease {
        try folder.locked(name) {
            let answer = try signedIn.post("/api/v1/licenses/acquire", request)
            guard answer.isSuccess, let session = answer.json["session_id"]?.string else { throw Self.failure(answer) }
            var holders = (folder.read(Shared.self, "\(name).json")?.holders ?? []).filter { $0.isAlive && $0 != .current() }
            holders.append(.current())
            try folder.write(Shared(session: session, holders: holders), "\(name).json")
            let taken = Lease(
                session: session, epoch: answer.json["epoch"]?.int ?? 0, interval: max(1, answer.json["heartbeat_interval"]?.int ?? 300),
                used: answer.json["seats_used"]?.int ?? 0, total: answer.json["seats_total"]?.int ?? 0)
            lease.withLock { $0 = taken }
            return taken
        }
    }

    /// Renews the lease. One that expired while this machine slept is asked for again.
    func beat() -> Beat {
        guard let held = lease.withLock({ $0 }) else { return .lost("the seat was never taken") }
        do {
            let answer = try signedIn.post("/api/v1/licenses/heartbeat", ["session_id": .string(held.session)])
            if answer.isSuccess { return .alive }
            if answer.status >= 500 || answer.status == 429 { return .unknown(answer.sentence) }
            guard ["lease_expired", "lease_released", "not_found"].contains(answer.code) else { return .lost(answer.sentence) }
            _ = try acquire()
            return .alive
        } catch let error as Platform.Unreachable {
            return .unknown(error.reason)
        } catch let failure as Failure {
            return .lost(failure.message)
        } catch {
            return .unknown("\(error)")
        }
    }

    /// Counts this process out; the last one releases the lease. Failing to is harmless: the lease ends by itself.
    func release() {
        guard let held = lease.withLock({ $0 }) else { return }
        try? folder.locked(name) {
            let shared = folder.read(Shared.self, "\(name).json")
            let others = (shared?.holders ?? []).filter { $0.isAlive && $0 != .current() }
            if others.isEmpty {
                folder.remove("\(name).json")
                _ = try? signedIn.post("/api/v1/licenses/release", ["session_id": .string(shared?.session ?? held.session)])
            } else {
                try folder.write(Shared(session: shared?.session ?? held.session, holders: others), "\(name).json")
            }
        }
    }

    private static func failure(_ answer: Answer) -> Failure {
        switch answer.status {
        case 401: Failure(.notSetUp, "not signed in: run `coditect login`")
        case 429: Failure(.later, answer.sentence)
        case 500...: Failure(.unreachable, answer.sentence)
        default: Failure(answer.retryAfter == nil ? .refused : .later, answer.sentence)
        }
    }
}
