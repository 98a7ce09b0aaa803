import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// The licence that this device was activated under, with all that judging it without the network takes.
package struct HeldLicense: Codable, Sendable, Equatable {
    package static let file = "license.json"
    package var server: String
    package var key: String
    /// Nil beside an encrypted file, which nothing in the folder is to open: the machine tells its id itself.
    package var hardwareID: String?
    package var licenseID: String
    /// The signed file as last received; null where it is kept encrypted.
    package var signed: JSONValue
    /// As last received, where encryption was asked for.
    package var encrypted: JSONValue?
    /// The server's public keys as last received.
    package var publicKeys: JSONValue
    /// The latest moment at which this device is known to have been: seconds since 1970. A clock that stands before it was set back.
    package var latestSeen: Int64
    /// What the machine was made of when the server last knew it, as the server was told it.
    package var hardware: [String: String]?

    enum CodingKeys: String, CodingKey {
        case server, key, hardware
        case hardwareID = "hardware_id"
        case licenseID = "license_id"
        case signed = "file"
        case encrypted = "encrypted_file"
        case publicKeys = "public_keys"
        case latestSeen = "latest_seen"
    }

    package init(
        server: String, key: String, hardwareID: String?, licenseID: String, signed: JSONValue, encrypted: JSONValue? = nil,
        publicKeys: JSONValue, latestSeen: Int64 = 0, hardware: [String: String]? = nil
    ) {
        self.server = server
        self.key = key
        self.hardwareID = hardwareID
        self.licenseID = licenseID
        self.signed = signed
        self.encrypted = encrypted
        self.publicKeys = publicKeys
        self.latestSeen = latestSeen
        self.hardware = hardware
    }

    package static func load(_ folder: StateFolder) throws(LicenseClientError) -> HeldLicense {
        guard let held = folder.read(HeldLicense.self, file) else {
            if FileManager.default.fileExists(atPath: folder.path(file)) {
                guard FileManager.default.isReadableFile(atPath: folder.path(file)) else {
                    throw LicenseClientError(
                        .storage, "cannot read \(folder.path(file))", next: "make it readable for you, or set XDG_CONFIG_HOME")
                }
                throw LicenseClientError(
                    .fileDamaged, "\(folder.path(file)) is damaged", next: "run `coditect activate KEY` again")
            }
            throw LicenseClientError(.notActivated, "this device is not activated", next: "run `coditect activate KEY`")
        }
        return held
    }

    package var isEncrypted: Bool { encrypted != nil }

    /// The file, if it is authentic, for this hardware and in force now. Needs no network.
    /// - Parameters:
    ///   - parts: what the machine is made of now, salted by the licence key; empty: not asked.
    ///   - pinned: keys that are believed instead of those received.
    package func check(
        hardwareID: String, parts: [String: String] = [:], now: Timestamp, pinned: LicensePublicKeys? = nil
    ) throws(LicenseClientError) -> LicenseFile {
        guard let keys = pinned ?? LicensePublicKeys(document: publicKeys) else { throw LicenseFileFault.notSigned.error(server) }
        let bytes = try plain(hardwareID)
        let file: LicenseFile
        do { file = try LicenseFile.check(bytes, keys: keys, hardwareID: hardwareID, now: now) } catch { throw error.error(server) }
        // An id can be cloned with its disk.
        guard DeviceIdentity.mayBeOne(hardware ?? [:], parts) else { throw LicenseFileFault.otherDevice.error(server) }
        try Self.checkClock(now, latestSeen)
        return file
    }

    /// A clock that stands more than five minutes before a moment at which the device was known to be, was set back.
    static func checkClock(_ now: Timestamp, _ latestSeen: Int64) throws(LicenseClientError) {
        let seen = Timestamp(seconds: latestSeen)
        guard now + LicenseFile.tolerance >= seen else {
            throw LicenseClientError(
                .clockSetBack, "the clock of this device was set back: it was \(Moments.text(seen)) already",
                next: "set the clock, or connect to the server once")
        }
    }

    /// The signed file in clear.
    private func plain(_ hardwareID: String) throws(LicenseClientError) -> [UInt8] {
        let damaged = LicenseFileFault.malformed("it cannot be read").error(server)
        guard let bytes = try? JSONEncoder().encode(encrypted ?? signed) else { throw damaged }
        guard isEncrypted else { return [UInt8](bytes) }
        do { return try EncryptedLicenseFile.open([UInt8](bytes), key: key, hardwareID: hardwareID) } catch {
            switch error {
            case .malformed(let reason): throw LicenseFileFault.malformed(reason).error(server)
            case .key: throw damaged
            case .closed:
                throw LicenseClientError(
                    .otherDevice, "the licence file does not open here: it was made for another device, or was changed",
                    next: "run `coditect activate KEY` on this one")
            }
        }
    }

    /// When the file was made; nil if it cannot be read here.
    func issuedAt(hardwareID: String) -> Timestamp? {
        guard let bytes = try? plain(hardwareID), let file = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
            return nil
        }
        return Self.issued(file)
    }
    static func issued(_ file: JSONValue) -> Timestamp? { file["license"]?["issued_at"]?.string.flatMap(Timestamp.init(iso8601:)) }
}

extension LicenseFileFault {
    package func error(_ server: String) -> LicenseClientError {
        switch self {
        case .malformed(let reason):
            LicenseClientError(.fileDamaged, "the licence file is damaged: \(reason)", next: "run `coditect activate KEY` again")
        case .otherKind(let kind):
            LicenseClientError(.notAuthentic, "the file is no licence but \(kind)", next: "run `coditect activate KEY` again")
        case .notSigned:
            LicenseClientError(
                .notAuthentic, "the licence file is not signed by the server's key", next: "run `coditect activate KEY` again")
        case .otherDevice:
            LicenseClientError(
                .otherDevice, "the licence file was made for another device", next: "run `coditect activate KEY` on this one")
        case .clockBehind(let issuedAt):
            LicenseClientError(
                .clockBehind, "the clock of this device stands before \(Moments.text(issuedAt)), when the licence file was made",
                next: "set the clock")
        case .expired(let end):
            LicenseClientError(
                .expired, "the licence expired on \(Moments.text(end))", next: "renew it or choose a tier: \(server)/plans")
        case .stale(let until):
            LicenseClientError(
                .offlineGraceOver, "the offline grace ended on \(Moments.text(until))", next: "connect to the server once")
        }
    }
}
