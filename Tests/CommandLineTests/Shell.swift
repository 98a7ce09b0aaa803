import Foundation
import LicenseTesting
import Vocabulary

/// The built program, run with a home of its own.
final class Shell: Sendable {
    struct Outcome: Sendable {
        let code: Int32
        let out: String
        let err: String
    }
    let home: URL
    /// More of the environment.
    let environment: [String: String]

    init(_ environment: [String: String] = [:]) throws {
        self.environment = environment
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

    func start(_ arguments: [String], input: String = "", folder: String? = nil) throws -> (process: Process, wait: @Sendable () -> Outcome)
    {
        let process = Process()
        process.executableURL = Self.program
        process.arguments = arguments
        process.currentDirectoryURL = folder.map { URL(fileURLWithPath: $0) } ?? home
        process.environment = ["XDG_CONFIG_HOME": home.path, "PATH": "/usr/bin:/bin", "HOME": home.path].merging(environment) { $1 }
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
            "server": platform.address, "email": "a@example.com", "access_token": access, "refresh_token": refresh,
            // The program under test is a real process and reads the real clock.
            "expires_at": Date().timeIntervalSince1970 + expiresIn,
        ]
        try JSONSerialization.data(withJSONObject: account).write(to: file("account.json"))
    }
}

/// Waited for by one closure alone.
struct UncheckedProcess: @unchecked Sendable {  // only `waitUntilExit` and the status are used, from one thread
    let process: Process
    init(_ process: Process) { self.process = process }
}
