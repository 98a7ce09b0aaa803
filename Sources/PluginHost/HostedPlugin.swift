import Foundation
import HookEngine
import PluginKit
import PluginWire

/// A plugin that was taken.
package struct LoadedPlugin: Sendable, Hashable {
    package let manifest: PluginManifest
    /// Name of its folder.
    package let folder: String
    /// SHA-256 of the library, lower-case hex: which build this is.
    package let digest: String
    /// The trusted publisher who signed it; nil where nobody did.
    package let publisher: String?
    /// In force; secrets are no settings.
    package let settings: PluginSettings
    package let isolation: PluginIsolation
    package var id: String { manifest.id }
}

/// One plugin at work, from its checked parts to its end.
final class HostedPlugin: Sendable {
    let loaded: LoadedPlugin
    /// Manifest, library, settings and secrets in one: unchanged, there is nothing to reload.
    let fingerprint: Int
    let paymentProvider: (any PaymentProvider)?
    let policyModule: HookModule?
    let notificationChannel: (any NotificationChannel)?
    let framework: HostedFramework?
    let identityProvider: (any IdentityProvider)?
    let keyService: (any KeyService)?
    let fileStore: (any FileStore)?
    let provisioner: (any Provisioner)?
    let supportDesk: (any SupportDesk)?
    let pages: (any PluginPages)?
    private let instance: any PluginInstance
    private let gate = WorkGate()
    private let services: any PluginHostServices
    private let patience: PluginPatience

    private init(
        _ parts: CheckedParts, instance: any PluginInstance, services: any PluginHostServices, patience: PluginPatience
    ) {
        let gate = gate
        loaded = LoadedPlugin(
            manifest: parts.manifest, folder: parts.folder, digest: parts.digest, publisher: parts.publisher, settings: parts.settings,
            isolation: parts.confinement.isolation)
        fingerprint = parts.fingerprint
        let id = parts.manifest.id
        policyModule = instance.policyModule.map {
            GuardedPolicyModule(manifest: parts.manifest, digest: parts.digest, module: $0, gate: gate).asked
        }
        keyService = instance.keyService.map {
            GuardedKeyService(plugin: id, service: $0, gate: gate, secrets: parts.secrets, services: services)
        }
        paymentProvider = instance.paymentProvider.map {
            GuardedPaymentProvider(plugin: id, provider: $0, gate: gate, secrets: parts.secrets)
        }
        notificationChannel = instance.notificationChannel.map {
            GuardedChannel(plugin: id, channel: $0, gate: gate, secrets: parts.secrets, services: services)
        }
        framework = instance.complianceFramework.map {
            HostedFramework(parts.manifest, digest: parts.digest, framework: $0, gate: gate, services: services)
        }
        identityProvider = instance.identityProvider.map {
            GuardedIdentityProvider(plugin: id, provider: $0, profile: $0.profile, gate: gate, secrets: parts.secrets)
        }
        fileStore = instance.fileStore.map {
            GuardedFileStore(plugin: id, store: $0, gate: gate, secrets: parts.secrets, services: services)
        }
        provisioner = instance.provisioner.map {
            GuardedProvisioner(plugin: id, provisioner: $0, gate: gate, secrets: parts.secrets, services: services)
        }
        supportDesk = instance.supportDesk.map {
            GuardedSupportDesk(plugin: id, desk: $0, gate: gate, secrets: parts.secrets, services: services)
        }
        pages = instance.pages.map { GuardedPages(plugin: id, pages: $0, gate: gate) }
        self.instance = instance
        self.services = services
        self.patience = patience
    }

    /// Loads the copy and takes the plugin through entry, validate, make and start. Throws `Refusal`; a half start is taken back.
    static func begin(
        _ parts: CheckedParts, copy: URL, prison: PluginPrison, services: any PluginHostServices, patience: PluginPatience
    ) async throws -> HostedPlugin {
        let context = parts.context(services)
        let clock = HostClock(services: services)
        let factory: any Plugin =
            switch parts.confinement.isolation {
            case .inProcess: try HostedPlugin.factory(in: copy)
            case .process: ConfinedPlugin(parts.cell(copy), context: context, clock: clock, prison: prison, patience: patience)
            }
        guard factory.id == parts.manifest.id else {
            throw Refusal(.manifestDisagrees, "plugin.json says the id \(parts.manifest.id), the library says \(factory.id).")
        }
        do { try factory.validate(parts.settings) } catch { throw Refusal(.settingsRefused, sentence(error, parts)) }

        let instance: any PluginInstance
        do {
            instance = try await bounded(patience.make, clock) {
                let made = try await factory.make(context)
                // Nobody waits any more: what came too late is given back at once.
                if Task.isCancelled { await made.stop() }
                return made
            }
        } catch is TooSlow {
            throw Refusal(.tooSlow, "make did not return within \(patience.make.wholeSeconds) s.")
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(.makeFailed, sentence(error, parts))
        }
        let hosted = HostedPlugin(parts, instance: instance, services: services, patience: patience)
        do {
            try hosted.checkKinds()
            try await bounded(patience.start, clock) { try await instance.start() }
        } catch {
            await hosted.drain()
            await hosted.stop()
            if let refusal = error as? Refusal { throw refusal }
            if error is TooSlow { throw Refusal(.tooSlow, "start did not return within \(patience.start.wholeSeconds) s.") }
            throw Refusal(.startFailed, sentence(error, parts))
        }
        return hosted
    }

    /// Its child process; nil for one in process.
    var confined: ConfinedPlugin? { instance as? ConfinedPlugin }

    private func checkKinds() throws {
        let manifest = loaded.manifest
        let provided = instance.providedKinds
        guard Set(provided) == Set(manifest.kinds) else {
            let names = provided.map(\.rawValue).joined(separator: ", ")
            let said = manifest.kinds.map(\.rawValue).joined(separator: ", ")
            throw Refusal(.kindsDiffer, "plugin.json says \(said), the plugin provides \(names.isEmpty ? "nothing" : names).")
        }
        if let fault = framework?.fault { throw Refusal(.makeFailed, "The framework describes itself wrongly: \(fault)") }
        if let fault = identityProvider.flatMap({ GuardedIdentityProvider.fault(in: $0.profile) }) {
            throw Refusal(.kindsDiffer, "The identity provider describes itself with \(fault).")
        }
        if let fault = provisioner?.offer.fault { throw Refusal(.makeFailed, "The provisioner describes itself wrongly: \(fault).") }
        guard manifest.pages == (pages != nil) else {
            throw Refusal(.kindsDiffer, "plugin.json says pages \(manifest.pages), the plugin \(pages == nil ? "has none" : "has some").")
        }
    }

    /// Lets nobody in any more, waits for what is under way, then lets the plugin finish its own work; each for a bounded time.
    func drain() async {
        let gate = gate
        let instance = instance
        await finish("calls under way") { await gate.close() }
        await finish("drain") { await instance.drain() }
    }

    private func finish(_ step: String, _ work: @escaping @Sendable () async -> Void) async {
        do { try await bounded(patience.drain, HostClock(services: services), work) } catch {
            services.log(.warning, "A plugin did not drain in time.", ["step": step], plugin: loaded.id)
        }
    }

    func stop() async {
        let instance = instance
        do { try await bounded(patience.stop, HostClock(services: services)) { await instance.stop() } } catch {
            services.log(.warning, "A plugin did not stop in time.", [:], plugin: loaded.id)
        }
    }

    private static func factory(in copy: URL) throws -> any Plugin {
        guard let handle = dlopen(copy.path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
            throw Refusal(.loadFailed, "The dynamic linker says: \(dlerror().map { String(cString: $0) } ?? "nothing").")
        }
        guard let symbol = dlsym(handle, PluginEntry.symbol) else {
            throw Refusal(.entryMissing, "The library has no entry point \(PluginEntry.symbol).")
        }
        let entry = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafeMutableRawPointer?).self)
        guard let pointer = entry(), let factory = PluginEntry.taken(pointer) else {
            throw Refusal(.entryForeign, "The entry point gave no factory of this kit.")
        }
        return factory
    }

    /// The plugin's own sentence, bounded, and without its secrets.
    private static func sentence(_ error: any Error, _ parts: CheckedParts) -> String {
        String(parts.secrets.redacted("\(error)").prefix(500))
    }
}
