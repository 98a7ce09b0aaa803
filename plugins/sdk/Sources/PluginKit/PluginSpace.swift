import Foundation

/// A few durable values of the plugin's own, sealed at rest by the host. For ids and small records, not for bulk data.
public protocol PluginSpace: Sendable {
    func get(_ key: String) async throws -> Data?
    func set(_ key: String, _ value: Data) async throws
    func remove(_ key: String) async throws
    /// Sets `value` only if the key still holds `expected` (nil: only if it is absent). False: somebody was faster, read again.
    func replace(_ key: String, expecting expected: Data?, with value: Data) async throws -> Bool
    /// Keys that begin with `prefix`, in order, after `after`, at most `limit` (1 … 1000).
    func keys(prefix: String, after: String?, limit: Int) async throws -> [String]
}

public enum PluginSpaceLimits {
    /// Letters, digits and `. _ - : /`.
    public static let maxKeyBytes = 200
    public static let maxValueBytes = 65_536
    /// In all of one plugin's spaces.
    public static let maxKeys = 100_000

    /// Nil if the key is fine, else what is wrong with it.
    public static func fault(inKey key: String) -> String? {
        guard !key.isEmpty, key.utf8.count <= maxKeyBytes else { return "a key has 1 to \(maxKeyBytes) bytes" }
        let isPlain = key.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [46, 95, 45, 58, 47].contains($0)
        }
        return isPlain ? nil : "a key holds letters, digits and . _ - : / only"
    }
}

public enum PluginSpaceFailure: Error, Sendable, Hashable, Codable {
    /// Key or value break the limits.
    case invalid(String)
    case full(String)
    case unavailable(String)
}
