import Foundation
import Identity
import Seats
import Signing
import Store
import StorePostgres
import StoreSQLite
import Vocabulary

/// Puts a backup where nothing is: all of it, looked over and proved, or nothing.
///
/// What the world did after the backup is not in it, so what could grant too much is taken back: every session ends, and no end of a
/// seat that stands in Redis counts any more. Jobs that were done after the backup are done again, under the keys they had.
package struct RestoreDesk: Sendable {
    private let options: PlatformOptions
    private let data: URL
    private let master: MasterKey
    private let masterFile: URL?
    private let key: SecretBytes?
    private let tell: @Sendable (String) -> Void

    /// - Parameters:
    ///   - masterKey: a file that is copied to where the server looks for it; nil: `CODITECT_MASTER_KEY` or `signing.master_key_file`.
    ///   - key: the file of the key that the pieces are sealed under.
    package init(_ options: PlatformOptions, masterKey: String?, key: String?, tell: @escaping @Sendable (String) -> Void) throws {
        self.options = options
        data = options.data.standardizedFileURL
        self.tell = tell
        let chosen = options.settings[SigningSettings.masterKeyFile]
        masterFile = masterKey.map { URL(fileURLWithPath: $0) }
        let environment = masterKey == nil ? options.environment[MasterKey.variable] : nil
        guard let file = masterFile ?? (chosen.isEmpty ? nil : URL(fileURLWithPath: chosen)) ?? environment.map({ _ in options.data })
        else {
            throw OperatorProblem(
                "the master key is in no backup: give --master-key with its file, or \(MasterKey.variable)")
        }
        guard environment != nil || FileManager.default.fileExists(atPath: file.path) else {
            throw OperatorProblem("there is no master key \(file.path)")
        }
        do {
            master = try MasterKey.load(
                environment: environment, file: file, keys: file.deletingLastPathComponent(), entropy: options.entropy)
        } catch { throw OperatorProblem("\(error)") }
        self.key = try key.map(BackupDesk.readKey)
    }

    /// Answers what was restored, in sentences.
    package func put(_ backup: URL, keys given: URL?) async throws -> [String] {
        let backup = backup.standardizedFileURL
        let manifest = try BackupManifest.read(backup, .platform, master)
        try manifest.checkSchema()
        let isShared = Ground.isShared(options)
        guard isShared == (manifest.engine == .postgresql) else {
            throw OperatorProblem(
                "the backup is of \(manifest.engine.rawValue): "
                    + (isShared
                        ? "restore it without DATABASE_URL"
                        : "give DATABASE_URL of an empty database and a login that may restore into it"),
                .refused)
        }
        let keys = try given ?? Self.newestKeys(beside: backup)
        let keyManifest = try BackupManifest.read(keys, .keys, master)
        guard let later = Timestamp(iso8601: keyManifest.made_at), let earlier = Timestamp(iso8601: manifest.made_at), later >= earlier
        else {
            throw OperatorProblem("the keys of \(keyManifest.made_at) are older than the backup: give --keys with newer ones", .refused)
        }
        if manifest.pieces.contains(where: \.sealed), key == nil {
            throw OperatorProblem("the backup is sealed: give --key with the file of the key", .refused)
        }
        try requireNothing()
        let url = options.settings[PlatformSettings.databaseURL]
        if isShared, try await !BackupDesk.blocking({ try PostgresAdmin.isEmpty(url) }) {
            throw OperatorProblem("the database is not empty: restore into one that was just made", .refused)
        }
        tell("checking   the backup of \(manifest.made_at), \(manifest.pieces.reduce(0) { $0 + $1.bytes }) bytes")
        let part = data.deletingLastPathComponent().appendingPathComponent(".\(data.lastPathComponent).restoring")
        let held = try await BackupDesk.blocking {
            try manifest.check(backup, tell: tell)
            try keyManifest.check(keys, tell: tell)
            return try begin(part)
        }
        do {
            try await BackupDesk.blocking { try unpack(backup, manifest, keys, keyManifest, into: held) }
            let lines = try await prove(held, manifest)
            try await BackupDesk.blocking { try finish(held) }
            return lines
        } catch {
            try? FileManager.default.removeItem(at: part)
            if isShared { try? await BackupDesk.blocking { try PostgresAdmin.clear(url) } }
            throw (error as? StoreFault).map { OperatorProblem("the restored database is not good: \($0)", .refused) } ?? error
        }
    }

    private static func newestKeys(beside backup: URL) throws -> URL {
        let folder = backup.deletingLastPathComponent().appendingPathComponent(BackupDesk.keysFolder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        guard let newest = names.filter({ !$0.hasPrefix(".") }).max() else {
            throw OperatorProblem("there are no keys in \(folder.path): give --keys with the folder of a backup's keys")
        }
        return folder.appendingPathComponent(newest)
    }

    /// The place may be missing, or an empty folder.
    private func requireNothing() throws {
        guard FileManager.default.fileExists(atPath: data.path) else { return }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: data.path), names.isEmpty else {
            throw OperatorProblem("\(data.path) is not empty: restore into a new --data", .refused)
        }
    }

    // MARK: - Putting

    /// A folder beside the place, locked; what an attempt before left there goes.
    private func begin(_ part: URL) throws -> DataDirectory {
        if FileManager.default.fileExists(atPath: part.path) {
            do { _ = try DataDirectory(part) } catch is DataDirectory.InUse {
                throw OperatorProblem("another restore into \(data.path) is under way", .late)
            }
            try FileManager.default.removeItem(at: part)
        }
        return try DataDirectory(part)
    }

    private func unpack(
        _ backup: URL, _ manifest: BackupManifest, _ keys: URL, _ keyManifest: BackupManifest, into data: DataDirectory
    ) throws {
        func piece(_ name: String, of manifest: BackupManifest, _ folder: URL, _ take: ([UInt8]) throws -> Void) throws {
            guard let piece = manifest.piece(name) else { throw OperatorProblem("\(folder.path) holds no \(name)", .refused) }
            try BackupFiles.unseal(folder.appendingPathComponent(name), piece, key, take)
        }
        try BackupTool.unpack(into: data.root) { try piece(BackupDesk.files, of: manifest, backup, $0) }
        try BackupFiles.makeFolder(data.keys)
        try BackupTool.unpack(into: data.keys) { try piece(BackupDesk.keys, of: keyManifest, keys, $0) }
        guard chmod(data.keys.path, 0o700) == 0, chmod(data.root.path, 0o700) == 0 else { throw BackupFiles.fault(data.root) }
        if manifest.piece(BackupDesk.policies) != nil {
            let folder = data.root.appendingPathComponent(Self.policyFolder)
            try? FileManager.default.removeItem(at: folder)
            try BackupFiles.makeFolder(folder)
            try BackupTool.unpack(into: folder) { try piece(BackupDesk.policies, of: manifest, backup, $0) }
        }
        if let masterFile {
            guard let text = try BackupFiles.read(masterFile, maxBytes: 4_096) else { throw BackupFiles.fault(masterFile) }
            try BackupFiles.write(text, to: data.masterKey)
        }
        tell("files      are put back")
        if manifest.engine == .sqlite {
            let target = try BackupFiles.Target(data.database, seal: nil)
            try piece(BackupDesk.database, of: manifest, backup) { try target.write($0) }
            _ = try target.finish(name: BackupDesk.database)
            try SQLiteCopy.check(data.database)
        } else {
            let address = try DatabaseAddress(options.settings[PlatformSettings.databaseURL])
            try BackupTool.run(
                "pg_restore", ["--single-transaction", "--exit-on-error", "--no-password", "--dbname=\(address.url)"],
                environment: address.environment, feed: { try piece(BackupDesk.database, of: manifest, backup, $0) })
        }
        tell("database   is put back")
    }
    package static let policyFolder = "policies-as-backed-up"

    // MARK: - Proof

    /// Brings the database to this program's version, checks every journal, takes back what could grant too much.
    private func prove(_ data: DataDirectory, _ manifest: BackupManifest) async throws -> [String] {
        var options = options
        options.data = data.root
        if masterFile != nil { options.environment[MasterKey.variable] = nil }
        let sealer = try Ground.sealer(data, options)
        let ring = try Ground.keys(data, options)
        let store = try Ground.store(data, options, sealer: sealer, topics: PlatformRegister.topics)
        do {
            let applied = try await store.migrate(try PlatformRegister.migrations())
            let (journals, entries) = try await proveJournals(store, ring)
            tell("journals   \(journals) are intact, \(entries) entries")
            let act = Act(actor: .system("coditectd"), requestID: "restore", now: options.clock.now())
            let sessions = try await RestoredSessions.end(store, act)
            try await RestoredSeats.begin(store, act)
            try await store.kernel(Self.reason, .flushed) { db in
                let details: JSONValue = [
                    "backup_of": .string(manifest.made_at), "backup_version": .string(manifest.version),
                    "sessions_ended": .int(Int64(sessions)),
                ]
                try db.journal(JournalEntry("platform.restored", subject: "platform", details: details), act, tenant: nil)
            }
            await store.close()
            let policies = FileManager.default.fileExists(atPath: data.root.appendingPathComponent(Self.policyFolder).path)
            return [
                "restored the backup of \(manifest.made_at) into \(self.data.path)",
                "journals   \(journals), all intact, \(entries) entries",
                "sessions   \(sessions) were open and are ended: people sign in again",
                applied.isEmpty ? "migrations none was missing" : "migrations \(applied.count) were applied, up to \(applied.last ?? "")",
            ]
                + (policies ? ["policies   as they were: \(self.data.appendingPathComponent(Self.policyFolder).path)"] : [])
                + (manifest.plugins.isEmpty
                    ? [] : ["plugins    \(manifest.plugins.map { "\($0.id) \($0.version)" }.joined(separator: ", "))"])
                + ["what was withdrawn after that time (API keys, licences, members) stands again: withdraw it again"]
        } catch {
            await store.close()
            throw error
        }
    }
    private static let reason = KernelReason("operator.restore")

    private func proveJournals(_ store: any StoreDriver, _ ring: KeyRing) async throws -> (journals: Int, entries: Int) {
        let keeper = JournalKeeper(store: store)
        var (journals, entries) = (0, 0)
        for owner in try await keeper.owners() {
            let report = try await keeper.verify(owner) { ring.verify($0, Signature(keyID: $1, bytes: $2), .journal) }
            if let first = report.findings.first {
                let name = owner == JournalRecord.platform ? "the platform" : "tenant \(TenantID(owner))"
                throw OperatorProblem("the audit log of \(name) in this backup is broken: \(first.sentence)", .refused)
            }
            journals += 1
            entries += report.entries
        }
        return (journals, entries)
    }

    private func finish(_ data: DataDirectory) throws {
        BackupFiles.flush(data.root)
        // Over an empty folder, too.
        guard rename(data.root.path, self.data.path) == 0 else { throw BackupFiles.fault(self.data) }
        BackupFiles.flush(self.data.deletingLastPathComponent())
    }
}
