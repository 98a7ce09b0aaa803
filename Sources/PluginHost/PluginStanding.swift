import PluginKit

/// How it stands with one plugin, for a list: nothing in it is a secret.
package struct PluginStanding: Sendable, Hashable {
    package enum State: String, Sendable, Hashable, CaseIterable { case atWork = "at_work", refused, disabled }
    package struct Upgrade: Sendable, Hashable {
        package let upgrade: PluginUpgrade
        /// While it stands beside the old version.
        package let count: CanaryCount?
    }
    package let id: String
    /// Name of its folder, or of its staged files after an upgrade.
    package let folder: String
    package let state: State
    /// Nil where its manifest cannot be read.
    package let manifest: PluginManifest?
    package let loaded: LoadedPlugin?
    /// How its process fares, where it has one of its own.
    package let child: ChildReport?
    package let refused: RefusedPlugin?
    package let upgrade: Upgrade?
    /// The version that waits in a folder `….next`.
    package let candidate: String?
}

extension PluginHost {
    /// Every plugin that is at work, refused or switched off, by id. A plugin whose newest build was refused while the one before goes on is
    /// both: at work, with its refusal.
    package func standings() -> [PluginStanding] {
        let (report, book, canaries) = (report, state.withLock(\.book), state.withLock(\.canaries))
        let waiting = PluginHost.candidates(in: directory)
        let children = children
        func standing(
            _ id: String, _ folder: String, _ now: PluginStanding.State, _ manifest: PluginManifest?, _ loaded: LoadedPlugin? = nil
        ) -> PluginStanding {
            PluginStanding(
                id: id, folder: folder, state: now, manifest: manifest, loaded: loaded,
                child: loaded == nil ? nil : children.first { $0.plugin == id },
                refused: report.refused.first { $0.id == id || $0.folder == folder },
                upgrade: book.plugins[id]?.upgrade.map { PluginStanding.Upgrade(upgrade: $0, count: canaries[id]?.count) },
                candidate: waiting[id]?.version)
        }
        var all = report.loaded.map { standing($0.id, $0.folder, .atWork, $0.manifest, $0) }
        all += report.disabled.map { standing($0.id, $0.folder, .disabled, $0.manifest) }
        for refused in report.refused where !all.contains(where: { $0.id == refused.id }) {
            let manifest = try? CheckedParts.manifest(in: directory.appendingPathComponent(refused.folder)).0
            all.append(standing(refused.id ?? refused.folder, refused.folder, .refused, manifest))
        }
        return all.sorted { ($0.id, $0.folder) < ($1.id, $1.folder) }
    }

    /// The generation of the book that the set is in line with.
    package var generation: Int { state.withLock(\.applied) }

    /// What can be said against a payment provider from outside; empty for everything else.
    package func probe(_ id: String) async -> [String] {
        guard let provider = versions(id).current?.paymentProvider else { return [] }
        return await ProviderProbe.faults(provider, id: id, clock: HostClock(services: services))
    }
}
