import Compliance
import Foundation
import KeyValue
import Logging
import PluginHost
import PluginKit
import Seats
import Signing
import Store
import StorePostgres
import Tenancy
import Vocabulary

/// Controls and their evidence for an operator at the terminal, beside a running server or without one.
package struct ComplianceDesk: Sendable {
    private let options: PlatformOptions
    private let data: DataDirectory
    private let ground: Ground
    private let host: PluginHost
    private let room: Compliance
    private let scratch: ScratchFolder

    /// Loads the plugins as the server does, apart from it, to know what they declare.
    package init(_ options: PlatformOptions) async throws {
        self.options = options
        data = try DataDirectory(options.data, isShared: true)
        guard Ground.isShared(options) || FileManager.default.fileExists(atPath: data.database.path) else {
            throw OperatorProblem("there is no database \(data.database.path); is --data right?")
        }
        let keys = try Ground.keys(data, options)
        let sealer = try Ground.sealer(data, options)
        let store = try Ground.store(data, options, sealer: sealer, topics: PlatformRegister.topics)
        try await (store as? PostgresStore)?.begin(try PlatformRegister.migrations())
        let quiet = Logger(label: "coditectd") { _ in SwiftLogNoOpLogHandler() }
        ground = Ground(
            data: data, keys: keys, sealer: sealer, store: store, logger: quiet, client: OutboundClient(), redis: nil,
            keyValue: InProcessKeyValue())
        scratch = try ScratchFolder("compliance")
        host = PluginHost(directory: options.plugins, copies: scratch.url, services: ground.pluginHouse(options))
        await host.load()
        let tenancy = Tenancy(store: store, sealer: sealer, entropy: options.entropy, settings: options.settings)
        room = Compliance(
            ComplianceFloor(store: store, signer: keys, entropy: options.entropy, settings: options.settings), tenancy: tenancy,
            frameworks: PluggedFrameworks(host: host), sources: [], ending: NobodyEnds())
    }

    package func close() async {
        await host.stop()
        await ground.close()
        scratch.remove()
    }

    private var act: Act { Act(actor: .system("operator"), requestID: "compliance", now: options.clock.now()) }

    /// `platform`, or a tenant's id.
    private func scope(_ name: String) throws -> ComplianceScope {
        if name == "platform" { return .platform }
        guard let id = TenantID(name) else { throw OperatorProblem("'\(name)' is neither a tenant's id nor 'platform'") }
        return .tenant(id)
    }

    private static func line(_ value: JSONValue) throws -> String { String(decoding: try JSONCoding.encode(value), as: UTF8.self) }
    private static func line(_ run: ComplianceRun?) -> String {
        guard let run else { return "never evaluated" }
        let broken = run.broken > 0 ? ", \(run.broken) of them because the framework failed" : ""
        return "\(run.at.iso8601)  \(run.passed) pass, \(run.failed) fail, \(run.notEvaluated) not evaluated\(broken)"
    }

    package func list(_ tenant: String, json: Bool) async throws -> [String] {
        let scope = try scope(tenant)
        var lines: [String] = []
        for offered in PluggedFrameworks(host: host).offered {
            let run = try await room.lastRun(offered.about.id, scope)
            if json {
                lines.append(
                    try Self.line([
                        "id": .string(offered.about.id), "title": .string(offered.about.title),
                        "last_run": run.map(Compliance.json) ?? .null,
                    ]))
            } else {
                lines.append("\(offered.about.id)  \(offered.about.title)  \(offered.about.controls.count) controls  \(Self.line(run))")
            }
        }
        return lines.isEmpty ? ["no compliance frameworks in \(options.plugins.path)"] : lines
    }

    package func show(_ framework: String, _ tenant: String, gapsOnly: Bool, json: Bool) async throws -> [String] {
        let scope = try scope(tenant)
        let (run, standings): (ComplianceRun?, [Compliance.Standing]) =
            gapsOnly ? try await room.gaps(framework, scope) : try await room.standing(framework, scope)
        if json {
            return try standings.map { item in
                try Self.line(["control": Compliance.json(item.control), "result": item.result.map(Compliance.json) ?? .null])
            }
        }
        return [Self.line(run)]
            + standings.flatMap { item -> [String] in
                guard let result = item.result else { return ["\(item.control.id)  never evaluated  \(item.control.title)"] }
                let outcome = result.saidBy == .failure ? "FRAMEWORK FAILED" : result.outcome.rawValue.replacing("_", with: " ")
                return [
                    "\(item.control.id)  \(outcome)  since \(result.since.iso8601)  \(item.control.title)",
                    "  \(result.reason)" + (result.missing.isEmpty ? "" : " Missing: \(result.missing.joined(separator: "; "))."),
                ]
            }
    }

    package func export(_ framework: String, _ tenant: String) async throws -> String {
        let scope = try scope(tenant)
        return try Self.line(Compliance.json(try await room.export(framework, scope, act)))
    }

    /// By the running server, which takes the order up within half a minute; without one, here.
    package static func run(_ framework: String, _ tenant: String, _ options: PlatformOptions) async throws -> [String] {
        if try DataDirectory(options.data, isShared: true).holder == nil {
            let platform = try await Platform.open(options)
            await platform.plugins.load()
            let act = Act(actor: .system("operator"), requestID: "compliance", now: options.clock.now())
            do {
                let scope =
                    tenant == "platform" ? ComplianceScope.platform : try TenantID(tenant).map(ComplianceScope.tenant).orRefuse(tenant)
                let run = try await platform.rooms.compliance.runNow(framework, scope, act)
                await platform.close()
                return ["\(framework)  \(line(run))"]
            } catch {
                await platform.close()
                throw error
            }
        }
        let desk = try await ComplianceDesk(options)
        do {
            let lines = try await desk.orderAndWait(framework, tenant)
            await desk.close()
            return lines
        } catch {
            await desk.close()
            throw error
        }
    }

    private func orderAndWait(_ framework: String, _ tenant: String) async throws -> [String] {
        let scope = try scope(tenant)
        guard PluggedFrameworks(host: host).offered.contains(where: { $0.about.id == framework }) else {
            throw ComplianceProblems.noFramework
        }
        let before = try await room.lastRun(framework, scope)
        try await room.order(framework, scope, act)
        let end = options.clock.monotonic() + .seconds(120)
        while options.clock.monotonic() < end {
            if let run = try await room.lastRun(framework, scope), run.id != before?.id { return ["\(framework)  \(Self.line(run))"] }
            try await Task.sleep(for: .milliseconds(250))
        }
        throw OperatorProblem("the server that holds \(options.data.path) has not run it within 120 s: see its log")
    }
}

extension Optional {
    fileprivate func orRefuse(_ name: String) throws -> Wrapped {
        guard let self else { throw OperatorProblem("'\(name)' is neither a tenant's id nor 'platform'") }
        return self
    }
}

/// A terminal reviews nobody's access.
private struct NobodyEnds: MembershipEnding {
    func end(_ membership: MembershipID, of user: UserID, in tenant: TenantID, by role: Role, _ act: Act) async throws {
        throw CommonProblems.forbidden
    }
}
