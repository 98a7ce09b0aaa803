import Billing
import Composition
import Foundation
import Vocabulary

/// Lives scripts on a data directory of its own, which is gone afterwards.
package struct SimulationDesk: Sendable {
    private let policies: URL

    /// - Parameter policies: the folder that decides.
    package init(policies: URL) { self.policies = policies }

    /// Where a script does not say otherwise, mirror and provider are compared once a day: four times as often is most of a quiet life's work.
    private static let comparison = ["CODITECT_BILLING_RECONCILE_HOURS": "24"]
    /// What every simulation stands on, under what the script itself says: nobody is throttled, sessions last, and only errors are logged.
    private static let given = [
        "CODITECT_HTTP_LIMITS_ENABLED": "false", "CODITECT_LOG_LEVEL": "error", "CODITECT_IDENTITY_SESSION_SECONDS": "31536000",
        "CODITECT_HTTP_PUBLIC_URL": "http://127.0.0.1:8080", "CODITECT_BILLING_DEFAULT_PROVIDER": "pretend",
    ]

    package func live(_ script: Script) async throws -> Timeline {
        try await SimulationRun(script, over: try options(script, data: Self.folder(), environment: [:])).live()
    }

    private static let prefix = "coditect-simulation-"
    private static var places: [URL] { [URL(fileURLWithPath: "/dev/shm"), FileManager.default.temporaryDirectory] }
    /// How much room there must be left in memory.
    private static let spare: Int64 = 268_435_456

    /// In memory where the system has a place for it and for so many bytes: a death in the same process loses nothing that was written.
    static func folder(for bytes: Int64 = 0) -> URL {
        let memory = places[0].path
        let free = (try? FileManager.default.attributesOfFileSystem(forPath: memory)[.systemFreeSize] as? Int64) ?? 0
        let fits = FileManager.default.isWritableFile(atPath: memory) && (bytes == 0 || bytes + spare < free)
        return places[fits ? 0 : 1].appendingPathComponent("\(prefix)\(getpid())-\(UUID().uuidString)")
    }

    /// Whoever is ended by a signal leaves nothing behind: a copy may hold people's data. In its place the process becomes a shell, with the
    /// same number: so no thread of it is left that could still write into what is being removed.
    /// - Parameter code: what the process ends with.
    package static func endWithoutFolders(_ code: Int32) -> Never {
        // What another user gave such a name is his.
        let script = "for place do for own in \"$place/\(prefix)$$-\"*; do [ -O \"$own\" ] && rm -rf -- \"$own\"; done; done; exit \(code)"
        var arguments = (["/bin/sh", "-c", script, "sh"] + places.map(\.path)).map { strdup($0) } + [nil]
        execv("/bin/sh", &arguments)
        // There is no shell here.
        remove {
            $0.hasPrefix("\(prefix)\(getpid())-")
        } where: {
            changed(ofOwn: $0) != nil
        }
        _exit(code)
    }

    /// What somebody left who was killed: older than an hour, ours, and nobody holds it. What others put there is not even looked into.
    static func sweep() {
        let old = Date(timeIntervalSinceNow: -3_600)
        remove {
            $0.hasPrefix(prefix)
        } where: { folder in
            guard let changed = changed(ofOwn: folder), changed < old, let data = try? DataDirectory(folder, isShared: true) else {
                return false
            }
            return data.holder == nil
        }
    }
    /// When a folder of this user's changed; nil for what is no folder, or another's.
    private static func changed(ofOwn folder: URL) -> Date? {
        var status = stat()
        guard lstat(folder.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else { return nil }
        return Date(timeIntervalSince1970: TimeInterval(status.st_mtim.tv_sec))
    }
    private static func remove(_ isMeant: (String) -> Bool, where isOver: (URL) -> Bool) {
        for place in places {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? [] where isMeant(name) {
                let folder = place.appendingPathComponent(name)
                if isOver(folder) { try? FileManager.default.removeItem(at: folder) }
            }
        }
    }

    /// What a platform for this script stands on.
    package func options(_ script: Script, data: URL, environment: [String: String]) throws -> PlatformOptions {
        let environment = Self.given.merging(environment) { $1 }
        let reading: SettingsFile.Reading
        func read(_ environment: [String: String]) throws -> SettingsFile.Reading {
            try SettingsFile(register: PlatformRegister.settings).read(
                yaml: script.settings.isEmpty ? nil : script.settings, name: "settings", environment: environment)
        }
        do {
            let said = try read(environment)
            reading = said.settings.isDefault(BillingSettings.reconcileHours) ? try read(environment.merging(Self.comparison) { $1 }) : said
        } catch let refused as SettingsFile.Refused { throw ScriptRefused(findings: refused.findings) }
        guard reading.settings[PlatformSettings.databaseURL].isEmpty, reading.settings[PlatformSettings.redisURL].isEmpty else {
            throw ScriptRefused(findings: ["settings: a simulation has a database of its own"])
        }
        return PlatformOptions(
            data: data, policies: policies, plugins: data.appendingPathComponent("no-plugins"), reading: reading, environment: environment)
    }
}
