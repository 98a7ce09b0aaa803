import Foundation
import Signing
import Store
import StorePostgres
import StoreSQLite
import Vocabulary

/// Takes a backup beside a running server: the database in one instant, then the files, then the keys. What a row names was there
/// before the row was, so that nothing in the database lacks its file or key.
///
/// Keys lie apart, and only the newest of them are kept: of somebody who was erased, no backup opens anything once the next one is taken.
package struct BackupDesk: Sendable {
    static let keysFolder = "keys"
    static let database = "database"
    static let files = "files.tar"
    static let policies = "policies.tar"
    static let keys = "keys.tar"

    private let options: PlatformOptions
    private let data: DataDirectory
    private let master: MasterKey
    private let key: SecretBytes?
    private let tell: @Sendable (String) -> Void

    /// - Parameter key: the file of a key under which the pieces are sealed; nil: they lie as they are.
    package init(_ options: PlatformOptions, key: String?, tell: @escaping @Sendable (String) -> Void) throws {
        self.options = options
        guard FileManager.default.fileExists(atPath: options.data.path) else {
            throw OperatorProblem("there is no data directory \(options.data.path); is --data right?")
        }
        data = try DataDirectory(options.data.resolvingSymlinksInPath(), isShared: true)
        guard FileManager.default.fileExists(atPath: data.keys.path) else {
            throw OperatorProblem("there are no keys in \(data.keys.path): start the server once, or check --data")
        }
        master = try Ground.masterKey(data, options)
        self.key = try key.map(Self.readKey)
        self.tell = tell
    }

    /// 32 bytes in hexadecimal or base64, readable by their owner alone.
    static func readKey(_ path: String) throws -> SecretBytes {
        do {
            guard let key = try MasterKey.secret(in: URL(fileURLWithPath: path)) else {
                throw OperatorProblem("\(path) is no key: 32 bytes in hexadecimal or base64, as 'openssl rand -hex 32' makes them")
            }
            return key
        } catch let fault as SigningFault { throw OperatorProblem("\(fault)") }
    }

    /// Makes `FOLDER/<time>` and `FOLDER/keys/<time>`, each whole or not at all; answers the first one's path.
    package func take(into folder: URL) async throws -> String {
        let folder = folder.standardizedFileURL.resolvingSymlinksInPath()
        guard !(folder.path + "/").hasPrefix(data.root.path + "/") else {
            throw OperatorProblem("\(folder.path) lies in the data directory: a backup belongs on another disk")
        }
        let keysFolder = folder.appendingPathComponent(Self.keysFolder)
        for place in [folder, keysFolder] {
            do {
                try FileManager.default.createDirectory(
                    at: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch { throw OperatorProblem("\(place.path) cannot be made: \((error as NSError).localizedDescription)") }
        }
        let lock = open(folder.appendingPathComponent(".lock").path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw BackupFiles.fault(folder) }
        defer { close(lock) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw OperatorProblem("another backup into \(folder.path) is under way", .late) }
        let now = options.clock.now()
        let name = now.iso8601.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        let ends = [folder, keysFolder].map { $0.appendingPathComponent(String(name)) }
        guard !ends.contains(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
            throw OperatorProblem("there is a backup of this very second: try again", .late)
        }
        // Nobody else works here, so what is half done was left by one that ended before its time.
        for place in [folder, keysFolder] {
            for leftover in (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? [] where leftover.hasSuffix(".part") {
                try? FileManager.default.removeItem(at: place.appendingPathComponent(leftover))
            }
        }
        let parts = [folder, keysFolder].map { $0.appendingPathComponent(".\(name).part") }
        defer { for part in parts { try? FileManager.default.removeItem(at: part) } }
        let schema = try await schema()
        return try await Self.blocking {
            try self.makePlatform(parts[0], schema, now)
            try self.makeKeys(parts[1], now)
            for (part, end) in zip(parts, ends).reversed() {
                BackupFiles.flush(part)
                guard rename(part.path, end.path) == 0 else { throw BackupFiles.fault(end) }
                BackupFiles.flush(end.deletingLastPathComponent())
            }
            for old in (try? FileManager.default.contentsOfDirectory(atPath: keysFolder.path)) ?? []
            where old != name && !old.hasPrefix(".") {
                try? FileManager.default.removeItem(at: keysFolder.appendingPathComponent(old))
            }
            return ends[0].path
        }
    }

    static func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
        }
    }

    // MARK: - What there is

    /// Which migrations the database has; throws where it is not at this program's version.
    private func schema() async throws -> [BackupManifest.Applied] {
        if Ground.isShared(options) {
            let url = options.settings[PlatformSettings.databaseURL]
            let rows = try await Self.blocking { try PostgresAdmin.applied(url) }
            do { _ = try MigrationLedger(try PlatformRegister.migrations()).pending(rows) } catch { throw OperatorProblem("\(error)") }
            return rows.map { BackupManifest.Applied(path: $0.path, sha256: Hex.encode($0.hash)) }
        }
        let store = try await Ground.storeBesideServer(data, options)
        let migrations = try PlatformRegister.migrations()
        do {
            let missing = try await store.pending(migrations)
            await store.close()
            guard missing.isEmpty else {
                throw OperatorProblem(
                    "the database lacks \(missing.count) migrations (\(missing[0]) …): back up with the program that serves it")
            }
        } catch {
            await store.close()
            throw (error as? StoreFault).map { OperatorProblem("\($0)") } ?? error
        }
        return (OwnSchema.migrations + migrations).map { BackupManifest.Applied(path: $0.path, sha256: Hex.encode($0.hash)) }
    }

    private var engine: BackupManifest.Engine { Ground.isShared(options) ? .postgresql : .sqlite }

    private func manifest(_ kind: BackupManifest.Kind, _ now: Timestamp) -> BackupManifest {
        BackupManifest(kind: kind, made_at: now.iso8601, version: Release.version, engine: engine)
    }
    private func target(_ folder: URL, _ name: String) throws -> BackupFiles.Target {
        try BackupFiles.Target(folder.appendingPathComponent(name), seal: key.map { ($0, options.entropy) })
    }

    // MARK: - Pieces

    private func makePlatform(_ part: URL, _ schema: [BackupManifest.Applied], _ now: Timestamp) throws {
        try BackupFiles.makeFolder(part)
        var manifest = manifest(.platform, now)
        manifest.migrations = schema
        manifest.plugins = BackupManifest.plugins(in: options.plugins)
        manifest.pieces.append(engine == .sqlite ? try sqlite(part) : try postgres(part))
        let files = try target(part, Self.files)
        try BackupTool.pack(
            data.root, leaving: ["./.lock", "./coditect.db", "./coditect.db-*", "./keys", "./master.key"]
        ) { try files.write($0) }
        manifest.pieces.append(try files.finish(name: Self.files))
        tell("files      \(files.bytes) bytes")
        if FileManager.default.fileExists(atPath: options.policies.path) {
            let policies = try target(part, Self.policies)
            try BackupTool.pack(options.policies.resolvingSymlinksInPath(), leaving: []) { try policies.write($0) }
            manifest.pieces.append(try policies.finish(name: Self.policies))
            tell("policies   \(policies.bytes) bytes")
        }
        try manifest.write(to: part, master)
    }

    private func sqlite(_ part: URL) throws -> BackupManifest.Piece {
        let plain = part.appendingPathComponent(key == nil ? Self.database : "\(Self.database).plain")
        let told = Once()
        do {
            try SQLiteCopy.copy(data.database, to: plain) { done, all in
                let tenth = all == 0 ? 10 : done * 10 / all
                if told.isNew(tenth) { tell("database   \(tenth * 10) % of \(all) pages") }
            }
        } catch let fault as StoreFault {
            throw OperatorProblem("the database could not be copied: \(fault)", .late)
        }
        guard key != nil else {
            let (bytes, sha256) = try BackupFiles.digest(plain, name: Self.database, tell: tell)
            return BackupManifest.Piece(name: Self.database, bytes: bytes, sha256: sha256, sealed: false)
        }
        let sealed = try target(part, Self.database)
        let source = try BackupFiles.Source(plain)
        while true {
            let some = try source.next(SealedStream.chunk)
            if some.isEmpty { break }
            try sealed.write(some)
        }
        let piece = try sealed.finish(name: Self.database)
        guard unlink(plain.path) == 0 else { throw BackupFiles.fault(plain) }
        return piece
    }

    /// One snapshot, made by PostgreSQL's own tool. The seal's key is not in it: the restored database gets it anew from the master key.
    private func postgres(_ part: URL) throws -> BackupManifest.Piece {
        let address = try DatabaseAddress(options.settings[PlatformSettings.databaseURL])
        let dump = try target(part, Self.database)
        let told = Once()
        try BackupTool.run(
            "pg_dump",
            [
                "--format=custom", "--no-password", "--schema=coditect", "--schema=coditect_guard",
                "--exclude-table-data=coditect_guard.seal_key", "--dbname=\(address.url)",
            ], environment: address.environment,
            take: {
                try dump.write($0)
                if told.isNew(Int(dump.bytes >> 26)) { tell("database   \(dump.bytes >> 20) MB") }
            })
        tell("database   \(dump.bytes) bytes")
        return try dump.finish(name: Self.database)
    }

    private func makeKeys(_ part: URL, _ now: Timestamp) throws {
        try BackupFiles.makeFolder(part)
        var manifest = manifest(.keys, now)
        let folder = data.keys.resolvingSymlinksInPath()
        // The master key is the one secret that is never beside what it opens.
        var left = ["./master.key", "./.*.draft", "./*.lock"]
        let chosen = options.settings[SigningSettings.masterKeyFile]
        if !chosen.isEmpty {
            let file = URL(fileURLWithPath: chosen).resolvingSymlinksInPath().path
            if file.hasPrefix(folder.path + "/") { left.append("." + file.dropFirst(folder.path.count)) }
        }
        let keys = try target(part, Self.keys)
        try BackupTool.pack(folder, leaving: left) { try keys.write($0) }
        manifest.pieces.append(try keys.finish(name: Self.keys))
        tell("keys       \(keys.bytes) bytes, sealed under the master key, which is not among them")
        try manifest.write(to: part, master)
    }
}

/// Says whether a step of progress was told before.
private final class Once {
    private var last = 0
    func isNew(_ step: Int) -> Bool {
        guard step > last else { return false }
        last = step
        return true
    }
}
