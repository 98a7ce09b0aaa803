import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// Activation of this device, and the signed file that stands in for the server while it is away.
package struct Activation: Sendable {
    let platform: Platform
    let folder: StateFolder
    let clock: any Clock
    let device: DeviceIdentity
    /// Keys that the application was built with; files of others are not believed.
    let pinned: LicensePublicKeys?
    /// Whether a new file is kept encrypted; one that is encrypted stays so.
    let encrypts: Bool

    package init(
        platform: Platform, folder: StateFolder, clock: any Clock, device: DeviceIdentity, pinned: LicensePublicKeys? = nil,
        encrypts: Bool = false
    ) {
        self.platform = platform
        self.folder = folder
        self.clock = clock
        self.device = device
        self.pinned = pinned
        self.encrypts = encrypts
    }

    /// Binds the licence to this device and keeps the file; answers the licence as the server told it.
    @discardableResult
    package func activate(key: String, machineName: String) throws -> JSONValue {
        guard let canonical = try? LicenseKey.canonical(key) else {
            throw LicenseClientError(
                .keyMalformed, "this is not a licence key: a sign is wrong, missing or swapped",
                next: "compare it with your licence page")
        }
        // What cannot be kept must not take a device's place.
        try folder.probe()
        return try bind(key, canonical, machineName: machineName, encrypts: encrypts)
    }

    private func bind(_ key: String, _ canonical: String, machineName: String, encrypts: Bool) throws -> JSONValue {
        var body = body(key, canonical, encrypts: encrypts)
        body["machine_name"] = .string(String(machineName.prefix(128)))
        let answer = try asking { try platform.post("/api/v1/licenses/activate", .object(body)) }
        guard answer.isSuccess else { throw answer.error(platform.name) }
        guard let license = answer.json["license"], let id = license["id"]?.string else { throw Self.noFile(platform.name) }
        let keys = try asking { try platform.get("/.well-known/coditect/license-keys.json") }
        let held = try held(key, canonical, license: id, answer: answer.json, keys: keys.json)
        _ = try check(held, now: clock.now())
        try folder.locked("license") { try folder.write(held, HeldLicense.file) }
        return license
    }

    /// Frees the device's place and forgets the licence.
    package func deactivate() throws {
        let held = try HeldLicense.load(folder)
        let canonical = (try? LicenseKey.canonical(held.key)) ?? held.key
        let answer = try asking {
            try platform.post("/api/v1/licenses/deactivate", .object(body(held.key, canonical, encrypts: false)))
        }
        guard answer.isSuccess || ["not_activated", "license_key_unknown"].contains(answer.code) else { throw answer.error(platform.name) }
        try folder.locked("license") { folder.remove(HeldLicense.file) }
    }

    /// What the server says of the licence now; a fresh file is kept.
    /// - Parameter unkept: told why the file could not be kept; the answer counts all the same.
    package func validate(unkept: (LicenseClientError) -> Void = { _ in }) throws -> JSONValue {
        let held = try HeldLicense.load(folder)
        let canonical = (try? LicenseKey.canonical(held.key)) ?? held.key
        let encrypts = encrypts || held.isEncrypted
        let answer = try asking { try platform.post("/api/v1/licenses/validate", .object(body(held.key, canonical, encrypts: encrypts))) }
        guard answer.isSuccess else { throw answer.error(platform.name) }
        guard Self.file(answer.json) != nil else { return answer.json }
        let keys = try? platform.get("/.well-known/coditect/license-keys.json")
        let fresh = try self.held(
            held.key, canonical, license: held.licenseID, answer: answer.json,
            keys: keys.flatMap { $0.isSuccess ? $0.json : nil } ?? held.publicKeys)
        do {
            try folder.locked("license") {
                // Deactivated or activated anew meanwhile: then this answer is no longer its own.
                guard folder.read(HeldLicense.self, HeldLicense.file)?.key == held.key else { return }
                try folder.write(fresh, HeldLicense.file)
            }
        } catch let error as LicenseClientError {
            unkept(error)
            return answer.json
        }
        // The server knows the device by what it once was; told each change, it goes on knowing it. Where it cannot be told now, the
        // file is good all the same.
        if (held.hardwareID ?? device.id) != device.id || held.hardware != fresh.hardware {
            _ = try? bind(held.key, canonical, machineName: Device.hostname, encrypts: encrypts)
        }
        return answer.json
    }

    /// The file, if it holds on this device now; remembers that this device was at this moment.
    package func judge() throws -> LicenseFile {
        let held = try HeldLicense.load(folder)
        guard held.server == platform.name else {
            throw LicenseClientError(
                .notActivated, "this device is activated on \(held.server), not on \(platform.name)", next: "run `coditect activate KEY`")
        }
        let now = clock.now()
        let file = try check(held, now: now)
        // Less than what is forgiven anyway is not worth a write.
        if now.seconds - held.latestSeen >= 240 { try remember(now, held) }
        return file
    }

    /// Whether the activation in the folder is of this server and device.
    func isOurs(_ held: HeldLicense?) -> Bool {
        held.map { $0.server == platform.name && ($0.hardwareID ?? device.id) == device.id } ?? false
    }

    // MARK: Steps

    private func body(_ key: String, _ canonical: String, encrypts: Bool) -> [String: JSONValue] {
        var body: [String: JSONValue] = ["license_key": .string(key), "hardware_id": .string(device.id)]
        let hardware = device.components(canonical)
        if !hardware.isEmpty { body["hardware"] = .object(hardware.mapValues(JSONValue.string)) }
        if encrypts { body["encrypt"] = true }
        return body
    }

    /// In clear or encrypted, whichever came.
    private static func file(_ answer: JSONValue) -> JSONValue? {
        [answer["file"], answer["encrypted_file"]].compactMap { $0 }.first { !$0.isNull }
    }
    private static func noFile(_ server: String) -> LicenseClientError {
        LicenseClientError(.badAnswer, "the answer of \(server) has no licence file", next: Platform.checkAddress)
    }

    /// What is kept of an answer. The server's time is believed over what this device saw of its own clock.
    private func held(_ key: String, _ canonical: String, license: String, answer: JSONValue, keys: JSONValue) throws -> HeldLicense {
        guard let file = Self.file(answer) else { throw Self.noFile(platform.name) }
        let isEncrypted = answer["encrypted_file"]?.isNull == false
        // Typed, as `nil` is a JSON value of its own.
        let box: JSONValue? = isEncrypted ? Optional(file) : Optional.none
        let hardware = device.components(canonical)
        var held = HeldLicense(
            server: platform.name, key: key, hardwareID: isEncrypted && !device.isNamed ? nil : device.id, licenseID: license,
            signed: isEncrypted ? .null : file, encrypted: box, publicKeys: keys,
            hardware: hardware.isEmpty ? nil : hardware)
        held.latestSeen = held.issuedAt(hardwareID: device.id)?.seconds ?? 0
        return held
    }

    private func check(_ held: HeldLicense, now: Timestamp) throws -> LicenseFile {
        let canonical = (try? LicenseKey.canonical(held.key)) ?? held.key
        return try held.check(
            hardwareID: device.id, parts: device.isNamed ? [:] : device.components(canonical), now: now, pinned: pinned)
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
