import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// A seat that was lent to this device, for use without the network.
public struct Borrowing: Sendable, Hashable {
    public let license: String
    public let session: String
    public let until: Date

    init(_ seat: BorrowedSeat) {
        license = seat.license.description
        session = seat.session
        until = Date(timeIntervalSince1970: Double(seat.expiresAt.seconds))
    }
}

/// A lent seat as the folder keeps it: one for each server and device.
package struct HeldSeat: Codable, Sendable {
    package let server: String
    package let licenseID: String
    package let sessionID: String
    /// The name that the user gave the device; nil: the machine tells its id itself.
    package let device: String?
    /// Signed for this device, with the end.
    let signed: JSONValue
    let publicKeys: JSONValue
    /// As in `HeldLicense`.
    var latestSeen: Int64
    /// What the machine was made of, salted by the session.
    let hardware: [String: String]?

    enum CodingKeys: String, CodingKey {
        case server, device, hardware
        case licenseID = "license_id"
        case sessionID = "session_id"
        case signed = "file"
        case publicKeys = "public_keys"
        case latestSeen = "latest_seen"
    }

    static let folder = "borrowed"
    static func name(_ server: String, _ hardwareID: String) -> String {
        Hex.encode(Digest.sha256(Array("\(server)\n\(hardwareID)".utf8)).prefix(12)) + ".json"
    }

    /// Every seat that the folder keeps, whether or not it holds.
    package static func all(_ folder: StateFolder) -> [HeldSeat] {
        let inner = folder.inner(Self.folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: inner.url.path)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { inner.read(HeldSeat.self, $0) }
    }

    /// The seat, if it is authentic, lent to this device and not over. Needs no network.
    package func check(_ device: DeviceIdentity, now: Timestamp, pinned: LicensePublicKeys? = nil) throws(LicenseClientError)
        -> BorrowedSeat
    {
        guard let bytes = try? JSONEncoder().encode(signed), let keys = pinned ?? LicensePublicKeys(document: publicKeys) else {
            throw Self.error(.notSigned)
        }
        let seat: BorrowedSeat
        do { seat = try SignedDocument.checkBorrowed([UInt8](bytes), keys: keys, hardwareID: device.id, now: now) } catch {
            throw Self.error(error)
        }
        guard device.isNamed || DeviceIdentity.mayBeOne(hardware ?? [:], device.components(sessionID)) else {
            throw Self.error(.otherDevice)
        }
        try HeldLicense.checkClock(now, latestSeen)
        return seat
    }

    private static func error(_ fault: LicenseFileFault) -> LicenseClientError {
        switch fault {
        case .malformed(let reason):
            LicenseClientError(.fileDamaged, "the file of the borrowed seat is damaged: \(reason)", next: "run `coditect borrow` again")
        case .otherKind, .notSigned:
            LicenseClientError(
                .notAuthentic, "the file of the borrowed seat is not signed by the server's key", next: "run `coditect borrow` again")
        case .otherDevice:
            LicenseClientError(
                .otherDevice, "the seat was borrowed by another device", next: "run `coditect borrow` on this one, or connect to the server"
            )
        case .clockBehind(let issuedAt):
            LicenseClientError(
                .clockBehind, "the clock of this device stands before \(Moments.text(issuedAt)), when the seat was borrowed",
                next: "set the clock")
        case .expired(let end), .stale(let end):
            LicenseClientError(
                .borrowEnded, "the borrowed seat ended on \(Moments.text(end))", next: "connect to the server, or borrow again")
        }
    }
}

/// Takes seats away from the network and brings them home.
package struct Borrower: Sendable {
    let caller: Caller
    let folder: StateFolder
    let device: DeviceIdentity
    let pinned: LicensePublicKeys?
    let clock: any Clock
    package static let hours = 1...168

    private var name: String { HeldSeat.name(caller.platform.name, device.id) }
    private var inner: StateFolder { folder.inner(HeldSeat.folder) }
    private var held: HeldSeat? { inner.read(HeldSeat.self, name) }

    /// The seat that this device borrowed, if it holds now; nil: it borrowed none, or one of another licence. Remembers that the device
    /// was at this moment.
    package func judge(license: String? = nil) throws -> BorrowedSeat? {
        guard let held else {
            guard FileManager.default.fileExists(atPath: inner.path(name)) else { return nil }
            throw LicenseClientError(.fileDamaged, "\(inner.path(name)) is damaged", next: "run `coditect borrow` again")
        }
        guard license == nil || license == held.licenseID else { return nil }
        let now = clock.now()
        let seat = try held.check(device, now: now, pinned: pinned)
        if now.seconds - held.latestSeen >= 240 { remember { $0.latestSeen = max($0.latestSeen, now.seconds) } }
        return seat
    }

    /// Whether giving this lease back would take a seat home that is lent.
    func isBorrowed(_ session: String) -> Bool {
        guard let held, held.sessionID == session else { return false }
        do throws(LicenseClientError) { _ = try held.check(device, now: clock.now(), pinned: pinned) } catch {
            // What is wrong with the file or the clock does not end what was lent.
            return error.code != .borrowEnded
        }
        return true
    }

    /// The server's time is believed over what this device saw of its own clock.
    func contacted(at moment: Timestamp?) {
        guard let moment, let held, held.latestSeen > (moment + LicenseFile.tolerance).seconds else { return }
        remember { $0.latestSeen = moment.seconds }
    }

    private func remember(_ change: (inout HeldSeat) -> Void) {
        try? inner.locked("borrow", patience: .seconds(2)) {
            guard var newest = held else { return }
            change(&newest)
            try inner.write(newest, name)
        }
    }

    /// Takes a seat, or the one that this device holds, and has it lent. Harmless to repeat: the seat is then lent for longer.
    func borrow(_ request: JSONValue, license: String?, hours: Int, _ around: SeatKeeper.Surroundings) throws -> Borrowing {
        guard Self.hours.contains(hours) else {
            throw LicenseClientError(.borrowTooLong, "a seat is borrowed for 1 to 168 hours", next: "ask for as many")
        }
        try inner.probe()
        if let license, let other = held, other.licenseID != license, let seat = try? other.check(device, now: clock.now(), pinned: pinned)
        {
            throw LicenseClientError(
                .deviceBusy, "this device has borrowed a seat of another licence until \(Moments.text(seat.expiresAt))",
                next: "run `coditect return` first")
        }
        return try around.holders.exclusively(patience: .seconds(10)) {
            let asked = around.clock.monotonic()
            let answer = try twice("/api/v1/licenses/acquire", request)
            guard answer.isSuccess, answer.status != 202 else { throw SeatKeeper.refusal(answer, license: license, around) }
            let lease = try SeatKeeper.lease(answer, asked: asked, around)
            let isNew = held?.sessionID != lease.session && around.holders.others() == 0
            do {
                return try lend(lease.session, hours: hours)
            } catch {
                // What was taken for this alone goes back at once.
                if isNew { _ = try? twice("/api/v1/licenses/release", ["session_id": .string(lease.session)]) }
                throw error
            }
        }
    }

    private func lend(_ session: String, hours: Int) throws -> Borrowing {
        let answer = try twice(
            "/api/v1/licenses/borrow",
            ["session_id": .string(session), "hardware_id": .string(device.id), "hours": .int(Int64(hours))])
        guard answer.isSuccess else { throw answer.leaseError(caller.platform.name) }
        guard let file = answer.json["file"], let license = answer.json["license_id"]?.string,
            let issued = file["document"]?["issued_at"]?.string.flatMap(Timestamp.init(iso8601:))
        else {
            throw LicenseClientError(
                .badAnswer, "the answer of \(caller.platform.name) is no borrowed seat", next: Platform.checkAddress)
        }
        let keys = try caller.platform.get("/.well-known/coditect/license-keys.json")
        let hardware = device.components(session)
        let seat = HeldSeat(
            server: caller.platform.name, licenseID: license, sessionID: session, device: device.isNamed ? device.id : nil, signed: file,
            publicKeys: keys.json, latestSeen: issued.seconds, hardware: hardware.isEmpty ? nil : hardware)
        let borrowing = Borrowing(try seat.check(device, now: clock.now(), pinned: pinned))
        try inner.locked("borrow") { try inner.write(seat, name) }
        return borrowing
    }

    /// Brings the seat home before its end.
    func giveBack() throws {
        guard let held else {
            throw LicenseClientError(
                .notBorrowed, "this device has borrowed no seat of \(caller.platform.name)", next: "run `coditect borrow --hours N`")
        }
        // One that is over came home by itself.
        if (try? held.check(device, now: clock.now(), pinned: pinned)) != nil {
            let users = DeviceHolders.users(of: held.sessionID, in: folder)
            guard users == 0 else {
                throw LicenseClientError(
                    .deviceBusy, "the borrowed seat is in use by \(users) \(users == 1 ? "process" : "processes") of this device",
                    next: "end them, then run `coditect return`")
            }
        }
        let answer: Answer
        do { answer = try twice("/api/v1/licenses/release", ["session_id": .string(held.sessionID)]) } catch let silence
            as Platform.Unreachable
        {
            throw LicenseClientError(
                .unreachable, silence.error.message, next: "return it when the server can be reached; at its end it comes home by itself")
        }
        guard answer.isSuccess || answer.status == 404 else { throw answer.error(caller.platform.name) }
        try inner.locked("borrow") { inner.remove(name) }
    }

    /// The same request once more where the answer may have been lost.
    private func twice(_ path: String, _ body: JSONValue) throws -> Answer {
        let key = path.hasSuffix("/release") ? nil : UUID().uuidString
        do { return try caller.post(path, body, key: key) } catch is Platform.Unreachable { return try caller.post(path, body, key: key) }
    }
}
