import Foundation
import Synchronization
import Vocabulary

/// The processes of one user on this device that hold one lease together. Each keeps a file locked: a lock ends with its process,
/// however that dies, so a dead one is never counted.
final class DeviceHolders: Sendable {
    /// The lease as the process that renewed it last knows it. Times are readings of the device's clock since its boot.
    struct Shared: Codable, Sendable, Equatable {
        var session: String
        var license: String
        var epoch: Int64
        var interval: Int64
        var used: Int64
        var total: Int64
        var boot: String
        var endMilliseconds: Int64
        var renewedMilliseconds: Int64

        enum CodingKeys: String, CodingKey {
            case session = "session_id"
            case license = "license_id"
            case epoch
            case interval = "interval_seconds"
            case used = "seats_used"
            case total = "seats_total"
            case boot
            case endMilliseconds = "end_ms"
            case renewedMilliseconds = "renewed_ms"
        }
    }

    private let folder: StateFolder
    private let boot: String
    private let own = Mutex<(name: String, file: Int32)?>(nil)

    /// - Parameter folder: of this lease alone.
    init(folder: StateFolder, boot: String = DeviceHolders.currentBoot) {
        self.folder = folder
        self.boot = boot
    }
    deinit { leave() }

    static var currentBoot: String {
        (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
            ?? ""
    }

    /// Runs `body` while no other process takes or gives back this lease.
    func exclusively<Value>(patience: Duration, _ body: () throws -> Value) throws -> Value {
        try folder.locked("lease", patience: patience, body)
    }

    /// Counts this holder in. To be called exclusively.
    func enter() throws(LicenseClientError) {
        guard own.withLock({ $0 == nil }) else { return }
        try folder.prepare()
        let name = "holder-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let file = open(folder.path(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0, flock(file, LOCK_EX | LOCK_NB) == 0 else { throw StateFolder.fault("lock", folder.path(name)) }
        own.withLock { $0 = (name, file) }
    }

    /// Counts this holder out.
    func leave() {
        own.withLock { held in
            guard let (name, file) = held else { return }
            folder.remove(name)
            close(file)
            held = nil
        }
    }

    /// How many holders live but this one. To be called exclusively; removes what the dead left.
    func others() -> Int {
        let mine = own.withLock { $0?.name }
        return Self.living(in: folder, cleaning: true).filter { $0 != mine }.count
    }

    /// The holders that live.
    static func living(in folder: StateFolder, cleaning: Bool = false) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []
        return names.filter { $0.hasPrefix("holder-") }.filter { name in
            let file = open(folder.path(name), O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            guard file >= 0 else { return false }
            defer { close(file) }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else { return errno == EWOULDBLOCK }
            if cleaning { folder.remove(name) }
            return false
        }
    }

    /// How many live holders of this device use that lease, whatever they asked for.
    static func users(of session: String, in folder: StateFolder) -> Int {
        let seats = folder.inner("seats")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: seats.url.path)) ?? []
        return names.map(seats.inner).filter { $0.read(Shared.self, "lease.json")?.session == session }.reduce(0) {
            $0 + living(in: $1).count
        }
    }

    /// The lease that another process of this device renewed last; nil if there is none of this boot.
    var shared: (lease: SeatMachine.Lease, renewed: Duration)? {
        guard let found = folder.read(Shared.self, "lease.json"), found.boot == boot else { return nil }
        let lease = SeatMachine.Lease(
            session: found.session, license: found.license, epoch: found.epoch, end: .milliseconds(found.endMilliseconds),
            interval: .seconds(found.interval), used: found.used, total: found.total)
        return (lease, .milliseconds(found.renewedMilliseconds))
    }
    func share(_ lease: SeatMachine.Lease, at now: Duration) throws(LicenseClientError) {
        try folder.write(
            Shared(
                session: lease.session, license: lease.license, epoch: lease.epoch, interval: lease.interval.wholeSeconds, used: lease.used,
                total: lease.total, boot: boot, endMilliseconds: lease.end.milliseconds, renewedMilliseconds: now.milliseconds),
            "lease.json")
    }
    func forget() { folder.remove("lease.json") }
}

/// For whoever only wants to know.
package enum SeatHolders {
    /// How many live holders share the lease whose folder this is.
    package static func count(in folder: StateFolder) -> Int { DeviceHolders.living(in: folder).count }
}
