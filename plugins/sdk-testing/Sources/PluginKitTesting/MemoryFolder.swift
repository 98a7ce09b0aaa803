import Foundation
import PluginKit

/// A plugin's folder in memory, with the limits of the real one, and with faults that a test asks for.
public actor MemoryFolder: PluginFolder {
    public enum Fault: Sendable {
        /// The disk is full.
        case full
        /// Nothing is done.
        case fails
        /// It is done, and whoever asked hears that the disk failed.
        case failsAfter
    }
    public private(set) var files: [String: Data] = [:]
    public private(set) var drafts: [String: Data] = [:]
    /// What goes wrong with each `write`, `publish` and `remove` from now on.
    private var writing: Fault?
    private var publishing: Fault?
    private var removing: Fault?
    private var isAway = false
    public init() {}

    public func breaks(writing: Fault? = nil, publishing: Fault? = nil, removing: Fault? = nil, isAway: Bool = false) {
        self.removing = removing
        self.writing = writing
        self.publishing = publishing
        self.isAway = isAway
    }

    public func write(_ data: Data, toDraft draft: String, at offset: Int64) throws {
        try check(PluginFolderLimits.fault(inDraft: draft))
        guard data.count <= PluginFolderLimits.maxPieceBytes, (0...1_000_000_000).contains(offset) else {
            throw PluginFolderFailure.invalid("too much, or too far")
        }
        if let writing, writing != .failsAfter { throw Self.failure(writing) }
        var content = drafts[draft] ?? Data()
        let missing = Int(offset) + data.count - content.count
        if missing > 0 { content.append(Data(count: missing)) }
        content.replaceSubrange(Int(offset)..<(Int(offset) + data.count), with: data)
        drafts[draft] = content
        if let writing { throw Self.failure(writing) }
    }
    public func readDraft(_ draft: String, at offset: Int64, max: Int) throws -> Data {
        try check(PluginFolderLimits.fault(inDraft: draft))
        return try content(drafts[draft], draft, offset, max)
    }
    public func publish(draft: String, as name: String) throws {
        try check(PluginFolderLimits.fault(inDraft: draft) ?? PluginFolderLimits.fault(inName: name))
        if let publishing, publishing != .failsAfter { throw Self.failure(publishing) }
        guard let content = drafts.removeValue(forKey: draft) else { throw PluginFolderFailure.missing("there is no draft \(draft)") }
        files[name] = content
        if let publishing { throw Self.failure(publishing) }
    }
    public func discard(draft: String) throws {
        try check(PluginFolderLimits.fault(inDraft: draft))
        drafts[draft] = nil
    }
    public func read(_ name: String, at offset: Int64, max: Int) throws -> Data {
        try check(PluginFolderLimits.fault(inName: name))
        return try content(files[name], name, offset, max)
    }
    public func remove(_ name: String) throws {
        try check(PluginFolderLimits.fault(inName: name))
        if let removing, removing != .failsAfter { throw Self.failure(removing) }
        files[name] = nil
        if let removing { throw Self.failure(removing) }
    }
    /// Puts these bytes there, past everything.
    public func lay(_ content: Data, _ name: String) { files[name] = content }
    /// Whatever lies there is nothing that anybody wrote.
    public func spoil() {
        for name in files.keys { files[name] = Data("<html>no</html>".utf8) }
        isAway = false
    }
    public func entries(prefix: String, after: String?, limit: Int) throws -> [PluginFolderEntry] {
        if !prefix.isEmpty { try check(PluginFolderLimits.fault(inName: prefix + "x")) }
        if let after { try check(PluginFolderLimits.fault(inName: after)) } else { try check(nil) }
        let names = files.keys.filter { name in
            name.utf8.starts(with: prefix.utf8) && after.map { $0.utf8.lexicographicallyPrecedes(name.utf8) } ?? true
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.prefix(min(max(1, limit), 1_000))
            .map { PluginFolderEntry(name: $0, bytes: Int64(files[$0]?.count ?? 0)) }
    }

    private func check(_ fault: String?) throws {
        if let fault { throw PluginFolderFailure.invalid(fault) }
        if isAway { throw PluginFolderFailure.unavailable("the disk is away") }
    }
    private func content(_ file: Data?, _ name: String, _ offset: Int64, _ most: Int) throws -> Data {
        guard let file else { throw PluginFolderFailure.missing("there is no \(name)") }
        guard offset >= 0, (1...PluginFolderLimits.maxPieceBytes).contains(most) else { throw PluginFolderFailure.invalid("no such part") }
        return Data(file.dropFirst(Int(min(offset, Int64(file.count)))).prefix(most))
    }
    private static func failure(_ fault: Fault) -> PluginFolderFailure {
        fault == .full ? .full("no room is left") : .unavailable("the disk failed")
    }
}
