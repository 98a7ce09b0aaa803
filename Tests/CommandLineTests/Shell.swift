import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// The built program, run with a home of its own.
final class Shell: Sendable {
    struct Outcome: Sendable {
        let code: Int32
        let out: String
        let err: String
    }
    let home: URL

    init() throws {
        home = FileManager.default.temporaryDirectory.appendingPathComponent("home-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: home) }

    /// Built beside the tests.
    static let program: URL = {
        let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
        return tests.deletingLastPathComponent().appendingPathComponent("coditect")
    }()

    func file(_ name: String) -> URL { home.appendingPathComponent("coditect").appendingPathComponent(name) }

    func start(_ arguments: [String], input: String = "") throws -> (process: Process, wait: @Sendable () -> Outcome) {
        let process = Process()
        process.executableURL = Self.program
        process.arguments = arguments
        process.environment = ["XDG_CONFIG_HOME": home.path, "PATH": "/usr/bin:/bin", "HOME": home.path]
        let id = UUID().uuidString
        let (out, err) = (home.appendingPathComponent("out-\(id)"), home.appendingPathComponent("err-\(id)"))
        for file in [out, err] { _ = FileManager.default.createFile(atPath: file.path, contents: nil) }
        process.standardOutput = try FileHandle(forWritingTo: out)
        process.standardError = try FileHandle(forWritingTo: err)
        let pipe = Pipe()
        process.standardInput = pipe
        try process.run()
        pipe.fileHandleForWriting.write(Data(input.utf8))
        try pipe.fileHandleForWriting.close()
        let box = UncheckedProcess(process)
        return (
            process,
            {
                box.process.waitUntilExit()
                return Outcome(
                    code: box.process.terminationStatus, out: (try? String(contentsOf: out, encoding: .utf8)) ?? "",
                    err: (try? String(contentsOf: err, encoding: .utf8)) ?? "")
            }
        )
    }
    @discardableResult
    func run(_ arguments: String..., input: String = "") throws -> Outcome { try start(arguments, input: input).wait() }

    /// Signed in to `platform`, without a request.
    func signIn(_ platform: FakePlatform, access: String = "access-1", refresh: String = "refresh-1", expiresIn: Double = 86_400) throws {
        try FileManager.default.createDirectory(at: file("").deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createDirectory(at: home.appendingPathComponent("coditect"), withIntermediateDirectories: true)
        let account: [String: Any] = [
            "server": platform.address, "email": "a@example.com", "accessToken": access, "refreshToken": refresh,
            "expiresAt": Date().timeIntervalSinceReferenceDate + expiresIn,
        ]
        try JSONSerialization.data(withJSONObject: account).write(to: file("account.json"))
    }
}

/// Waited for by one closure alone.
struct UncheckedProcess: @unchecked Sendable {  // only `waitUntilExit` and the status are used, from one thread
    let process: Process
    init(_ process: Process) { self.process = process }
}

/// Licence files signed as the platform signs them, made beforehand: the server of a test waits for nothing.
struct FileMaker: Sendable {
    let ring: KeyRing
    let license: LicenseID = Identifier(UUID())
    private let files: [String: JSONValue]

    /// Two installations' keys, made once: each takes a while.
    static let ours = Result { try open() }
    static let theirs = Result { try open() }
    private static func open() throws -> KeyRing {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        return try KeyRing.open(
            directory: folder,
            masterKey: MasterKey.load(
                environment: String(repeating: "07", count: 32), file: folder.appendingPathComponent("k"), keys: folder,
                entropy: SystemEntropy()
            ), clock: SystemClock(), entropy: SystemEntropy(), settings: Settings())
    }

    init(for hardware: [String] = ["demo"], issuedAt: Timestamp = SystemClock().now(), keys: Result<KeyRing, any Error> = ours) async throws
    {
        ring = try keys.get()
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

    func file(_ hardwareID: String) -> JSONValue { files[hardwareID] ?? nil }
    var answerLicense: JSONValue {
        [
            "id": .string(license.description), "tier": "team", "status": "active", "expires_at": "2999-01-15T08:06:00Z",
            "features": ["private_projects": true], "max_activations": 4, "activations": 1, "offline_until": "2999-01-15T08:06:00Z",
        ]
    }
}
