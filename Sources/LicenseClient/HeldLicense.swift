import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// The licence that this device was activated under, with all that judging it without the network takes.
package struct HeldLicense: Codable, Sendable, Equatable {
    package static let file = "license.json"
    package var server: String
    package var key: String
    package var hardwareID: String
    package var licenseID: String
    /// The signed file as last received.
    package var signed: JSONValue
    /// The server's public keys as last received.
    package var publicKeys: JSONValue
    /// The latest moment at which this device is known to have been: seconds since 1970. A clock that stands before it was set back.
    package var latestSeen: Int64

    enum CodingKeys: String, CodingKey {
        case server, key
        case hardwareID = "hardware_id"
        case licenseID = "license_id"
        case signed = "file"
        case publicKeys = "public_keys"
        case latestSeen = "latest_seen"
    }

    package init(
        server: String, key: String, hardwareID: String, licenseID: String, signed: JSONValue, publicKeys: JSONValue, latestSeen: Int64 = 0
    ) {
        self.server = server
        self.key = key
        self.hardwareID = hardwareID
        self.licenseID = licenseID
        self.signed = signed
        self.publicKeys = publicKeys
        self.latestSeen = latestSeen
    }

    package static func load(_ folder: StateFolder) throws(LicenseClientError) -> HeldLicense {
        guard let held = folder.read(HeldLicense.self, file) else {
            if FileManager.default.fileExists(atPath: folder.path(file)) {
                throw LicenseClientError(
                    .fileDamaged, "\(folder.path(file)) is damaged", next: "run `coditect activate KEY` again")
            }
            throw LicenseClientError(.notActivated, "this device is not activated", next: "run `coditect activate KEY`")
        }
        return held
    }

    /// The file, if it is authentic, for this hardware and in force now. Needs no network.
    package func check(hardwareID: String, now: Timestamp) throws(LicenseClientError) -> LicenseFile {
        guard let keys = LicensePublicKeys(document: publicKeys) else { throw LicenseFileFault.notSigned.error(server) }
        guard let bytes = try? JSONEncoder().encode(signed) else { throw LicenseFileFault.malformed("it cannot be read").error(server) }
        let file: LicenseFile
        do { file = try LicenseFile.check([UInt8](bytes), keys: keys, hardwareID: hardwareID, now: now) } catch {
            throw error.error(server)
        }
        let seen = Timestamp(seconds: latestSeen)
        guard now + LicenseFile.tolerance >= seen else {
            throw LicenseClientError(
                .clockSetBack, "the clock of this device was set back: it was \(Moments.text(seen)) already",
                next: "set the clock, or connect to the server once")
        }
        return file
    }

    /// The same licence with a newer file. The server's time is believed over what this device saw of its own clock.
    package func refreshed(_ file: JSONValue, publicKeys keys: JSONValue?) -> HeldLicense {
        var fresh = self
        fresh.signed = file
        if let keys { fresh.publicKeys = keys }
        if let issued = file["license"]?["issued_at"]?.string.flatMap(Timestamp.init(iso8601:)) { fresh.latestSeen = issued.seconds }
        return fresh
    }

    var issuedAt: Timestamp? { signed["license"]?["issued_at"]?.string.flatMap(Timestamp.init(iso8601:)) }
}

extension LicenseFileFault {
    package func error(_ server: String) -> LicenseClientError {
        switch self {
        case .malformed(let reason):
            LicenseClientError(.fileDamaged, "the licence file is damaged: \(reason)", next: "run `coditect activate KEY` again")
        case .otherKind(let kind): LicenseClientError(.notAuthentic, "the file is no licence but \(kind)")
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

/// Activation of this device, and the signed file that stands in for the server while it is away.
package struct Activation: Sendable {
    let platform: Platform
    let folder: StateFolder
    let clock: any Clock

    package init(platform: Platform, folder: StateFolder, clock: any Clock) {
        self.platform = platform
        self.folder = folder
        self.clock = clock
    }

    /// Binds the licence to this device and keeps the file; answers the licence as the server told it.
    @discardableResult
    package func activate(key: String, hardwareID: String, machineName: String) throws -> JSONValue {
        guard (try? LicenseKey.canonical(key)) != nil else {
            throw LicenseClientError(
                .keyMalformed, "this is not a licence key: a sign is wrong, missing or swapped",
                next: "compare it with your licence page")
        }
        let answer = try asking {
            try platform.post(
                "/api/v1/licenses/activate",
                ["license_key": .string(key), "hardware_id": .string(hardwareID), "machine_name": .string(String(machineName.prefix(128)))])
        }
        guard answer.isSuccess else { throw answer.error(platform.name) }
        let keys = try asking { try platform.get("/.well-known/coditect/license-keys.json") }
        guard let file = answer.json["file"], !file.isNull, let license = answer.json["license"], let id = license["id"]?.string else {
            throw LicenseClientError(.badAnswer, "the server's answer has no licence file")
        }
        let held = HeldLicense(
            server: platform.name, key: key, hardwareID: hardwareID, licenseID: id, signed: file, publicKeys: keys.json
        ).refreshed(file, publicKeys: nil)
        _ = try held.check(hardwareID: hardwareID, now: clock.now())
        try folder.locked("license") { try folder.write(held, HeldLicense.file) }
        return license
    }

    /// Frees the device's place and forgets the licence.
    package func deactivate() throws {
        let held = try HeldLicense.load(folder)
        let answer = try asking {
            try platform.post(
                "/api/v1/licenses/deactivate", ["license_key": .string(held.key), "hardware_id": .string(held.hardwareID)])
        }
        guard answer.isSuccess || ["not_activated", "license_key_unknown"].contains(answer.code) else { throw answer.error(platform.name) }
        try folder.locked("license") { folder.remove(HeldLicense.file) }
    }

    /// What the server says of the licence now; a fresh file is kept.
    package func validate() throws -> JSONValue {
        let held = try HeldLicense.load(folder)
        let answer = try asking {
            try platform.post(
                "/api/v1/licenses/validate", ["license_key": .string(held.key), "hardware_id": .string(held.hardwareID)])
        }
        guard answer.isSuccess else { throw answer.error(platform.name) }
        if let file = answer.json["file"], !file.isNull {
            let keys = try? platform.get("/.well-known/coditect/license-keys.json")
            let fresh = held.refreshed(file, publicKeys: keys.flatMap { $0.isSuccess ? $0.json : nil })
            try folder.locked("license") {
                // Deactivated or activated anew meanwhile: then this answer is no longer its own.
                guard folder.read(HeldLicense.self, HeldLicense.file)?.key == held.key else { return }
                try folder.write(fresh, HeldLicense.file)
            }
        }
        return answer.json
    }

    /// The file, if it holds on this device now; remembers that this device was at this moment.
    package func judge(hardwareID: String) throws -> LicenseFile {
        let held = try HeldLicense.load(folder)
        guard held.server == platform.name else {
            throw LicenseClientError(
                .notActivated, "this device is activated on \(held.server), not on \(platform.name)", next: "run `coditect activate KEY`")
        }
        let now = clock.now()
        let file = try held.check(hardwareID: hardwareID, now: now)
        // Less than what is forgiven anyway is not worth a write.
        if now.seconds - held.latestSeen >= 240 { try remember(now, held) }
        return file
    }

    private func remember(_ now: Timestamp, _ held: HeldLicense) throws {
        try folder.locked("license") {
            guard var newest = folder.read(HeldLicense.self, HeldLicense.file), newest.key == held.key else { return }
            newest.latestSeen = max(newest.latestSeen, now.seconds)
            try folder.write(newest, HeldLicense.file)
        }
    }

    private func asking(_ body: () throws -> Answer) throws -> Answer {
        do { return try body() } catch let error as Platform.Unreachable { throw error.error }
    }
}
