import Composition
import Foundation
import PlatformTesting
import PolicyHost
import Testing
import Vocabulary

@Suite("policies after an upgrade of the program")
struct PolicyUpgradeTests {
    private static let policy = "seats/contractor-hours/policy.lua"

    private static func replace(_ file: URL, _ old: String, _ new: String) throws {
        let text = try String(contentsOf: file, encoding: .utf8)
        try #require(text.contains(old), "\(file.lastPathComponent) holds no \(old)")
        try Data(text.replacingOccurrences(of: old, with: new).utf8).write(to: file)
    }

    @Test("a set that reads a removed field is refused at start in the words of the report, which knows what became of it")
    func refused() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "upgrade-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let policies = folder.appending(path: "policies")
        let data = folder.appending(path: "data")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: TestPlatform.root.appending(path: "policies"), to: policies)
        let reading = try SettingsFile(register: PlatformRegister.settings).read(yaml: "", name: "test.yaml", environment: [:])
        let options = PlatformOptions(data: data, policies: policies, plugins: TestPlatform.plugins, reading: reading, environment: [:])
        func start() async throws {
            let platform = try await Platform.open(options)
            await platform.close()
        }
        try await start()

        // The version before called a role a position, and the policy was written for it.
        let kept = try #require(PolicyArchive(directory: data.appending(path: "policies")).catalogue())
        try Self.replace(kept, "\"role\"", "\"position\"")
        try Self.replace(kept, "\"version\": \"\(Release.version)\"", "\"version\": \"0.0.9\"")
        try Self.replace(policies.appending(path: Self.policy), "request.user.role", "request.user.position")
        let sentence =
            "policies/\(Self.policy):13: request.user.position is not there; request.user has: id, role, recent_devices; "
            + "it is called request.user.role now"
        await #expect {
            try await start()
        } throws: { error in
            (error as? PolicyRefusal)?.findings.map(\.description) == [sentence]
        }

        let report = try PolicyChangesDesk(options).report(from: nil, to: nil, showsAll: false)
        #expect(report.lines.first?.hasPrefix("hooks 0.0.9 (\(kept.path)) → \(Release.version) (this program)") == true)
        #expect(report.lines.contains("  \(sentence)"))
        #expect(report.breaks > 0 && report.unsure == 0)

        // Mended, it goes live, and these are the hooks from then on.
        try Self.replace(policies.appending(path: Self.policy), "request.user.position", "request.user.role")
        try await start()
        #expect(try PolicyChangesDesk(options).report(from: nil, to: nil, showsAll: false).breaks == 0)
    }
}
