import Foundation
import HookEngine
import PluginKit
import Synchronization

/// Takes plugins in, routes to them, and lets them go. A bad one is refused with a reason; the others and the server go on.
package final class PluginHost: Sendable {
    struct State {
        var plugins: [String: HostedPlugin] = [:] { didSet { gatherModules() } }
        /// New versions beside those in service.
        var canaries: [String: Canary] = [:]
        var refused: [RefusedPlugin] = []
        var disabled: [DisabledPlugin] = []
        /// The book as it was taken up last.
        var book = PluginBook()
        /// New versions that this process has started.
        var started: Set<String> = []
        /// The generation of the book that the set is in line with.
        var applied = 0
        var attendants: [Attendant] = []
        /// Those of the refused that should answer hooks.
        var unfit: [HookModule] = [] { didSet { gatherModules() } }
        /// By hook, in the order of their ids: what each decision looks up.
        private(set) var modules: [String: [HookModule]] = [:]

        var isStopped = false
        /// The last change of the set; the next one waits for it.
        var tail: Task<Void, Never>?

        private mutating func gatherModules() {
            let atWork = plugins.values.compactMap(\.policyModule)
            let all = atWork + unfit.filter { missing in !atWork.contains { $0.id == missing.id } }
            modules = [:]
            for module in all.sorted(by: { $0.id < $1.id }) {
                for hook in module.hooks { modules[hook, default: []].append(module) }
            }
        }
    }
    let directory: URL
    let copies: URL
    let services: any PluginHostServices
    let patience: PluginPatience
    let limits: CanaryLimits
    let prison: PluginPrison
    /// Only plugins of this kind; nil: all.
    let only: PluginKind?
    /// What operators decided, kept over restarts.
    package let shelf: PluginShelf
    let state = Mutex(State())

    /// - Parameters:
    ///   - directory: holds one folder per plugin, with `plugin.json` and the library in it. Need not exist. A folder whose name ends in
    ///     `.next` waits for an upgrade and is not loaded by itself.
    ///   - copies: where the content-addressed copies that are really loaded are kept, and the book; made with mode 0700.
    ///   - prison: what the plugins run in that the operator wants apart.
    ///   - only: for a program beside the server, which needs plugins of one kind and must not start the others a second time.
    package init(
        directory: URL, copies: URL, services: any PluginHostServices, patience: PluginPatience = PluginPatience(),
        limits: CanaryLimits = CanaryLimits(), prison: PluginPrison = PluginPrison(), only: PluginKind? = nil
    ) {
        self.only = only
        self.directory = directory
        self.copies = copies
        self.services = services
        self.patience = patience
        self.limits = limits
        self.prison = prison
        shelf = PluginShelf(copies)
    }

    package struct Report: Sendable, Hashable {
        package var loaded: [LoadedPlugin]
        package var refused: [RefusedPlugin]
        package var disabled: [DisabledPlugin]
        package init(loaded: [LoadedPlugin], refused: [RefusedPlugin], disabled: [DisabledPlugin] = []) {
            self.loaded = loaded
            self.refused = refused
            self.disabled = disabled
        }
    }

    /// Brings the set in line with the directory and the book: takes new plugins in, replaces changed ones (the new one starts first, the old
    /// one drains), lets removed and switched-off ones go, puts a new version beside the old. A changed plugin that is refused leaves its
    /// old self at work. Call again to reload.
    @discardableResult
    package func load() async -> Report {
        await inTurn { [self] in
            guard !state.withLock(\.isStopped) else { return Report(loaded: [], refused: []) }
            return await bringInLine()
        }
    }

    /// The provider to route to; nil where no such plugin is at work. With a tenant, its calls go to a new version if that has the tenant.
    package func paymentProvider(_ id: String, for tenant: String? = nil) -> (any PaymentProvider)? {
        guard state.withLock({ $0.plugins[id]?.paymentProvider }) != nil else { return nil }
        return RoutedPaymentProvider(host: self, plugin: id, tenant: tenant)
    }
    /// Ids of the payment providers at work, in order.
    package var paymentProviders: [String] {
        state.withLock { $0.plugins.values.filter { $0.paymentProvider != nil }.map(\.loaded.id).sorted() }
    }
    /// The compliance frameworks at work, in the order of their plugins' ids.
    package var frameworks: [HostedFramework] {
        state.withLock { $0.plugins.values.compactMap(\.framework).sorted { $0.plugin < $1.plugin } }
    }
    /// The identity provider to route to; nil where no such plugin is at work.
    package func identityProvider(_ id: String, for tenant: String? = nil) -> (any IdentityProvider)? {
        guard let provider = state.withLock({ $0.plugins[id]?.identityProvider }) else { return nil }
        return RoutedIdentityProvider(host: self, plugin: id, tenant: tenant, profile: provider.profile)
    }
    /// Ids of the identity providers at work, in order.
    package var identityProviders: [String] {
        state.withLock { $0.plugins.values.filter { $0.identityProvider != nil }.map(\.loaded.id).sorted() }
    }
    /// The key service of that id; nil where no such plugin is at work.
    package func keyService(_ id: String) -> (any KeyService)? {
        guard state.withLock({ $0.plugins[id]?.keyService }) != nil else { return nil }
        return RoutedKeyService(host: self, plugin: id)
    }
    /// Ids of the key services at work, in order.
    package var keyServices: [String] {
        state.withLock { $0.plugins.values.filter { $0.keyService != nil }.map(\.loaded.id).sorted() }
    }
    /// The modules that answer a hook, in the order in which they are asked.
    /// Takes mails out; nil where that plugin is not at work.
    package func notificationChannel(_ id: String) -> (any NotificationChannel)? {
        state.withLock { $0.plugins[id]?.notificationChannel }
    }

    package func policyModules(_ hook: String) -> [HookModule] { state.withLock { $0.modules[hook] ?? [] } }
    /// The pages that a plugin shows under `/plugins/{id}/`.
    package func pages(_ id: String) -> (any PluginPages)? {
        guard state.withLock({ $0.plugins[id]?.pages }) != nil else { return nil }
        return RoutedPages(host: self, plugin: id)
    }
    /// What is at work and what the last `load` refused.
    package var report: Report {
        state.withLock {
            Report(loaded: $0.plugins.values.map(\.loaded).sorted { $0.id < $1.id }, refused: $0.refused, disabled: $0.disabled)
        }
    }

    /// How the plugins in child processes fare, in the order of their ids.
    package var children: [ChildReport] {
        state.withLock { $0.plugins.values.compactMap { $0.confined?.report } }.sorted { $0.plugin < $1.plugin }
    }

    /// Takes no new calls, waits for those under way and for what the plugins finish themselves; then stops all. For good.
    package func stop() async {
        await inTurn { [self] in
            let plugins = state.withLock { state in
                defer { (state.plugins, state.canaries) = ([:], [:]) }
                state.unfit += state.plugins.values.compactMap(\.policyModule).map(GuardedPolicyModule.stopping)
                state.isStopped = true
                return Array(state.plugins.values) + state.canaries.values.map(\.hosted)
            }
            await PluginHost.letGo(plugins)
            settleStarts()
        }
    }

    // MARK: - Bringing in line

    private func bringInLine() async -> Report {
        let book = await readBook()
        var refused: [RefusedPlugin] = []
        var disabled: [DisabledPlugin] = []
        var unfit: [HookModule] = []
        var seen: [String: String] = [:]
        for folder in keyServicesFirst(folders()) {
            var id: String?
            do {
                let manifest = try CheckedParts.manifest(in: folder).0
                let found = manifest.id
                id = found
                await openSecrets(of: manifest, book.plugins[found]?.upgrade)
                if let other = seen[found] { throw Refusal(.idTaken, "The folder \(other) already has the id \(found).") }
                seen[found] = folder.lastPathComponent
                if book.plugins[found]?.isDisabled == true {
                    disabled.append(DisabledPlugin(manifest: manifest, folder: folder.lastPathComponent))
                } else {
                    try await settle(found, folder, book.plugins[found]?.upgrade)
                }
            } catch {
                let refusal = error as? Refusal ?? Refusal(.loadFailed, "\(error)")
                let plugin = RefusedPlugin(folder: folder.lastPathComponent, id: id, code: refusal.code, reason: refusal.reason)
                refused.append(plugin)
                if !plugin.isUnused, let manifest = try? CheckedParts.manifest(in: folder).0, manifest.kinds.contains(.policyModule) {
                    unfit.append(GuardedPolicyModule.unfit(manifest, refusal.reason))
                }
                // A provider that nobody set up is no fault: a fresh server has no accounts.
                let level: PluginLogLevel = plugin.isUnused ? .info : refusal.code == .secretMissing ? .warning : .error
                services.log(
                    level, plugin.isUnused ? "A plugin is not in use: \(plugin.sentence)" : "A plugin was refused: \(plugin.sentence)",
                    ["folder": folder.lastPathComponent, "code": refusal.code.rawValue],
                    plugin: id ?? folder.lastPathComponent)
            }
        }
        refused.sort { $0.folder < $1.folder }
        disabled.sort { $0.folder < $1.folder }
        let off = Set(disabled.map(\.id))
        let gone = state.withLock { [seen, refused, unfit, disabled] state in
            let gone = state.plugins.filter { seen[$0.key] == nil || off.contains($0.key) }
            // Without a version in service there is none to be beside of.
            let orphans = state.canaries.filter { id, _ in state.plugins[id] == nil || gone[id] != nil }
            for id in gone.keys { state.plugins[id] = nil }
            for id in orphans.keys { state.canaries[id] = nil }
            state.refused = refused
            state.unfit = unfit
            state.disabled = disabled
            state.applied = state.book.generation
            return Array(gone.values) + orphans.values.map(\.hosted)
        }
        await PluginHost.letGo(gone)
        tellSettled()
        return report
    }

    /// They open what the others need.
    private func keyServicesFirst(_ folders: [URL]) -> [URL] {
        let isFirst = { (folder: URL) in (try? CheckedParts.manifest(in: folder).0)?.kinds.contains(.keyService) == true }
        return folders.filter(isFirst) + folders.filter { !isFirst($0) }
    }
    private func openSecrets(of manifest: PluginManifest, _ upgrade: PluginUpgrade?) async {
        let new = upgrade.flatMap { try? CheckedParts.manifest(in: shelf.staged($0.package)).0.secrets } ?? []
        let names = Set((manifest.secrets + new).map(\.name))
        if !names.isEmpty { await services.openSecrets(names.sorted()) { [self] in keyService($0) } }
    }

    func take(_ parts: CheckedParts) async throws {
        let id = parts.manifest.id
        let old = state.withLock { $0.plugins[id] }
        guard old?.fingerprint != parts.fingerprint else { return }
        // A new version that is promoted is at work already: it goes on as it is.
        let hosted: HostedPlugin
        if let canary = state.withLock({ $0.canaries[id] }), canary.hosted.fingerprint == parts.fingerprint {
            hosted = canary.hosted
        } else {
            hosted = try await HostedPlugin.begin(
                parts, copy: try copy(parts), prison: prison, services: services, patience: patience)
        }
        state.withLock { state in
            state.plugins[id] = hosted
            if state.canaries[id]?.hosted === hosted { state.canaries[id] = nil }
        }
        services.log(
            .info, old == nil ? "A plugin is at work." : "A plugin was replaced.",
            ["version": parts.manifest.version, "digest": String(parts.digest.prefix(12)), "isolation": hosted.isolation], plugin: id)
        if let old { await PluginHost.letGo([old]) }
    }

    static func letGo(_ plugins: [HostedPlugin]) async {
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
        PluginHost.folders(in: directory).filter { folder in
            guard !folder.lastPathComponent.hasSuffix(".next") else { return false }
            guard let only else { return true }
            return (try? CheckedParts.manifest(in: folder).0)?.kinds.contains(only) == true
        }
    }

    static func folders(in directory: URL) -> [URL] {
        let found = (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: [.isDirectoryKey])) ?? []
        return found.filter { folder in
            !folder.lastPathComponent.hasPrefix(".") && (try? folder.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true
        }
        .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// The checked bytes under the name of their digest: what is loaded is what was checked, and a new build has a new path.
    func copy(_ parts: CheckedParts) throws -> URL {
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
    func inTurn<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
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

/// Who shows and journals what becomes of the set.
struct Attendant: Sendable {
    let settled: @Sendable () -> Void
    let keep: @Sendable (PluginBook.Decision) async throws -> Void
}

/// A plugin that is there and that an operator switched off.
package struct DisabledPlugin: Sendable, Hashable {
    package let manifest: PluginManifest
    /// Name of its folder.
    package let folder: String
    package var id: String { manifest.id }
}
