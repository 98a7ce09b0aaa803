import Foundation
import PluginKit

/// Who vouches for a plugin's files. `plugin.sha256` lists them as `sha256sum` does, under a line that names id and version, so that no
/// list passes for another's; `plugin.sig` is an Ed25519 signature over that file's bytes. Both may be missing.
package enum PluginSeal {
    package static let list = "plugin.sha256"
    package static let signature = "plugin.sig"

    /// What `plugin.sha256` must say, to the byte. `sha256sum -c` reads it, too.
    package static func text(_ manifest: PluginManifest, json: Data, digest: String) -> String {
        """
        # coditect plugin 1 \(manifest.id) \(manifest.version)
        \(PluginDigest.hex(PluginDigest.sha256(json)))  plugin.json
        \(digest)  \(manifest.library)

        """
    }

    /// What `plugin.sha256` of the plugin in a folder must say. Throws a sentence where the folder holds none.
    package static func text(of place: URL) throws -> String {
        let files = try PluginFiles(place)
        return text(files.manifest, json: files.contents[0].1, digest: files.digest)
    }

    /// Signatures as `openssl pkeyutl -sign -rawin` writes them, or the same in Base64.
    static func bytes(of file: Data) -> Data? {
        if file.count == 64 { return file }
        let text = String(decoding: file.prefix(200), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return Data(base64Encoded: text).flatMap { $0.count == 64 ? $0 : nil }
    }

    /// The trusted publisher who signed these very files; nil where nobody did. Throws `Refusal` for files that are not those listed, and for
    /// unsigned ones where the operator wants them signed.
    static func check(
        _ place: URL, _ manifest: PluginManifest, json: Data, digest: String, _ services: any PluginHostServices
    ) throws -> String? {
        let expected = text(manifest, json: json, digest: digest)
        let listed = FileManager.default.contents(atPath: place.appendingPathComponent(list).path)
        if let listed, listed != Data(expected.utf8) {
            throw Refusal(.checksumDiffers, sentence(String(decoding: listed.prefix(4_096), as: UTF8.self), expected))
        }
        let file = FileManager.default.contents(atPath: place.appendingPathComponent(signature).path)
        if let file {
            guard listed != nil else { throw Refusal(.checksumDiffers, "\(signature) signs \(list), which is not there.") }
            if let bytes = bytes(of: file), let name = services.publisher(of: Data(expected.utf8), signature: bytes) { return name }
        }
        guard services.requiresSignature else { return nil }
        throw Refusal(
            .signatureMissing,
            file == nil
                ? "It is not signed, and this server takes only what a trusted publisher signed."
                : "Its signature is none of a trusted publisher, and this server takes only what one signed.")
    }

    private static func sentence(_ listed: String, _ expected: String) -> String {
        let (theirs, ours) = (listed.split(separator: "\n"), expected.split(separator: "\n"))
        for (their, our) in zip(theirs, ours) where their != our {
            if our.hasPrefix("#") {
                return "\(list) begins with \(their.prefix(120).debugDescription), not with \(String(our).debugDescription)."
            }
            return "\(our.split(separator: " ").last ?? "") is not the file that \(list) lists."
        }
        return "\(list) lists other files than plugin.json and the library."
    }
}
