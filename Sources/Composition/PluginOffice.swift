import Foundation
import PluginHost
import Store
import Vocabulary

/// What operators do with plugins, the same at the command line and over HTTP: it is written into the book, and the server follows the book.
package struct PluginOffice: Sendable {
    /// What an order may be refused for before the server has looked at it.
    package enum Fault: Error, Sendable, CustomStringConvertible {
        case unknown(String)
        case noCandidate(String, folder: String)
        case noUpgrade(String)
        case unusable(String)

        package var description: String {
            switch self {
            case .unknown(let id): "there is no plugin \(id); see coditectd plugin list"
            case .noCandidate(let id, let folder):
                "no folder of \(folder) whose name ends in .next holds a new version of \(id): put it there, or give --from"
            case .noUpgrade(let id): "no new version of \(id) is at work"
            case .unusable(let sentence): sentence
            }
        }
    }
    /// What an operator wants done; the raw value names the journal's entry.
    package enum Order: Sendable {
        case enable, disable, promote
        /// Back to the version before; the reason is kept.
        case withdraw(reason: String)
        /// Neither share nor tenants: at once, for everybody.
        case upgrade(from: URL?, basisPoints: Int?, tenants: [String]?)
    }

    let directory: URL
    let shelf: PluginShelf

    /// Writes the order into the book, and what was decided beside it: the server journals it when it takes the book up, in the name of `by`.
    /// Gives the book's generation and what was decided.
    @discardableResult
    package func give(
        _ order: Order, to id: String, by: PluginBook.Decision.By? = nil
    ) throws -> (generation: Int, decision: PluginBook.Decision) {
        guard let folder = PluginHost.folder(of: id, in: directory) else { throw Fault.unknown(id) }
        var staged: (upgrade: PluginUpgrade, replaces: String)?
        if case .upgrade(let from, let basisPoints, let tenants) = order {
            let isAtOnce = basisPoints == nil && tenants == nil
            guard let source = from ?? PluginHost.candidates(in: directory)[id]?.folder else {
                throw Fault.noCandidate(id, folder: directory.path)
            }
            do {
                let files = try PluginFiles(folder)
                let (package, manifest) = try shelf.stage(source)
                guard manifest.id == id else { throw Fault.unusable("\(source.path) holds \(manifest.id), not \(id)") }
                guard package != files.name else { throw Fault.unusable("\(source.path) holds the very build of \(id) that is in service") }
                let upgrade = PluginUpgrade(
                    package: package, version: manifest.version, replaces: files.name,
                    share: CanaryShare(basisPoints: isAtOnce ? 10_000 : basisPoints ?? 0, tenants: tenants ?? []),
                    standing: isAtOnce ? .promoted : .canary)
                staged = (upgrade, files.manifest.version)
            } catch let refusal as PluginRefusal {
                throw Fault.unusable(refusal.reason)
            }
        }
        var decision = PluginBook.Decision("", id)
        let generation = try shelf.change { book in
            var entry = book.plugins[id] ?? PluginBook.Entry()
            switch order {
            case .enable:
                entry.isDisabled = false
                decision = PluginBook.Decision("plugin.enabled", id)
            case .disable:
                entry.isDisabled = true
                decision = PluginBook.Decision("plugin.disabled", id)
            case .promote:
                guard let upgrade = entry.upgrade, upgrade.standing == .canary else { throw Fault.noUpgrade(id) }
                entry.upgrade?.standing = .promoted
                decision = PluginBook.Decision("plugin.upgrade_promoted", id, ["version": upgrade.version, "package": upgrade.package])
            case .withdraw(let reason):
                guard let upgrade = entry.upgrade, upgrade.standing != .returned else { throw Fault.noUpgrade(id) }
                entry.upgrade?.standing = .returned
                entry.upgrade?.reason = reason
                decision = PluginBook.Decision("plugin.upgrade_returned", id, ["version": upgrade.version, "reason": reason])
            case .upgrade:
                guard let staged else { throw Fault.noUpgrade(id) }
                entry.upgrade = staged.upgrade
                decision = PluginBook.Decision(
                    "plugin.upgrade_begun", id,
                    [
                        "version": staged.upgrade.version, "replaces": staged.replaces, "package": staged.upgrade.package,
                        "share_basis_points": "\(staged.upgrade.share.basisPoints)", "tenants": "\(staged.upgrade.share.tenants.count)",
                    ])
            }
            let isNews = book.plugins[id] ?? PluginBook.Entry() != entry
            book.plugins[id] = entry
            decision.by = by
            if isNews { book.decisions.append(decision) }
        }
        return (generation, decision)
    }
}

extension PluginStanding {
    /// For the API, the list and the file beside a running server. Settings with their values, secrets by their names alone.
    package var json: JSONValue {
        var members: [String: JSONValue] = ["id": .string(id), "folder": .string(folder), "state": .string(state.rawValue)]
        if let manifest {
            members["name"] = .string(manifest.name)
            members["version"] = .string(manifest.version)
            members["kinds"] = .array(manifest.kinds.map { .string($0.rawValue) })
            members["kit"] = .string(manifest.kit.description)
            members["hosts"] = .array(manifest.hosts.map { .string($0) })
            members["secrets"] = .array(manifest.secrets.map { .string($0.name) })
            members["settings"] = .object(
                Dictionary(manifest.settings.compactMap { schema in loaded?.settings[schema.name].map { (schema.name, $0) } }) { first, _ in
                    first
                })
        }
        if let loaded {
            members["digest"] = .string(loaded.digest)
            if let publisher = loaded.publisher { members["publisher"] = .string(publisher) }
            members["isolation"] = .string(child == nil ? "in_process" : "process")
        }
        if let child {
            var process: [String: JSONValue] = [
                "state": .string(child.state.rawValue), "deaths": .int(Int64(child.deaths)), "restarts": .int(Int64(child.restarts)),
                "breaker": .string(child.breaker.rawValue),
            ]
            if let id = child.process { process["id"] = .int(Int64(id)) }
            if let end = child.lastEnd { process["last_end"] = .string(end) }
            members["process"] = .object(process)
        }
        if let refused { members["refusal"] = ["code": .string(refused.code.rawValue), "reason": .string(refused.sentence)] }
        if let candidate { members["candidate"] = .string(candidate) }
        if let upgrade { members["upgrade"] = upgrade.json }
        return .object(members)
    }
}

extension PluginStanding.Upgrade {
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "version": .string(upgrade.version), "package": .string(upgrade.package), "standing": .string(upgrade.standing.rawValue),
            "share_basis_points": .int(Int64(upgrade.share.basisPoints)), "tenants": .array(upgrade.share.tenants.map { .string($0) }),
        ]
        if let reason = upgrade.reason { members["reason"] = .string(reason) }
        if let count {
            members["calls"] = .int(Int64(count.calls))
            members["failures"] = .int(Int64(count.failures))
            members["calls_before"] = .int(Int64(count.callsBefore))
            members["failures_before"] = .int(Int64(count.failuresBefore))
            members["differences"] = .int(Int64(count.differences))
        }
        return .object(members)
    }
}

/// Keeps watch while the server runs: takes changed folders, secrets and orders up, tells commands how it stands, journals what was decided.
struct PluginWatch: Sendable {
    static let pause = Duration.seconds(1)
    /// A key service that was away is asked again so often.
    static let looksBetweenTrials = 5
    let host: PluginHost
    let house: PluginHouse
    let directory: URL

    /// Journals decisions and writes `standing.json`, which commands read.
    func attend(journal: @escaping @Sendable (PluginBook.Decision) async throws -> Void) {
        host.attend(settled: { [host, house] in Self.write(host, house) }, keep: journal)
    }

    /// Looks every second whether a folder, the book or a file with a secret has changed, and loads once it stays as it is: whoever copies files
    /// in has then finished.
    func run() async {
        var taken = stamp()
        var before = taken
        var looks = 0
        var children = host.children
        while !Task.isCancelled {
            guard (try? await house.sleep(for: Self.pause)) != nil else { return }
            looks += 1
            if looks == 60 { host.settleStarts() }
            if looks % Self.looksBetweenTrials == 0, await house.reopenSecrets(with: { host.keyService($0) }) { await host.load() }
            let (now, fares) = (stamp(), host.children)
            defer { (before, children) = (now, fares) }
            if now != taken, now == before {
                taken = now
                await host.load()
            } else if fares != children || host.standings().contains(where: { $0.upgrade?.count != nil }) {
                Self.write(host, house)
            }
        }
    }

    /// What a change of any file that matters changes.
    private func stamp() -> [String] {
        var files = [host.shelf.file]
        for folder in (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)) ?? [] {
            files.append(folder)
            files += (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        }
        files += Set(host.standings().flatMap { $0.manifest?.secrets.map(\.name) ?? [] }).compactMap { house.secretFile($0) }
        return files.map { file in
            var status = stat()
            guard stat(file.path, &status) == 0 else { return file.path }
            let time = status.st_mtim
            return "\(file.path) \(status.st_ino) \(status.st_size) \(time.tv_sec).\(time.tv_nsec)"
        }.sorted()
    }

    private static func write(_ host: PluginHost, _ house: PluginHouse) {
        let value: JSONValue = [
            "generation": .int(Int64(host.generation)), "process": .int(Int64(getpid())),
            "plugins": .array(host.standings().map(\.json)),
        ]
        do {
            try FileManager.default.createDirectory(
                at: host.shelf.folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try JSONCoding.encode(value).write(to: host.shelf.standing, options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: host.shelf.standing.path)
        } catch {
            house.log(.error, "How it stands with the plugins cannot be written: \(error)", [:], plugin: "plugins")
        }
    }
}

extension Ground {
    /// Decisions that nobody made over HTTP: by a command, or by the host itself.
    func pluginJournal(_ options: PlatformOptions) -> @Sendable (PluginBook.Decision) async throws -> Void {
        { [store] decision in
            try await PluginJournal.keep(decision, PluginJournal.act(decision, options.clock.now()), store)
        }
    }
}

/// What became of the plugins, in the platform's own journal.
enum PluginJournal {
    /// Of whom what is journalled was decided.
    static func act(_ decision: PluginBook.Decision, _ now: Timestamp) -> Act {
        guard let by = decision.by, let user = UserID(by.user), let session = AuthSessionID(by.session) else {
            return Act(actor: .system("plugins"), requestID: decision.by?.request ?? "plugins", now: now)
        }
        return Act(actor: .user(user, session: session), requestID: by.request, now: now, address: by.address)
    }
    static func by(_ act: Act) -> PluginBook.Decision.By? {
        guard case .user(let user, let session) = act.actor else { return nil }
        return .init(user: user.description, session: session.description, request: act.requestID, address: act.address)
    }

    static func keep(_ decision: PluginBook.Decision, _ act: Act, _ store: any Store) async throws {
        let details = JSONValue.object(decision.details.mapValues { .string($0) })
        try await store.kernel(KernelReason("plugins.\(decision.action)")) { db in
            try db.journal(
                JournalEntry(decision.action, subject: "plugin:\(decision.plugin)", outcome: .success, details: details), act, tenant: nil)
        }
    }
}
