import Foundation
import PluginKit

/// New versions: beside the old one, in its place, and back.
extension PluginHost {
    /// `settled` hears of every change of the set. `keep` journals what nobody decided over HTTP; what it throws for is told again.
    package func attend(
        settled: @escaping @Sendable () -> Void, keep: @escaping @Sendable (PluginBook.Decision) async throws -> Void
    ) {
        state.withLock { $0.attendants.append(Attendant(settled: settled, keep: keep)) }
    }

    func tellSettled() { for attendant in state.withLock({ $0.attendants }) { attendant.settled() } }

    /// The version in service, and the one beside it.
    func versions(_ id: String) -> (current: HostedPlugin?, canary: Canary?) {
        state.withLock { ($0.plugins[id], $0.canaries[id]) }
    }

    /// The book now; an unreadable one leaves what was taken up before.
    func readBook() async -> PluginBook {
        do {
            var book = try shelf.read()
            // Only the server journals them.
            if !book.decisions.isEmpty, only == nil {
                await journalDecisions(book.decisions)
                book = try shelf.read()
            }
            state.withLock { [book] in $0.book = book }
            return book
        } catch {
            services.log(.error, "The book of plugins cannot be used; what held before goes on: \(error)", [:], plugin: "plugins")
            return state.withLock(\.book)
        }
    }

    /// What was decided stands in the book beside its effect until it is in the journal: after a crash it may be there twice, never not at all.
    private func journalDecisions(_ decisions: [PluginBook.Decision]) async {
        let attendants = state.withLock(\.attendants)
        var kept: [PluginBook.Decision] = []
        for decision in decisions {
            do {
                for attendant in attendants { try await attendant.keep(decision) }
                kept.append(decision)
            } catch {
                services.log(.error, "\(decision.action) could not be journalled: \(error)", [:], plugin: decision.plugin)
            }
        }
        do {
            try shelf.change { [kept] book in
                for decision in kept { if let index = book.decisions.firstIndex(of: decision) { book.decisions.remove(at: index) } }
            }
        } catch {
            services.log(.error, "The book of plugins cannot be written: \(error)", [:], plugin: "plugins")
        }
    }

    /// Brings one plugin in line: which files are in service, and what stands beside them.
    func settle(_ id: String, _ folder: URL, _ upgrade: PluginUpgrade?) async throws {
        guard let upgrade else { return try await stand(id, alone: folder) }
        if upgrade.standing != .returned, let files = try? PluginFiles(folder), files.name != upgrade.replaces {
            // Whoever puts other files into the folder has the last word.
            let isSame = files.name == upgrade.package
            let isNews = !isSame || upgrade.standing == .canary
            let details = ["version": upgrade.version, "by": files.manifest.version]
            await change(id, upgrade, isNews ? PluginBook.Decision("plugin.upgrade_superseded", id, details) : nil) { $0 = nil }
            return try await stand(id, alone: folder)
        }
        switch upgrade.standing {
        case .returned: try await stand(id, alone: folder)
        case .promoted:
            do {
                try await take(try await countStart(id, upgrade))
                await endCanary(id)
            } catch {
                await sendBack(id, upgrade, error)
                try await stand(id, alone: folder)
            }
        case .canary:
            try await take(try CheckedParts(folder, services: services) { _ in })
            await begin(id, upgrade)
        }
    }

    private func stand(_ id: String, alone folder: URL) async throws {
        try await take(try CheckedParts(folder, services: services) { _ in })
        await endCanary(id)
    }

    /// How many processes may end soon after they have started a new version.
    static let mostStarts = 3

    /// The new version's parts. Before any of its code runs in this process, the book says so: a trap in it must not end the server for ever.
    private func countStart(_ id: String, _ upgrade: PluginUpgrade) async throws -> CheckedParts {
        let parts = try staged(id, upgrade)
        let isFirst = state.withLock { $0.started.insert(upgrade.package).inserted }
        guard isFirst else { return parts }
        if upgrade.starts >= PluginHost.mostStarts {
            throw Refusal(.startFailed, "The server ended \(upgrade.starts) times soon after it had started this version.")
        }
        try shelf.change { $0.plugins[id]?.upgrade?.starts += 1 }
        return parts
    }

    /// What has been at work for a while, or stops in order, is not what ends the process.
    package func settleStarts() {
        guard let book = try? shelf.read(), book.plugins.values.contains(where: { $0.upgrade?.starts ?? 0 > 0 }) else { return }
        do {
            try shelf.change { book in for id in book.plugins.keys { book.plugins[id]?.upgrade?.starts = 0 } }
        } catch {
            services.log(.error, "The book of plugins cannot be written: \(error)", [:], plugin: "plugins")
        }
    }

    private func staged(_ id: String, _ upgrade: PluginUpgrade) throws -> CheckedParts {
        try CheckedParts(shelf.staged(upgrade.package), services: services) { found in
            guard found == id else { throw Refusal(.manifestDisagrees, "The new version's id is \(found), not \(id).") }
        }
    }

    /// Starts the new version beside the old; it is asked what can be asked of any provider before a tenant is sent to it.
    private func begin(_ id: String, _ upgrade: PluginUpgrade) async {
        do {
            let parts = try await countStart(id, upgrade)
            let running = versions(id).canary
            if let running, running.hosted.fingerprint == parts.fingerprint {
                if running.share != upgrade.share {
                    let wider = Canary(running.hosted, package: upgrade.package, share: upgrade.share, limits: limits)
                    state.withLock { $0.canaries[id] = wider }
                }
                return
            }
            let hosted = try await HostedPlugin.begin(
                parts, copy: try copy(parts), prison: prison, services: services, patience: patience)
            if let provider = hosted.paymentProvider,
                let fault = await ProviderProbe.faults(provider, id: id, clock: HostClock(services: services)).first
            {
                await PluginHost.letGo([hosted])
                throw Refusal(.probeFailed, fault)
            }
            state.withLock { $0.canaries[id] = Canary(hosted, package: upgrade.package, share: upgrade.share, limits: limits) }
            services.log(
                .info, "A new version stands beside the old.",
                ["version": upgrade.version, "share": "\(upgrade.share.basisPoints)", "tenants": "\(upgrade.share.tenants.count)"],
                plugin: id)
            if let running { await PluginHost.letGo([running.hosted]) }
        } catch {
            await sendBack(id, upgrade, error)
            await endCanary(id)
        }
    }

    private func sendBack(_ id: String, _ upgrade: PluginUpgrade, _ error: any Error) async {
        let refusal = error as? Refusal ?? Refusal(.loadFailed, "\(error)")
        let refused = RefusedPlugin(folder: upgrade.package, id: id, code: refusal.code, reason: refusal.reason)
        services.log(
            .error, "A new version was refused; the one before goes on: \(refused.sentence)",
            ["version": upgrade.version, "code": refusal.code.rawValue], plugin: id)
        await markReturned(id, upgrade, refused.sentence)
    }

    /// Takes the new version out of service at once, because it did worse than it may; the rest follows.
    func giveUp(_ canary: Canary, of id: String, _ reason: String) {
        let isMine = state.withLock { state in
            guard state.canaries[id] === canary else { return false }
            state.canaries[id] = nil
            return true
        }
        guard isMine else { return }
        services.log(
            .error, "A new version was taken back: \(reason)", ["version": canary.hosted.loaded.manifest.version], plugin: id)
        Task {
            await inTurn { [self] in
                if let upgrade = (try? shelf.read())?.plugins[id]?.upgrade, upgrade.package == canary.package {
                    await markReturned(id, upgrade, reason)
                }
                await PluginHost.letGo([canary.hosted])
                tellSettled()
            }
        }
    }

    private func markReturned(_ id: String, _ upgrade: PluginUpgrade, _ reason: String) async {
        let bounded = String(reason.prefix(500))
        let decision = PluginBook.Decision("plugin.upgrade_returned", id, ["version": upgrade.version, "reason": bounded])
        await change(id, upgrade, decision) { held in
            held?.standing = .returned
            held?.reason = bounded
        }
    }

    private func endCanary(_ id: String) async {
        let canary = state.withLock { $0.canaries.removeValue(forKey: id) }
        if let canary { await PluginHost.letGo([canary.hosted]) }
    }

    /// Changes the upgrade in the book if it is still the one that was looked at, and journals what was decided.
    private func change(
        _ id: String, _ upgrade: PluginUpgrade, _ decision: PluginBook.Decision?, _ edit: @Sendable (inout PluginUpgrade?) -> Void
    ) async {
        do {
            try shelf.change { book in
                var held = book.plugins[id]?.upgrade
                held?.starts = upgrade.starts
                guard held == upgrade else { return }
                edit(&book.plugins[id, default: PluginBook.Entry()].upgrade)
                if let decision { book.decisions.append(decision) }
            }
            _ = await readBook()
        } catch {
            services.log(.error, "The book of plugins cannot be written: \(error)", [:], plugin: "plugins")
        }
    }

    /// Folders whose name ends in `.next`, by the id of the plugin in them.
    package static func candidates(in directory: URL) -> [String: (folder: URL, version: String)] {
        var found: [String: (folder: URL, version: String)] = [:]
        for folder in folders(in: directory) where folder.lastPathComponent.hasSuffix(".next") {
            guard let manifest = try? CheckedParts.manifest(in: folder).0, found[manifest.id] == nil else { continue }
            found[manifest.id] = (folder, manifest.version)
        }
        return found
    }

    /// The folder that holds a plugin, as far as its `plugin.json` can be read.
    package static func folder(of id: String, in directory: URL) -> URL? {
        folders(in: directory).first { folder in
            !folder.lastPathComponent.hasSuffix(".next") && (try? CheckedParts.manifest(in: folder).0)?.id == id
        }
    }
}
