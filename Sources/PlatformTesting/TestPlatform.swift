import Composition
import Foundation
import HTTPEdge
import Identity
import RoomTesting
import Vocabulary

/// A whole platform in a temporary folder, without a socket: requests go to the edge, time is moved by hand, jobs run when asked.
package final class TestPlatform: Sendable {
    package let platform: Platform
    package let clock: ManualClock
    package let data: URL
    package static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    /// Where `Scripts/build-plugins.sh` lays the built plugins.
    package static let plugins = root.appendingPathComponent(".build/debug/plugins")

    package struct Answer: Sendable {
        package let status: Int
        package let headers: [(String, String)]
        package let body: Data
        package var json: JSONValue { (try? JSONReader.read(body)) ?? .null }
        package var text: String { String(decoding: body, as: UTF8.self) }
        package subscript(name: String) -> JSONValue? { json[name] }
    }

    private init(_ platform: Platform, _ clock: ManualClock, _ data: URL) {
        self.platform = platform
        self.clock = clock
        self.data = data
    }
    deinit { try? FileManager.default.removeItem(at: data) }

    /// - Parameters:
    ///   - yaml: the text of a `coditect.yaml`.
    ///   - policies: the shipped ones unless given; plugins likewise.
    ///   - resolver: what answers for TXT records in place of the machine's own.
    package static func open(
        yaml: String = "", environment: [String: String] = [:], policies: URL? = nil, plugins: URL? = nil,
        clock: ManualClock = ManualClock(), data: URL? = nil, resolver: (any DomainResolver)? = nil
    ) async throws -> TestPlatform {
        try await open(yaml: yaml, environment: environment, policies: policies, plugins: plugins, clock: clock, data: data) { options in
            if let resolver { options.resolver = resolver }
        }
    }

    /// - Parameter adjusting: what else is not as in the world.
    package static func open(
        yaml: String = "", environment: [String: String] = [:], policies: URL? = nil, plugins: URL? = nil,
        clock: ManualClock = ManualClock(), data: URL? = nil, adjusting: (inout PlatformOptions) -> Void
    ) async throws -> TestPlatform {
        let folder = data ?? FileManager.default.temporaryDirectory.appendingPathComponent("platform-\(UUID().uuidString)")
        func options(_ more: [String: String]) throws -> PlatformOptions {
            let environment = environment.merging(more) { given, _ in given }
            var options = PlatformOptions(
                data: folder, policies: policies ?? root.appendingPathComponent("policies"), plugins: plugins ?? Self.plugins,
                reading: try SettingsFile(register: PlatformRegister.settings).read(
                    yaml: yaml, name: "test.yaml", environment: environment),
                environment: environment, clock: clock)
            options.rsaKey = .whenAsked
            adjusting(&options)
            return options
        }
        var more: [String: String] = [:]
        if PostgresCluster.isWanted {
            // A platform opened again over the same folder has the same database.
            let (migrate, serve) = try PostgresCluster.running().logins(for: folder.path)
            more = ["DATABASE_URL": serve]
            _ = try await MigrateDesk(try options(["DATABASE_URL": migrate])).up()
        }
        let options = try options(more)
        try await believe(in: folder)
        let platform = try await Platform.open(options)
        platform.settleContainment(.contained(files: 0))
        try await platform.readTenantPolicies()
        return TestPlatform(platform, clock, folder)
    }

    /// Each platform has a data directory of its own, and would try every test and contract of the shipped policies again: most of what opening
    /// it costs. So one does that for all of this process, and the others find what has passed, as after a restart.
    private static func believe(in folder: URL) async throws {
        let list = folder.appendingPathComponent("policies/passed")
        guard !FileManager.default.fileExists(atPath: list.path) else { return }
        let passed = try await first.value
        try FileManager.default.createDirectory(
            at: list.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        _ = FileManager.default.createFile(atPath: list.path, contents: passed, attributes: [.posixPermissions: 0o600])
    }
    // Of no test: what a test has in its task is not this one's.
    private static let first = Task.detached {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("platform-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var options = PlatformOptions(
            data: folder, policies: root.appendingPathComponent("policies"), plugins: plugins,
            reading: try SettingsFile(register: PlatformRegister.settings).read(yaml: "", name: "test.yaml", environment: [:]),
            environment: [:], clock: ManualClock())
        options.rsaKey = .whenAsked
        try await Platform.open(options).close()
        let list = folder.appendingPathComponent("policies/passed")
        guard let passed = FileManager.default.contents(atPath: list.path) else {
            throw NothingKept(why: "a platform opened, and kept nothing of what its policies have passed in \(list.path)")
        }
        return passed
    }

    private struct NothingKept: Error { let why: String }

    package func close() async { await platform.close() }

    /// Runs every job and delivers every event that is due now.
    @discardableResult package func runDue() async throws -> Int {
        var attempts = 0
        while true {
            let more = try await platform.runner.runDue() + platform.pumps.runDue()
            if more == 0 { return attempts }
            attempts += more
        }
    }

    package func call(
        _ method: String, _ target: String, _ body: JSONValue? = nil, token: String? = nil, headers: [String: String] = [:],
        raw: Data? = nil
    ) async -> Answer {
        var fields = HeaderFields(headers.merging(["host": "127.0.0.1"]) { given, _ in given })
        if body != nil, headers["content-type"] == nil { fields.append("content-type", "application/json") }
        if let token { fields.append("authorization", "Bearer \(token)") }
        let reply = await platform.edge.respond(
            to: RawRequest(
                method: method, target: target, headers: fields, body: raw ?? body.map { JSONWriter.data($0) } ?? Data(),
                remoteAddress: "127.0.0.1", isTLS: false))
        return Answer(status: reply.status, headers: reply.headers, body: reply.body)
    }
}
