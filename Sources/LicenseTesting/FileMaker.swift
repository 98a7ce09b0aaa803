import Foundation
import LicenseFormat
import Signing
import Synchronization
import Vocabulary

/// Licence files signed as the platform signs them, made beforehand: the server of a test waits for nothing.
package struct FileMaker: Sendable {
    package let ring: KeyRing
    package let license: LicenseID = Identifier(UUID())
    private let files: [String: JSONValue]

    /// Two installations' keys, made once: each takes a while.
    package static let ours = Result { try open() }
    package static let theirs = Result { try open() }
    private static let folders = Mutex<[URL]>([])
    private static func open() throws -> KeyRing {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)")
        // Needed as long as the RSA key is being made.
        folders.withLock { $0.append(folder) }
        atexit { FileMaker.folders.withLock { $0.forEach { try? FileManager.default.removeItem(at: $0) } } }
        return try KeyRing.open(
            directory: folder,
            masterKey: MasterKey.load(
                environment: String(repeating: "07", count: 32), file: folder.appendingPathComponent("k"), keys: folder,
                entropy: SystemEntropy()
            ), clock: SystemClock(), entropy: SystemEntropy(), settings: Settings())
    }

    package init(for hardware: [String] = ["demo"], issuedAt: Timestamp = SystemClock().now(), keys: Result<KeyRing, any Error> = ours)
        async throws
    {
        ring = try keys.get()
        // A process that ends while OpenSSL still makes the RSA key in the background crashes in its exit.
        try await ring.ready()
        var files: [String: JSONValue] = [:]
        for hardwareID in hardware {
            let file = LicenseFile(
                license: license, activation: "a", hardwareHash: LicenseFile.hash(hardwareID: hardwareID), tier: "team", tierName: "Team",
                status: "active", issuedAt: issuedAt, expiresAt: issuedAt + .days(30), offlineUntil: issuedAt + .hours(72), seats: 2,
                maxActivations: 4, features: ["private_projects": true], limits: [:])
            let signature = try await ring.sign(try file.message(), .license)
            files[hardwareID] =
                SignedLicenseFile(
                    license: file.json, signatures: [.init(keyID: signature.keyID, algorithm: "Ed25519", bytes: signature.bytes)]
                ).json
        }
        self.files = files
    }

    /// A seat lent to a device, as `borrow` answers it.
    package func borrowed(_ hardwareID: String, session: String = "s-1", issuedAt: Timestamp, hours: Int64) async throws -> JSONValue {
        let seat = BorrowedSeat(
            license: license, session: session, epoch: 1, hardwareHash: LicenseFile.hash(hardwareID: hardwareID), issuedAt: issuedAt,
            expiresAt: issuedAt + .hours(hours))
        let signature = try await ring.sign(try seat.message(), .license)
        return SignedDocument(document: seat.json, mark: .init(keyID: signature.keyID, algorithm: "Ed25519", bytes: signature.bytes)).json
    }
    package func file(_ hardwareID: String) -> JSONValue { files[hardwareID] ?? nil }
    package var answerLicense: JSONValue {
        [
            "id": .string(license.description), "tier": "team", "status": "active", "expires_at": "2999-01-15T08:06:00Z",
            "features": ["private_projects": true], "max_activations": 4, "activations": 1, "offline_until": "2999-01-15T08:06:00Z",
        ]
    }
}
