import Foundation
import FoundationNetworking
import LicenseFormat
import Signing
import Synchronization
import Vocabulary

/// Takes floating seats for an application and keeps them, whatever the network does.
///
/// ```swift
/// let client = try LicenseClient(server: "https://example.com", application: "render", version: "2.1")
/// let seat = try client.acquire()
/// defer { seat.release() }
/// ```
public final class LicenseClient: Sendable {
    /// Everything about a client that has a default.
    public struct Options: Sendable {
        /// Who asks for the seat.
        public var credentials: LicenseCredentials = .signedIn
        /// Only seats of this licence; nil: of this device's activation, else the oldest with a free seat.
        public var license: String?
        /// A name for this device instead of its hardware id.
        public var device: String?
        /// Where state is kept; nil: `$XDG_CONFIG_HOME/coditect`, else `~/.config/coditect`.
        public var folder: URL?
        /// What this device is made of, by name, instead of what is read of the machine: `["dongle": serial, "cpu": …]`; empty: nothing.
        /// Only keyed digests of it leave the device. A device that was named has no such parts.
        public var hardware: [String: String]?
        /// Whether the licence file is kept encrypted: readable on this device alone.
        public var encryptsFile = false
        package var machine = Machine()
        /// PEM or the JSON of `/.well-known/coditect/license-keys.json`, built into the application: other signatures are not believed.
        public var publicKeys: Data?
        /// Whether seats are given back when the process ends by itself or by SIGTERM, SIGINT or SIGHUP that it does not handle.
        public var releasesAtExit = true
        public var log: @Sendable (LicenseLogLine) -> Void = { _ in }
        /// Nil: Foundation's.
        public var transport: (any LicenseTransport)?
        public init() {}
    }

    package let platform: Platform
    package let folder: StateFolder
    package let device: DeviceIdentity
    package var hardwareID: String { device.id }
    package let activation: Activation
    package let borrower: Borrower
    private let options: Options
    private let application: (name: String, version: String)
    private let caller: Caller
    private let pinned: LicensePublicKeys?
    private let clock: any Clock
    private let jitter: @Sendable () -> Double

    public convenience init(
        server: String, application: String, version: String = "1", options: Options = Options()
    ) throws(LicenseClientError) {
        try self.init(
            server: server, application: (application, version), options: options, clock: DeviceClock(),
            jitter: { Double.random(in: 0..<1) })
    }

    package init(
        server: String, application: (name: String, version: String), options: Options, clock: any Clock,
        jitter: @escaping @Sendable () -> Double
    ) throws(LicenseClientError) {
        platform = try Platform(
            server, transport: options.transport ?? SystemTransport(), agent: "\(application.name)/\(application.version)")
        folder = options.folder.map(StateFolder.init) ?? .standard()
        do {
            device = try DeviceIdentity.find(
                named: options.device, folder: folder, machine: options.machine, hardware: options.hardware)
        } catch { throw SeatKeeper.error(error) }
        if let keys = options.publicKeys {
            guard let read = LicensePublicKeys(text: String(decoding: keys, as: UTF8.self)) else {
                throw LicenseClientError(
                    .notAuthentic, "the public keys of this program cannot be read", next: "build in PEM, or the published document")
            }
            pinned = read
        } else {
            pinned = nil
        }
        caller = Caller(platform: platform, folder: folder, credentials: options.credentials, clock: clock)
        activation = Activation(
            platform: platform, folder: folder, clock: clock, device: device, pinned: pinned, encrypts: options.encryptsFile)
        borrower = Borrower(caller: caller, folder: folder, device: device, pinned: pinned, clock: clock)
        self.options = options
        self.application = application
        self.clock = clock
        self.jitter = jitter
    }

    /// Takes a seat, or goes on under the signed file of this device if the server is away. Blocks the calling thread; at most
    /// about a minute without `waiting`.
    /// - Parameters:
    ///   - waiting: for how long to wait for a free seat.
    ///   - onChange: told what happens to the seat, from a thread of the client.
    public func acquire(
        waiting: Duration = .zero, onChange: @escaping @Sendable (SeatNotice) -> Void = { _ in }
    ) throws(LicenseClientError) -> Seat {
        let pause: @Sendable (Duration) -> Bool = { span in
            usleep(UInt32(clamping: span.microseconds))
            return true
        }
        return try acquire(waiting: waiting, pause: pause, onChange: onChange)
    }

    /// As the blocking one, on a thread of its own.
    public func acquire(
        waiting: Duration = .zero, onChange: @escaping @Sendable (SeatNotice) -> Void = { _ in }
    ) async throws -> Seat {
        try await withCheckedThrowingContinuation { continuation in
            Thread { [self] in
                do throws(LicenseClientError) {
                    continuation.resume(returning: try blockingAcquire(waiting, onChange))
                } catch { continuation.resume(throwing: error) }
            }.start()
        }
    }
    private func blockingAcquire(
        _ waiting: Duration, _ onChange: @escaping @Sendable (SeatNotice) -> Void
    ) throws(LicenseClientError) -> Seat { try acquire(waiting: waiting, onChange: onChange) }

    /// - Parameter pause: waits between attempts; false gives up.
    package func acquire(
        waiting: Duration, pause: (Duration) -> Bool, onChange: @escaping @Sendable (SeatNotice) -> Void
    ) throws(LicenseClientError) -> Seat {
        let keeper = makeKeeper(waiting: waiting, onChange: onChange)
        keeper.drive(.start)
        while true {
            switch keeper.state {
            case .ended(let reason): throw reason
            case .held, .offline:
                keeper.keepInBackground()
                let seat = Seat(keeper)
                if options.releasesAtExit { ExitRelease.shared.add(keeper) }
                return seat
            default:
                let left = keeper.wake.map { $0 - clock.monotonic() } ?? .zero
                // In slices, because a pause's time stands still while the machine sleeps.
                if left > .zero, !pause(min(left, .seconds(10))) {
                    keeper.release()
                    throw LicenseClientError(.interrupted, "interrupted while asking for a seat", next: "run it again")
                }
                if let wake = keeper.wake, wake <= clock.monotonic() { keeper.drive(.due) }
            }
        }
    }

    func makeKeeper(waiting: Duration, onChange: @escaping @Sendable (SeatNotice) -> Void) -> SeatKeeper {
        let held = folder.read(HeldLicense.self, HeldLicense.file)
        let license = license(held)
        var rules = SeatMachine.Rules(waitsUntil: waiting > .zero ? clock.monotonic() + waiting : nil)
        if (try? borrower.judge(license: license)) != nil {
            // Nobody waits for a server in the air.
            rules.firstAttempts = 1
            rules.firstPatience = .seconds(3)
        }
        let log = options.log
        return SeatKeeper(
            .init(body: acquireBody(license, isPatient: waiting > .zero), license: license, keepsFile: activation.isOurs(held)),
            rules: rules, around: surroundings(license)
        ) { notice in
            log(notice.line)
            onChange(notice)
        }
    }

    private func license(_ held: HeldLicense?) -> String? { options.license ?? (held?.server == platform.name ? held?.licenseID : nil) }
    private func acquireBody(_ license: String?, isPatient: Bool) -> JSONValue {
        var body: [String: JSONValue] = [
            "hardware_id": .string(hardwareID), "hostname": .string(String(Device.hostname.prefix(255))), "os": .string(Device.system),
            "version": .string(String("\(application.name) \(application.version)".prefix(64))),
        ]
        if let license { body["license_id"] = .string(license) }
        // A place in the queue, so that nobody who asks later is served earlier.
        if isPatient { body["wait"] = .bool(true) }
        return .object(body)
    }
    private func surroundings(_ license: String?) -> SeatKeeper.Surroundings {
        .init(
            caller: caller, activation: activation,
            holders: DeviceHolders(folder: folder.inner(Self.holdersFolder(platform.name, hardwareID, license))), clock: clock,
            jitter: jitter, pinned: pinned, borrower: borrower)
    }

    /// Where the processes that share a lease meet.
    package static func holdersFolder(_ server: String, _ hardwareID: String, _ license: String?) -> String {
        "seats/" + Hex.encode(Digest.sha256(Array("\(server)\n\(hardwareID)\n\(license ?? "")".utf8)).prefix(12))
    }

    // MARK: Activation

    /// Binds a licence to this device and keeps its signed file, for use without the network.
    public func activate(key: String) throws(LicenseClientError) {
        do { try activation.activate(key: key, machineName: Device.hostname) } catch {
            throw SeatKeeper.error(error)
        }
    }
    /// Takes the licence off this device.
    public func deactivate() throws(LicenseClientError) {
        do { try activation.deactivate() } catch { throw SeatKeeper.error(error) }
    }
    /// The signed file of this device, if it holds now. Asks nobody.
    public func offlineLicense() throws(LicenseClientError) -> OfflineLicense {
        do { return OfflineLicense(try activation.judge()) } catch { throw SeatKeeper.error(error) }
    }

    // MARK: Away from the network

    /// Borrows a seat for use without the network, the one that this device holds if it holds one. Repeated, it is lent for longer.
    /// - Parameter hours: 1 to 168; policy may allow fewer.
    public func borrow(hours: Int) throws(LicenseClientError) -> Borrowing {
        let license = license(folder.read(HeldLicense.self, HeldLicense.file))
        do {
            return try borrower.borrow(
                acquireBody(license, isPatient: false), license: license, hours: hours, surroundings(license))
        } catch { throw SeatKeeper.error(error) }
    }
    /// Brings the borrowed seat home before its end. A device may do so once until the first file is over.
    public func returnBorrowed() throws(LicenseClientError) {
        do { try borrower.giveBack() } catch { throw SeatKeeper.error(error) }
    }
    /// The seat that this device borrowed, if it holds now; nil: it borrowed none. Asks nobody.
    public func borrowed() throws(LicenseClientError) -> Borrowing? {
        do { return try borrower.judge().map(Borrowing.init) } catch { throw SeatKeeper.error(error) }
    }
}

/// A seat that is kept until it is released. Also released when nothing refers to it any more.
public final class Seat: Sendable {
    public enum State: Sendable, Hashable {
        /// The lease lives.
        case held
        /// The lease lives, but the server does not answer at the moment.
        case unsure
        /// The signed file of this device stands in for it.
        case offline
        /// There is no right to go on.
        case lost(LicenseClientError)
        case released
    }
    private let keeper: SeatKeeper

    init(_ keeper: SeatKeeper) { self.keeper = keeper }
    deinit { release() }

    public var state: State {
        switch keeper.state {
        case .held: .held
        case .unsure, .new, .waiting, .asking: .unsure
        case .offline: .offline
        case .judging(let reason, _, _, let isLost): isLost ? .lost(reason) : .unsure
        case .lost(let reason, _, _), .ended(let reason): .lost(reason)
        case .released: .released
        }
    }
    /// Whether the application may go on.
    public var isUsable: Bool {
        switch state {
        case .held, .unsure, .offline: true
        case .lost, .released: false
        }
    }
    /// The server's name for the lease; nil while the file stands in for it.
    public var sessionID: String? {
        switch keeper.state {
        case .held(let lease), .unsure(let lease, _): lease.session
        default: nil
        }
    }

    /// Gives the seat back, if no other process of this device holds it too. Waits for the server, some seconds at most; harmless to repeat.
    public func release() {
        ExitRelease.shared.waitForTheEnd()
        ExitRelease.shared.remove(keeper)
        keeper.release()
    }
}

/// What a signed licence file says, once it was found good.
public struct OfflineLicense: Sendable, Hashable {
    public let license: String
    public let tier: String
    public let status: String
    public let issuedAt: Date
    public let expiresAt: Date?
    public let offlineUntil: Date
    public let seats: Int
    /// Names of the features that are switched on.
    public let features: Set<String>

    init(_ file: LicenseFile) {
        func date(_ moment: Timestamp) -> Date { Date(timeIntervalSince1970: Double(moment.microseconds) / 1_000_000) }
        license = file.license.description
        tier = file.tier
        status = file.status
        issuedAt = date(file.issuedAt)
        expiresAt = file.expiresAt.map(date)
        offlineUntil = date(file.offlineUntil)
        seats = file.seats
        features = Set(file.features.compactMap { $0.value.bool == true ? $0.key : nil })
    }

    /// What the file says, if one of the keys signed it for this hardware and it is in force at `now`. Asks nobody and keeps nothing.
    /// - Parameter publicKeys: PEM, or the JSON of `/.well-known/coditect/license-keys.json`.
    public static func verify(
        _ file: Data, publicKeys: Data, hardwareID: String, now: Date
    ) throws(LicenseClientError) -> OfflineLicense {
        guard let keys = LicensePublicKeys(text: String(decoding: publicKeys, as: UTF8.self)) else {
            throw LicenseClientError(.notAuthentic, "the public keys cannot be read", next: "give PEM, or the published document")
        }
        do throws(LicenseFileFault) {
            let moment = Timestamp(microseconds: Int64(now.timeIntervalSince1970 * 1_000_000))
            return OfflineLicense(try LicenseFile.check([UInt8](file), keys: keys, hardwareID: hardwareID, now: moment))
        } catch { throw error.error("the server") }
    }
}
