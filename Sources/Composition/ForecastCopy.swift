import Billing
import Foundation
import Notifications
import Signing
import StoreSQLite
import Vocabulary

/// A server's data as it stands in one instant, for who looks ahead in it. The server may run: it is read and never written.
package enum ForecastCopy {
    /// Whether and how much there is to copy; throws a sentence where nothing can be.
    package static func bytes(of options: PlatformOptions) throws -> Int64 {
        guard !Ground.isShared(options) else {
            throw OperatorProblem("looking ahead needs a database in the data directory: this server's lies in PostgreSQL", .refused)
        }
        let file = options.data.appendingPathComponent("coditect.db")
        guard FileManager.default.fileExists(atPath: file.path) else {
            throw OperatorProblem("there is no database \(file.path); is --data right?")
        }
        // Without what is still in the log beside it, which a copy takes in.
        return ["", "-wal"].reduce(0) { sum, end in
            let found = try? FileManager.default.attributesOfItem(atPath: file.path + end)
            return sum + ((found?[.size] as? Int64) ?? 0)
        }
    }

    /// Database and keys into a folder that must not exist. No files, no mails, no decisions, no kept policies.
    package static func make(of options: PlatformOptions, at folder: URL) async throws {
        _ = try bytes(of: options)
        let source = try DataDirectory(options.data.resolvingSymlinksInPath(), isShared: true)
        let target = try DataDirectory(folder)
        defer { target.release() }
        try await BackupDesk.blocking {
            do {
                // First the rows: what they name was there before them.
                try SQLiteCopy.copy(source.database, to: target.database) { _, _ in }
            } catch { throw OperatorProblem("the database could not be copied: \(error)", .late) }
            try copy(source.keys.resolvingSymlinksInPath(), to: target.keys)
        }
    }

    /// A copy once more.
    package static func again(_ folder: URL, at other: URL) async throws {
        let (source, target) = (try DataDirectory(folder, isShared: true), try DataDirectory(other))
        defer { target.release() }
        try await BackupDesk.blocking {
            try FileManager.default.copyItem(at: source.database, to: target.database)
            try copy(source.keys, to: target.keys)
        }
    }

    /// Folders and plain files; one that goes meanwhile is a key that was destroyed, and is not missed.
    private static func copy(_ folder: URL, to other: URL) throws {
        try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() where !name.hasSuffix(".lock") {
            let (from, to) = (folder.appendingPathComponent(name), other.appendingPathComponent(name))
            let kind = try? FileManager.default.attributesOfItem(atPath: from.path)[.type] as? FileAttributeType
            if kind == .typeDirectory {
                try copy(from, to: to)
            } else if kind == .typeRegular {
                do { try FileManager.default.copyItem(at: from, to: to) } catch CocoaError.fileReadNoSuchFile { continue }
            }
        }
    }

    /// The server's own settings over a copy, but for what would reach out of it or decide beside the policies that are asked about.
    package static func options(_ server: PlatformOptions, data: URL, policies: URL) -> PlatformOptions {
        var options = server
        (options.data, options.policies, options.plugins) = (data, policies, data.appendingPathComponent("no-plugins"))
        var settings = server.settings.setting(PlatformSettings.redisURL, to: "").setting(PlatformSettings.logLevel, to: "error")
            .setting(PlatformSettings.policyShadow, to: "").setting(NotificationSettings.channel, to: "")
        // As in every simulation, where nobody says otherwise.
        if settings.isDefault(BillingSettings.reconcileHours) { settings = settings.setting(BillingSettings.reconcileHours, to: 24) }
        options.reading = SettingsFile.Reading(settings: settings, plugins: [:])
        return options
    }
}
