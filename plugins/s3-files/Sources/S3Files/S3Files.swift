import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(S3Files()) }

struct S3Files: Plugin {
    let id = "s3-files"

    func validate(_ settings: PluginSettings) throws { _ = try S3Place(settings) }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let secrets = context.secrets
        let signer = S3Signer(
            accessKey: try secrets.one("S3_ACCESS_KEY_ID"), secretKey: try secrets.one("S3_SECRET_ACCESS_KEY"),
            sessionToken: try? secrets.one("S3_SESSION_TOKEN"), region: try context.settings.text("region"))
        guard signer.isUsable else {
            throw PluginRefusal("S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY or S3_SESSION_TOKEN hold what no header can.")
        }
        let client = S3Client(
            place: try S3Place(context.settings), signer: signer, http: context.http, clock: context.clock, secrets: secrets,
            timeout: .seconds(try context.settings.integer("timeout_seconds")))
        return Instance(store: S3Store(client: client))
    }

    private struct Instance: PluginInstance {
        let store: S3Store
        var fileStore: (any FileStore)? { store }
    }
}

/// Where the bucket is.
struct S3Place: Sendable {
    /// Scheme and authority.
    let origin: String
    /// As it is signed: without a port that the scheme implies.
    let host: String
    /// Before each key: empty, or `/bucket`.
    let root: String
    /// Before each key of ours: empty, or ends in a slash.
    let prefix: String
    /// What is asked for with each file; nil: nothing.
    let encryption: String?

    init(_ settings: PluginSettings) throws {
        let bucket = try settings.text("bucket")
        guard bucket.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || [45, 46].contains($0) }) else {
            throw PluginRefusal("bucket has lower-case letters, digits, dots and hyphens only.")
        }
        let region = try settings.text("region")
        guard region.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 }) else {
            throw PluginRefusal("region has lower-case letters, digits and hyphens only.")
        }
        var written = try settings.text("endpoint")
        if written.hasSuffix("/") { written.removeLast() }
        guard let parts = URLComponents(string: written), let scheme = parts.scheme?.lowercased(), let name = parts.host?.lowercased(),
            parts.path.isEmpty, parts.query == nil, parts.fragment == nil, parts.user == nil
        else { throw PluginRefusal("endpoint must be scheme and host, without a path.") }
        guard scheme == "https" || WebOrigin(written)?.isLoopback == true else {
            throw PluginRefusal("endpoint is http, and \(name) is another machine: files would cross the network in the clear.")
        }
        let isImplied = parts.port == nil || parts.port == (scheme == "https" ? 443 : 80)
        host = isImplied ? name : "\(name):\(parts.port ?? 0)"
        origin = "\(scheme)://\(host)"
        let addressing = try settings.text("addressing")
        if addressing == "virtual_host", !name.hasPrefix(bucket + ".") {
            throw PluginRefusal("With addressing virtual_host the endpoint is the bucket's own address, which begins with \(bucket).")
        }
        root = addressing == "path" ? "/\(bucket)" : ""
        let before = settings["prefix"]?.string
        if let before, let fault = FileKey.fault(inPath: before) { throw PluginRefusal("prefix: \(fault).") }
        prefix = before.map { $0 + "/" } ?? ""
        let wanted = try settings.text("encryption")
        encryption = wanted == "bucket" ? nil : wanted
    }

    /// Every sign of a key may stand in a path as it is.
    func path(_ key: FileKey) -> String { "\(root)/\(prefix)\(key.tenant)/\(key.path)" }
    var bucketPath: String { root.isEmpty ? "/" : root }
}
