import Foundation
import Store
import Vocabulary

/// The one secret under which all others are sealed: 32 bytes, never used itself, only what is derived from it.
package final class MasterKey: Sendable {
    package enum Source: Sendable, Hashable, CustomStringConvertible {
        case environment
        case file(String)
        /// Made just now, because there were no keys yet.
        case created(String)

        package var description: String {
            switch self {
            case .environment: "the environment variable \(MasterKey.variable)"
            case .file(let path): "the file \(path)"
            case .created(let path): "the file \(path), made at this first start"
            }
        }
    }

    package static let variable = "CODITECT_MASTER_KEY"
    package let source: Source
    private let secret: SecretBytes
    /// Tells boxes of one master key from those of another; says nothing about the key.
    let id: UInt8

    init(_ bytes: [UInt8], source: Source) {
        self.source = source
        secret = SecretBytes(bytes)
        id = HKDF.sha256(secret: bytes, salt: Self.salt, info: Array("id".utf8), count: 1)[0]
    }

    /// From `environment` (the value of `CODITECT_MASTER_KEY`), else from `file`, else new in `file`: but never new beside keys
    /// that an older master key sealed. `file` lies in the directory of keys or wherever `signing.master_key_file` says.
    package static func load(environment: String?, file: URL, keys directory: URL, entropy: any Entropy) throws -> MasterKey {
        guard OpenSSLProcess.staysToTheEnd else { throw SigningFault.library("start", reason: "it could not be initialised") }
        if let environment, !environment.isEmpty {
            guard var bytes = parse(environment) else { throw SigningFault.masterKeyMalformed(source: variable) }
            defer { bytes.cleanse() }
            return MasterKey(bytes, source: .environment)
        }
        if let key = try read(file, source: .file(file.path)) { return key }
        guard !KeyRing.exists(in: directory) else { throw SigningFault.masterKeyMissing(path: file.path) }
        try KeyFiles.prepare(directory: file.deletingLastPathComponent())
        var bytes = entropy.bytes(32)
        defer { bytes.cleanse() }
        // Two processes that start at once agree on whichever file came first.
        if try KeyFiles.create(Array((Hex.encode(bytes) + "\n").utf8), at: file) { return MasterKey(bytes, source: .created(file.path)) }
        guard let key = try read(file, source: .file(file.path)) else { throw SigningFault.masterKeyMissing(path: file.path) }
        return key
    }

    /// A secret of an operator's own, written as a master key is; nil where there is none in the file.
    package static func secret(in file: URL) throws -> SecretBytes? {
        guard var text = try KeyFiles.read(file, maxBytes: 4_096) else { return nil }
        defer { text.cleanse() }
        guard var bytes = parse(String(decoding: text, as: UTF8.self)) else { return nil }
        defer { bytes.cleanse() }
        return SecretBytes(bytes)
    }

    private static func read(_ file: URL, source: Source) throws -> MasterKey? {
        guard var text = try KeyFiles.read(file, maxBytes: 4_096) else { return nil }
        defer { text.cleanse() }
        guard var bytes = parse(String(decoding: text, as: UTF8.self)) else { throw SigningFault.masterKeyMalformed(source: file.path) }
        defer { bytes.cleanse() }
        return MasterKey(bytes, source: source)
    }

    /// 64 hexadecimal digits, or base64 of either alphabet with or without padding, around which white space is ignored.
    static func parse(_ text: String) -> [UInt8]? {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if text.utf8.count == 64 { return Hex.decode(text) }
        var plain = text.replacing("+", with: "-").replacing("/", with: "_")
        if plain.utf8.count == 44, plain.hasSuffix("=") { plain.removeLast() }
        guard plain.utf8.count == 43, let bytes = Base64URL.decode(plain) else { return nil }
        return bytes
    }

    /// A key of 32 bytes for one purpose.
    package func derive(_ purpose: String) -> SecretBytes {
        var bytes = secret.withBytes { HKDF.sha256(secret: $0, salt: Self.salt, info: Array(purpose.utf8), count: 32) }
        defer { bytes.cleanse() }
        return SecretBytes(bytes)
    }

    private static let salt = Array("coditect master key v1".utf8)
}
