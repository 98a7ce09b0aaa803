import Foundation
import PluginHost
import PluginKit
import PluginKitTesting
import Store
import Vocabulary

/// A framework of a loaded plugin, for the public conformance kit.
private struct LoadedFramework: ComplianceFrameworkSubject {
    let framework: any ComplianceFramework
    let published: [String]? = nil
    func framework() async throws -> any ComplianceFramework { framework }
}

/// Plugins for an operator at the terminal, beside a running server or without one.
package struct PluginDesk: Sendable {
    private let options: PlatformOptions
    private let data: DataDirectory
    private let office: PluginOffice

    package init(_ options: PlatformOptions) throws {
        self.options = options
        data = try DataDirectory(options.data, isShared: true)
        office = PluginOffice(directory: options.plugins, shelf: PluginShelf(data.pluginCopies))
    }

    // MARK: - Check

    /// Loads plugins as the server would, says what became of each, and unloads. `path`: one plugin's folder, or a folder of such folders.
    /// `isolation`: where they run meanwhile, whatever the settings say.
    package static func check(
        _ options: PlatformOptions, path: String? = nil, isolation word: String? = nil
    ) async throws -> (lines: [String], isFine: Bool) {
        let isolation = word.flatMap { PluginIsolation(rawValue: $0) }
        guard word == nil || isolation != nil else { throw OperatorProblem("--isolation is in_process or process, not '\(word ?? "")'") }
        let scratch = try ScratchFolder("plugin-check")
        defer { scratch.remove() }
        let data = try DataDirectory(scratch.url)
        var folder = path.map { URL(fileURLWithPath: $0) } ?? options.plugins
        guard FileManager.default.fileExists(atPath: folder.path) || path == nil else {
            throw OperatorProblem("there is no folder \(folder.path)")
        }
        if FileManager.default.fileExists(atPath: folder.appendingPathComponent("plugin.json").path) {
            let alone = scratch.url.appendingPathComponent("alone")
            try FileManager.default.createDirectory(at: alone, withIntermediateDirectories: true)
            // A waiting version is checked like any other.
            let name = folder.lastPathComponent.replacing(".next", with: "")
            try FileManager.default.copyItem(at: folder, to: alone.appendingPathComponent(name))
            folder = alone
        }
        let ground = try await Ground.open(data, options, topics: [:])
        let house = ground.pluginHouse(options, isolation: isolation)
        let host = PluginHost(directory: folder, copies: data.pluginCopies, services: house)
        let report = await host.load()
        var faults: [(String, [String])] = []
        for plugin in report.loaded { faults.append((plugin.id, await host.probe(plugin.id))) }
        for hosted in host.frameworks {
            let found = await ComplianceFrameworkConformance(LoadedFramework(framework: hosted.framework)).run()
            let broken = found.filter { !$0.holds }.map { "\($0.check): \($0.faults.first ?? "")" }
            if !broken.isEmpty { faults.append((hosted.plugin, broken)) }
        }
        let lines =
            report.loaded.map { plugin in
                let signed = plugin.publisher.map { ", signed by \($0)" } ?? ""
                let place = plugin.isolation == .process ? ", in a child process" : ""
                return "\(plugin.id)  loaded  \(plugin.manifest.version), kit \(plugin.manifest.kit)\(signed)\(place)"
            }
            + report.refused.map { "\($0.id ?? $0.folder)  refused  \($0.sentence)" }
            + faults.flatMap { id, sentences in sentences.map { "\(id)  unfit  \($0)" } }
        await host.stop()
        await ground.close()
        return (lines.isEmpty ? ["no plugins in \(folder.path)"] : lines, report.refused.isEmpty && faults.allSatisfy(\.1.isEmpty))
    }

    // MARK: - List

    /// What the running server says; without one, what the folder and the book say.
    package func list(json: Bool) throws -> [String] {
        if let told = try serverSays() {
            let plugins = told["plugins"]?.array ?? []
            if json { return try plugins.map { String(decoding: try JSONCoding.encode($0), as: UTF8.self) } }
            let lines = plugins.flatMap(Self.lines)
            return lines.isEmpty ? ["no plugins in \(options.plugins.path)"] : lines
        }
        let book = try office.shelf.read()
        var lines = ["no server holds \(options.data.path): this is what the folder and the book say"]
        for folder in (try? FileManager.default.contentsOfDirectory(at: options.plugins, includingPropertiesForKeys: nil))?
            .sorted(by: { $0.path < $1.path }) ?? []
        {
            guard let files = try? PluginFiles(folder) else { continue }
            let entry = book.plugins[files.manifest.id]
            let state = folder.lastPathComponent.hasSuffix(".next") ? "waits" : entry?.isDisabled == true ? "disabled" : "enabled"
            let upgrade = entry?.upgrade.map { "  upgrade \($0.version) \($0.standing.rawValue)" } ?? ""
            lines.append("\(files.manifest.id)  \(files.manifest.version)  \(state)\(upgrade)")
        }
        return lines
    }

    private static func lines(_ plugin: JSONValue) -> [String] {
        let text = { (name: String) in plugin[name]?.string }
        let kinds = (plugin["kinds"]?.array ?? []).compactMap(\.string).joined(separator: ",")
        let state = (text("state") ?? "").replacing("_", with: " ")
        let head = [text("id"), text("version"), kinds.isEmpty ? nil : kinds, state, text("digest").map { String($0.prefix(12)) }]
        var lines = [head.compactMap { $0 }.joined(separator: "  ") + (text("publisher").map { "  signed by \($0)" } ?? "")]
        if let process = plugin["process"] { lines.append("  process   " + child(process)) }
        if let refusal = plugin["refusal"] { lines.append("  refused   \(refusal["reason"]?.string ?? "")") }
        if let settings = plugin["settings"]?.object, !settings.isEmpty {
            lines.append("  settings  " + settings.sorted { $0.key < $1.key }.map { "\($0.key)=\(shown($0.value))" }.joined(separator: " "))
        }
        if let secrets = plugin["secrets"]?.array, !secrets.isEmpty {
            lines.append("  secrets   " + secrets.compactMap(\.string).joined(separator: " "))
        }
        if let candidate = text("candidate") { lines.append("  waits     \(candidate), for coditectd plugin upgrade \(text("id") ?? "")") }
        if let upgrade = plugin["upgrade"] { lines.append("  upgrade   " + words(upgrade)) }
        return lines
    }
    /// How a plugin's own process fares, as the running server says.
    private static func child(_ process: JSONValue) -> String {
        let state = (process["state"]?.string ?? "").replacing("_", with: " ")
        let place = process["id"]?.int.map { ", \($0)" } ?? ""
        let last = process["last_end"]?.string.map { "; ended last: \($0)" } ?? ""
        return "\(state)\(place), \(process["restarts"]?.int ?? 0) restarts, breaker \(process["breaker"]?.string ?? "")\(last)"
    }

    /// The plugins' own processes under a running server; empty where there is no server.
    package func children() throws -> [(line: String, isWorking: Bool)] {
        (try serverSays()?["plugins"]?.array ?? []).compactMap { plugin in
            guard let process = plugin["process"] else { return nil }
            return (
                "\(plugin["id"]?.string ?? ""): \(Self.child(process))", process["state"] == "working" && process["breaker"] == "closed"
            )
        }
    }

    private static func shown(_ value: JSONValue) -> String {
        value.string ?? (try? value.encoded()).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func words(_ upgrade: JSONValue) -> String {
        let number = { (name: String) in upgrade[name]?.int ?? 0 }
        let version = upgrade["version"]?.string ?? ""
        switch upgrade["standing"]?.string {
        case "canary":
            let share = number("share_basis_points")
            let tenants = upgrade["tenants"]?.array?.count ?? 0
            return "\(version) beside it, for \(share / 100).\(share % 100 / 10) % and \(tenants) named tenants: "
                + "\(number("calls")) calls, \(number("failures")) failed; the old one \(number("calls_before")) calls, "
                + "\(number("failures_before")) failed; \(number("differences")) webhooks read otherwise"
        case "promoted": return "\(version) in its place"
        default: return "\(version) returned: \(upgrade["reason"]?.string ?? "")"
        }
    }

    /// The file that the server keeps, while there is a server.
    private func serverSays() throws -> JSONValue? {
        guard data.holder != nil, let held = FileManager.default.contents(atPath: office.shelf.standing.path) else { return nil }
        return try? JSONCoding.decode(JSONValue.self, held)
    }

    // MARK: - Orders

    /// Writes the order into the book, has a running server follow it at once, and says what came of it.
    package func order(_ order: PluginOffice.Order, to id: String) async throws -> [String] {
        let given: (generation: Int, decision: PluginBook.Decision)
        do { given = try office.give(order, to: id) } catch let fault as PluginOffice.Fault {
            if case .unusable = fault { throw OperatorProblem(fault.description, .refused) }
            throw OperatorProblem(fault.description)
        }
        guard let told = try await taken(given.generation) else {
            return ["\(id): \(Self.words(given.decision)); no server holds \(options.data.path), so it counts from the next start"]
        }
        let plugin = told["plugins"]?.array?.first { $0["id"]?.string == id }
        if case .enable = order, let refusal = plugin?["refusal"] {
            throw OperatorProblem("\(id) is refused: \(refusal["reason"]?.string ?? "")", .refused)
        }
        if let upgrade = plugin?["upgrade"], upgrade["standing"]?.string == "returned", given.decision.action != "plugin.upgrade_returned",
            upgrade["package"]?.string == given.decision.details["package"]
        {
            throw OperatorProblem("\(id) \(upgrade["version"]?.string ?? "") is not at work: \(upgrade["reason"]?.string ?? "")", .refused)
        }
        return ["\(id): \(Self.words(given.decision))"] + (plugin.map(Self.lines)?.dropFirst().filter { $0.hasPrefix("  upgrade") } ?? [])
    }

    /// Has the running server read folder, settings' variables in files and secrets again.
    package func reload() async throws -> [String] {
        let generation = try office.shelf.change { $0.decisions.append(PluginBook.Decision("plugin.reloaded", "all")) }
        guard let told = try await taken(generation) else {
            throw OperatorProblem("no server holds \(options.data.path): there is nothing to reload; is --data right?")
        }
        return (told["plugins"]?.array ?? []).flatMap(Self.lines)
    }

    private static func words(_ decision: PluginBook.Decision) -> String {
        let version = decision.details["version"] ?? ""
        return switch decision.action {
        case "plugin.enabled": "enabled"
        case "plugin.disabled": "disabled; it stays so over restarts"
        case "plugin.upgrade_promoted": "\(version) has taken the place of the version before"
        case "plugin.upgrade_returned": "\(version) is taken back, the version before goes on"
        default: "upgrade from \(decision.details["replaces"] ?? "") to \(version)"
        }
    }

    /// What the server says once it has taken this generation up; nil where there is no server.
    private func taken(_ generation: Int, patience: Duration = .seconds(60)) async throws -> JSONValue? {
        guard let server = data.holder, kill(server, SIGHUP) == 0 else { return nil }
        let end = options.clock.monotonic() + patience
        while true {
            if let told = try serverSays(), told["generation"]?.int ?? 0 >= Int64(generation) { return told }
            guard options.clock.monotonic() < end else {
                throw OperatorProblem(
                    "process \(server) was told and has not followed within \(patience.microseconds / 1_000_000) s: see its log", .late)
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    // MARK: - Publishing

    /// Writes `plugin.sha256` beside a plugin's files, for its publisher to sign.
    package static func seal(_ path: String) throws -> [String] {
        let folder = URL(fileURLWithPath: path)
        let file = folder.appendingPathComponent(PluginSeal.list)
        do { try Data(try PluginSeal.text(of: folder).utf8).write(to: file, options: .atomic) } catch let refusal as PluginRefusal {
            throw OperatorProblem(refusal.reason)
        }
        return [
            "wrote \(file.path); sign it with: "
                + "openssl pkeyutl -sign -rawin -inkey KEY.pem -in \(file.path) -out \(folder.appendingPathComponent(PluginSeal.signature).path)"
        ]
    }
}
