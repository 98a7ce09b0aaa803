import Foundation
import LicenseFormat
import Licensing
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

/// Files made by the room and judged by the code that clients use, over real keys.
struct LicenseFileTests {
    struct Setting: Sendable {
        let house: LicenseHouse
        let ring: KeyRing
        let keys: LicensePublicKeys
        let bytes: [UInt8]
    }

    /// Made once: RSA takes a while, and its folder is needed until then.
    static let keyRing = Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)")
        return try KeyRing.open(
            directory: folder,
            masterKey: try MasterKey.load(
                environment: String(repeating: "07", count: 32), file: folder.appendingPathComponent("master.key"), keys: folder,
                entropy: SystemEntropy()), clock: ManualClock(), entropy: SystemEntropy(), settings: Settings())
    }

    static func make(signatures: [String] = ["ed25519"], days: Int64 = 30) async throws -> Setting {
        let ring = try keyRing.get()
        if signatures.contains("rsa") { try await ring.ready() }
        let house = try await LicenseHouse.make(
            signer: ring, settings: Settings().setting(LicenseSettings.fileSignatures, to: signatures))
        let detail = try await house.issued(days: days)
        let change = try await house.licenses.activate(key: detail.key, hardwareID: "hw-1", machineName: nil, house.act(.anonymous))
        let file = try #require(change.file)
        let keys = try #require(LicensePublicKeys(document: ring.licenseKeysDocument()))
        return Setting(house: house, ring: ring, keys: keys, bytes: [UInt8](try JSONCoding.encode(file.json)))
    }

    @Test("a file holds on its device without the network until its offline grace ends")
    func grace() async throws {
        let made = try await Self.make()
        let now = made.house.now
        let file = try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: now)
        #expect(file.offlineUntil == now + .hours(72))
        #expect(file.features == ["private_projects": true])
        _ = try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: now + .hours(72) - .seconds(1))
        #expect(throws: LicenseFileFault.stale(now + .hours(72))) {
            try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: now + .hours(72))
        }
        #expect(throws: LicenseFileFault.clockBehind(issuedAt: now)) {
            try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: now - .hours(1))
        }
        #expect(throws: LicenseFileFault.otherDevice) {
            try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-2", now: now)
        }
    }

    @Test("a file issued up to five minutes ahead of the reader's clock holds, and not a second more")
    func ahead() async throws {
        #expect(LicenseFile.tolerance == .minutes(5))
        let made = try await Self.make()
        let now = made.house.now
        _ = try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: now - .minutes(5))
        #expect(throws: LicenseFileFault.clockBehind(issuedAt: now)) {
            try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: now - .minutes(5) - .seconds(1))
        }
    }

    @Test("the offline grace never reaches beyond the licence's end")
    func shortLife() async throws {
        let made = try await Self.make(days: 1)
        let end = made.house.now + .days(1)
        let file = try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
        #expect(file.offlineUntil == end)
        #expect(throws: LicenseFileFault.expired(end)) { try LicenseFile.check(made.bytes, keys: made.keys, hardwareID: "hw-1", now: end) }
    }

    @Test("any changed member breaks the signature, in whatever form the file is written")
    func forged() async throws {
        let made = try await Self.make()
        var json = try JSONCoding.decode(JSONValue.self, Data(made.bytes)).object ?? [:]
        // Other spacing and order is the same file: what is signed is the canonical form.
        let pretty = try JSONSerialization.data(
            withJSONObject: try JSONSerialization.jsonObject(with: Data(made.bytes)), options: [.prettyPrinted])
        _ = try LicenseFile.check([UInt8](pretty), keys: made.keys, hardwareID: "hw-1", now: made.house.now)

        let license = try #require(json["license"]?.object)
        for name in license.keys {
            var changed = license
            changed[name] = changed[name] == .int(1_000) ? .int(1_001) : .int(1_000)
            json["license"] = .object(changed)
            let bytes = [UInt8](try JSONCoding.encode(JSONValue.object(json)))
            #expect(throws: LicenseFileFault.notSigned) {
                try LicenseFile.check(bytes, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
            }
        }
        json["license"] = .object(license.merging(["extra": true]) { old, _ in old })
        let bytes = [UInt8](try JSONCoding.encode(JSONValue.object(json)))
        #expect(throws: LicenseFileFault.notSigned) {
            try LicenseFile.check(bytes, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
        }
    }

    @Test("what another purpose signed is no licence file")
    func otherPurpose() async throws {
        let made = try await Self.make()
        let parsed = try JSONCoding.decode(JSONValue.self, Data(made.bytes))
        let license = try #require(parsed["license"])
        // The same members, signed without the kind, and by the journal's key.
        let bare = try await made.ring.sign(try CanonicalJSON.encode(license), .license)
        let journal = try await made.ring.sign(try TypedMessage(.licenseFile, json: license).bytes, .journal)
        for signature in [bare, journal] {
            let mark = SignedLicenseFile.Mark(keyID: signature.keyID, algorithm: "Ed25519", bytes: signature.bytes)
            let bytes = [UInt8](try JSONCoding.encode(SignedLicenseFile(license: license, signatures: [mark]).json))
            #expect(throws: LicenseFileFault.notSigned) {
                try LicenseFile.check(bytes, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
            }
        }
    }

    @Test(
        "nothing that is not a file gets through",
        arguments: ["", "{}", "[]", "{\"license\":{},\"signatures\":[]}", "null", "{\"license\":1}"])
    func garbage(_ text: String) async throws {
        let made = try await Self.make()
        #expect(throws: LicenseFileFault.self) { try LicenseFile.authentic(Array(text.utf8), keys: made.keys) }
    }

    @Test("a file can carry both signatures, and either is enough; the seat's field format verifies with the RSA key")
    func rsa() async throws {
        let made = try await Self.make(signatures: ["ed25519", "rsa"])
        let parsed = try JSONCoding.decode(JSONValue.self, Data(made.bytes))
        let signed = try SignedLicenseFile(parsed)
        #expect(signed.signatures.map(\.algorithm) == ["Ed25519", "RSA-4096-PSS-SHA256"])
        for mark in signed.signatures {
            let bytes = [UInt8](try JSONCoding.encode(SignedLicenseFile(license: signed.license, signatures: [mark]).json))
            _ = try LicenseFile.check(bytes, keys: made.keys, hardwareID: "hw-1", now: made.house.now)
        }
        let license: LicenseID = made.house.test.entropy.id(made.house.now)
        let message = SeatAnswer.message(expiresAt: Timestamp(seconds: 1_800_000_360), license: license, session: "s")
        #expect(
            String(decoding: message, as: UTF8.self)
                == "{\"expires_at\": \"2027-01-15T08:06:00Z\", \"license_id\": \"\(license)\", \"session_id\": \"s\"}")
        let signature = try await made.ring.sign(message, .licenseRSA)
        #expect(made.keys.verifyFieldFormat(message, hex: Hex.encode(signature.bytes)))
        #expect(!made.keys.verifyFieldFormat(message + [0x20], hex: Hex.encode(signature.bytes)))
    }
}
