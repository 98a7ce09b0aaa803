import Foundation
import HookEngine
import PluginKit
import Synchronization

/// Takes plugins in, routes to them, and lets them go. A bad one is refused with a reason; the others and the server go on.
package final class PluginHost: Sendable {
    private struct State {
        var plugins: [String: HostedPlugin] = [:] { didSet { gatherModules() } }
        var refused: [RefusedPlugin] = []
        /// Those of the refused that should answer hooks.
        var unfit: [HookModule] = [] { didSet { gatherModules() } }
        /// By hook, in the order of their ids: what each decision looks up.
        private(set) var modules: [String: [HookModule]] = [:]

        private mutating func gatherModules() {
            let atWork = plugins.values.compactMap(\.policyModule)
            let all = atWork + unfit.filter { missing in !atWork.contains { $0.id == missing.id } }
            modules = [:]
            for module in all.sorted(by: { $0.id < $1.id }) {
                for hook in module.hooks { modules[hook, default: []].append(module) }
            }
        }
        var isStopped = false
        /// The last change of the set; the next one waits for it.
        var tail: Task<Void, Never>?
    }
    private let directory: URL
    private let copies: URL
    private let services: any PluginHostServices
    private let patience: PluginPatience
    private let state = Mutex(State())

    /// - Parameters:
    ///   - directory: holds one folder per plugin, with `plugin.json` and the library in it. Need not exist.
    ///   - copies: where the content-addressed copies that are really loaded are kept; made with mode 0700.
    package init(directory: URL, copies: URL, services: any PluginHostServices, patience: PluginPatience = PluginPatience()) {
        self.directory = directory
        self.copies = copies
        self.services = services
        self.patience = patience
    }

    package struct Report: Sendable, Hashable {
        package var loaded: [LoadedPlugin]
        package var refused: [RefusedPlugin]
        package init(loaded: [LoadedPlugin], refused: [RefusedPlugin]) {
            self.loaded = loaded
            self.refused = refused
        }
    }

    /// Brings the set in line with the directory: takes new plugins in, replaces changed ones (the new one starts first, the old
    /// one drains), lets removed ones go. A changed plugin that is refused leaves its old self at work. Call again to reload.
    @discardableResult
    package func load() async -> Report {
        await inTurn { [self] in
            guard !state.withLock(\.isStopped) else { return Report(loaded: [], refused: []) }
            return await bringInLine()
        }
    }

    /// The provider to route to; nil where no such plugin is at work.
    package func paymentProvider(_ id: String) -> (any PaymentProvider)? { state.withLock { $0.plugins[id]?.paymentProvider } }
    /// Ids of the payment providers at work, in order.
    package var paymentProviders: [String] {
        state.withLock { $0.plugins.values.filter { $0.paymentProvider != nil }.map(\.loaded.id).sorted() }
    }
    /// The modules that answer a hook, in the order in which they are asked.
    package func policyModules(_ hook: String) -> [HookModule] { state.withLock { $0.modules[hook] ?? [] } }
    /// The pages that a plugin shows under `/plugins/{id}/`.
    package func pages(_ id: String) -> (any PluginPages)? { state.withLock { $0.plugins[id]?.pages } }
    /// What is at work and what the last `load` refused.
    package var report: Report {
        state.withLock { Report(loaded: $0.plugins.values.map(\.loaded).sorted { $0.id < $1.id }, refused: $0.refused) }
    }

    /// Takes no new calls, waits for those under way and for what the plugins finish themselves; then stops all. For good.
    package func stop() async {
        await inTurn { [self] in
            let plugins = state.withLock { state in
                defer { state.plugins = [:] }
                state.isStopped = true
                return Array(state.plugins.values)
            }
            await PluginHost.letGo(plugins)
        }
    }

    // MARK: - Bringing in line

    private func bringInLine() async -> Report {
        let folders = folders()
        var refused: [RefusedPlugin] = []
        var unfit: [HookModule] = []
        var seen: [String: String] = [:]
        for folder in folders {
            var id: String?
            do {
                let parts = try CheckedParts(folder, services: services) { found in
                    id = found
                    if let other = seen[found] { throw Refusal(.idTaken, "The folder \(other) already has the id \(found).") }
                    seen[found] = folder.lastPathComponent
                }
                try await take(parts)
            } catch {
                let refusal = error as? Refusal ?? Refusal(.loadFailed, "\(error)")
                refused.append(RefusedPlugin(folder: folder.lastPathComponent, id: id, code: refusal.code, reason: refusal.reason))
                if let manifest = try? CheckedParts.manifest(in: folder), manifest.kinds.contains(.policyModule) {
                    unfit.append(GuardedPolicyModule.unfit(manifest, refusal.reason))
                }
                // A provider that nobody set up is no fault: a fresh server has no secrets.
                services.log(
                    refusal.code == .secretMissing ? .warning : .error, "A plugin was refused: \(refusal.reason)",
                    ["folder": folder.lastPathComponent, "code": refusal.code.rawValue],
                    plugin: id ?? folder.lastPathComponent)
            }
        }
        let gone = state.withLock { [seen, refused, unfit] state in
            let gone = state.plugins.filter { seen[$0.key] == nil }
            for id in gone.keys { state.plugins[id] = nil }
            state.refused = refused
            state.unfit = unfit
            return Array(gone.values)
        }
        await PluginHost.letGo(gone)
        return report
    }

    private func take(_ parts: CheckedParts) async throws {
        let id = parts.manifest.id
        let old = state.withLock { $0.plugins[id] }
        guard old?.fingerprint != parts.fingerprint else { return }
        let copy = try copy(parts)
        let hosted = try await HostedPlugin.begin(parts, copy: copy, services: services, patience: patience)
        state.withLock { $0.plugins[id] = hosted }
        services.log(
            .info, old == nil ? "A plugin is at work." : "A plugin was replaced.",
            ["version": parts.manifest.version, "digest": String(parts.digest.prefix(12))], plugin: id)
        if let old { await PluginHost.letGo([old]) }
    }

    private static func letGo(_ plugins: [HostedPlugin]) async {
        await withTaskGroup(of: Void.self) { group in
            for plugin in plugins {
                group.addTask {
                    await plugin.drain()
                    await plugin.stop()
                }
            }
        }
    }

    private func folders() -> [URL] {
        let found = (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: [.isDirectoryKey])) ?? []
        return found.filter { folder in
            !folder.lastPathComponent.hasPrefix(".") && (try? folder.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true
        }
        .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// The checked bytes under the name of their digest: what is loaded is what was checked, and a new build has a new path.
    private func copy(_ parts: CheckedParts) throws -> URL {
        let home = copies.appendingPathComponent(parts.digest)
        let file = home.appendingPathComponent(parts.manifest.library)
        do {
            try FileManager.default.createDirectory(
                at: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            if (try? Data(contentsOf: file)) != parts.library {
                try parts.library.write(to: file, options: .atomic)
                try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: file.path)
            }
        } catch {
            throw Refusal(.copyFailed, "The copy in \(home.path) could not be written.")
        }
        return file
    }

    /// One change of the set at a time, in the order of the calls.
    private func inTurn<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        let task = state.withLock { state in
            let before = state.tail
            let task = Task {
                await before?.value
                return await work()
            }
            state.tail = Task { _ = await task.value }
            return task
        }
        return await task.value
    }
}
