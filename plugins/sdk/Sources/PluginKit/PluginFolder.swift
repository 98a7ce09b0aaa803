// since 1.2
import Foundation

/// A place for bulk data of the plugin's own, where `plugin.json` says `"folder": true`. The host keeps it: names are no paths, nothing
/// that lies there is followed or executed, and the operator's `folder_bytes` bounds the whole. Everything throws `PluginFolderFailure`.
///
/// What is written goes into a draft first; `publish` makes the draft a file in one step, so that a reader sees the old file or the new one.
public protocol PluginFolder: Sendable {
    /// Puts bytes into a draft at `offset`; makes the draft where there is none. A gap holds zeros, and counts.
    func write(_ data: Data, toDraft draft: String, at offset: Int64) async throws
    func readDraft(_ draft: String, at offset: Int64, max: Int) async throws -> Data
    /// Makes the draft the file of this name, in place of what was there: durable when it returns.
    func publish(draft: String, as name: String) async throws
    /// No error where there is none. Drafts that nobody touches for `PluginFolderLimits.draftLife` go by themselves.
    func discard(draft: String) async throws
    /// Empty behind the end; throws `missing` where there is no such file.
    func read(_ name: String, at offset: Int64, max: Int) async throws -> Data
    /// No error where there is none; durable when it returns.
    func remove(_ name: String) async throws
    /// Names and sizes of files whose name begins with the prefix, in the order of their bytes, behind `after`; at most `limit` (1 … 1000).
    func entries(prefix: String, after: String?, limit: Int) async throws -> [PluginFolderEntry]
}

public struct PluginFolderEntry: Sendable, Hashable, Codable {
    public var name: String
    public var bytes: Int64
    public init(name: String, bytes: Int64) {
        self.name = name
        self.bytes = bytes
    }
}

public enum PluginFolderLimits {
    /// Of one `write` and one `read`.
    public static let maxPieceBytes = 6_291_456
    public static let maxNameBytes = 600
    public static let draftLife = Duration.days(7)

    /// Nil if the name is fine, else what is wrong with it: segments as in a `FileKey`.
    public static func fault(inName name: String) -> String? {
        guard (1...maxNameBytes).contains(name.utf8.count) else { return "a name has 1 to \(maxNameBytes) bytes" }
        let isPlain = name.utf8.split(separator: 47, omittingEmptySubsequences: false).allSatisfy { FileKey.isSegment($0) }
        return isPlain
            ? nil : "a name's segments have 1 to \(FileStoreLimits.maxSegmentBytes) letters, digits and . _ -, and begin with no dot"
    }
    /// A draft's name is one segment.
    public static func fault(inDraft draft: String) -> String? {
        FileKey.isSegment(draft) ? nil : "a draft's name is one segment of letters, digits and . _ -, and begins with no dot"
    }
}

public enum PluginFolderFailure: Error, Sendable, Hashable, Codable {
    /// Name, place or size break the limits.
    case invalid(String)
    case missing(String)
    case full(String)
    /// The disk failed: what was asked may have been done in part.
    case unavailable(String)
}

/// Where there is none.
public struct NoFolder: PluginFolder {
    public init() {}
    private var refusal: PluginFolderFailure { .unavailable("This plugin has no folder: plugin.json says no \"folder\": true.") }
    public func write(_ data: Data, toDraft draft: String, at offset: Int64) async throws { throw refusal }
    public func readDraft(_ draft: String, at offset: Int64, max: Int) async throws -> Data { throw refusal }
    public func publish(draft: String, as name: String) async throws { throw refusal }
    public func discard(draft: String) async throws { throw refusal }
    public func read(_ name: String, at offset: Int64, max: Int) async throws -> Data { throw refusal }
    public func remove(_ name: String) async throws { throw refusal }
    public func entries(prefix: String, after: String?, limit: Int) async throws -> [PluginFolderEntry] { throw refusal }
}
// end of 1.2
