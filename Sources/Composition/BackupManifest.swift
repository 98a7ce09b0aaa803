import Foundation
import PluginHost
import Signing
import Store
import Vocabulary

/// What lies in a folder of a backup: which pieces, byte for byte, and of what they are. Sealed under the master key of the platform.
package struct BackupManifest: Codable, Sendable, Hashable {
    static let format = 1
    static let file = "manifest.json"
    static let sealFile = "manifest.seal"
    /// Ten thousand plugins do not fill it.
    private static let maxBytes = 4 << 20

    package enum Kind: String, Codable, Sendable { case platform, keys }
    package enum Engine: String, Codable, Sendable { case sqlite, postgresql }

    struct Piece: Codable, Sendable, Hashable {
        let name: String
        /// As it lies in the folder, sealed or not.
        let bytes: Int64
        let sha256: String
        let sealed: Bool
    }
    struct Applied: Codable, Sendable, Hashable {
        let path: String
        let sha256: String
    }
    struct Plugin: Codable, Sendable, Hashable {
        let id: String
        let version: String
        let sha256: String
    }

    var format = BackupManifest.format
    let kind: Kind
    let made_at: String
    let version: String
    let engine: Engine
    var migrations: [Applied] = []
    var plugins: [Plugin] = []
    var pieces: [Piece] = []

    // MARK: - As files

    func write(to folder: URL, _ master: MasterKey) throws {
        let bytes = Array(try JSONCoding.encode(self))
        try BackupFiles.write(bytes, to: folder.appendingPathComponent(Self.file))
        try BackupFiles.write(
            Array((Hex.encode(Self.code(bytes, master)) + "\n").utf8), to: folder.appendingPathComponent(Self.sealFile))
    }

    private static func code(_ bytes: [UInt8], _ master: MasterKey) -> [UInt8] {
        HMAC.sha256(bytes, key: master.derive("backup manifest"))
    }

    /// Throws a sentence unless it is whole, of this platform, and of a form that this program knows.
    static func read(_ folder: URL, _ kind: Kind, _ master: MasterKey) throws -> BackupManifest {
        guard FileManager.default.fileExists(atPath: folder.path) else { throw OperatorProblem("there is no backup \(folder.path)") }
        guard let bytes = try BackupFiles.read(folder.appendingPathComponent(file), maxBytes: maxBytes),
            let text = try BackupFiles.read(folder.appendingPathComponent(sealFile), maxBytes: 200)
        else { throw OperatorProblem("\(folder.path) is no backup: \(file) or \(sealFile) is missing", .refused) }
        let seal = Hex.decode(String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) ?? []
        guard ConstantTime.equal(seal, code(bytes, master)) else {
            throw OperatorProblem("\(folder.path): the manifest was changed, or made with another master key than the one given", .refused)
        }
        struct Form: Decodable { let format: Int }
        guard let form = try? JSONDecoder().decode(Form.self, from: Data(bytes)), form.format == format else {
            throw OperatorProblem("\(folder.path) is of a newer form than this program knows: restore with a newer one", .refused)
        }
        guard let manifest = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else {
            throw OperatorProblem("\(folder.path): the manifest cannot be read", .refused)
        }
        guard manifest.kind == kind else {
            throw OperatorProblem("\(folder.path) holds \(manifest.kind.rawValue), and \(kind.rawValue) is wanted", .refused)
        }
        return manifest
    }

    /// Reads every piece to its end: throws a sentence that names the first that is missing, cut or changed.
    func check(_ folder: URL, tell: BackupFiles.Tell) throws {
        for piece in pieces {
            let place = folder.appendingPathComponent(piece.name)
            guard !piece.name.contains("/"), let found = try? BackupFiles.digest(place, name: piece.name, tell: tell) else {
                throw OperatorProblem("\(place.path) is missing or cannot be read", .refused)
            }
            guard found.bytes == piece.bytes else {
                throw OperatorProblem("\(place.path) is cut: \(found.bytes) of \(piece.bytes) bytes", .refused)
            }
            guard found.sha256 == piece.sha256 else { throw OperatorProblem("\(place.path) was changed: its SHA-256 is another", .refused) }
        }
    }

    /// Throws unless this program knows every migration that the database had, as it was.
    func checkSchema() throws {
        let rows = migrations.map { applied -> AppliedMigration in
            let parts = applied.path.split(separator: "/", maxSplits: 1).map(String.init)
            return AppliedMigration(room: parts.first ?? "", name: parts.last ?? "", hash: Hex.decode(applied.sha256) ?? [])
        }
        do { _ = try MigrationLedger(try PlatformRegister.migrations()).pending(rows) } catch {
            throw OperatorProblem("the backup is of another program: \(error)", .refused)
        }
    }

    func piece(_ name: String) -> Piece? { pieces.first { $0.name == name } }

    /// What lies in the folder of plugins, for whoever restores on another machine: the libraries themselves come with a release.
    static func plugins(in folder: URL) -> [Plugin] {
        let places = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return places.sorted { $0.path < $1.path }.compactMap { place in
            guard let manifest = try? PluginManifest(json: Data(contentsOf: place.appendingPathComponent("plugin.json"))) else {
                return nil
            }
            let files = (try? FileManager.default.contentsOfDirectory(at: place, includingPropertiesForKeys: nil)) ?? []
            let library = files.first { $0.pathExtension == "so" }
            let digest = library.flatMap { try? BackupFiles.digest($0, name: "", tell: { _ in }) }
            return Plugin(id: manifest.id, version: manifest.version, sha256: digest?.sha256 ?? "")
        }
    }
}
