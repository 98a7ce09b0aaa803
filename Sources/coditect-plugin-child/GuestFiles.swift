import Foundation
import PluginKit
import PluginWire

extension Guest {
    /// Every call of the kit's `FileStore`.
    func addFiles(_ desk: inout WireDesk) {
        desk.on(ToChild.putFile) { [self] in try await provided(\.fileStore).put($0) }
        desk.on(ToChild.headFile) { [self] in try await provided(\.fileStore).head($0) }
        desk.on(ToChild.readFile) { [self] in try await provided(\.fileStore).read($0) }
        desk.on(ToChild.deleteFile) { [self] in
            try await provided(\.fileStore).delete($0)
            return Nothing()
        }
        desk.on(ToChild.listFiles) { [self] in try await provided(\.fileStore).list($0) }
        desk.on(ToChild.beginUpload) { [self] in try await provided(\.fileStore).beginUpload($0) }
        desk.on(ToChild.putPiece) { [self] in try await provided(\.fileStore).putPart($0) }
        desk.on(ToChild.finishUpload) { [self] in try await provided(\.fileStore).finishUpload($0) }
        desk.on(ToChild.abandonUpload) { [self] in
            try await provided(\.fileStore).abandonUpload($0)
            return Nothing()
        }
        desk.on(ToChild.presignFile) { [self] in try await provided(\.fileStore).presign($0) }
    }
}

/// The plugin's folder, which the server keeps.
struct HostFolder: PluginFolder {
    let wire: Wire
    func write(_ data: Data, toDraft draft: String, at offset: Int64) async throws {
        _ = try await wire.call(ToHost.folderWrite, ToHost.FolderPiece(name: draft, offset: offset, data: data))
    }
    func readDraft(_ draft: String, at offset: Int64, max: Int) async throws -> Data {
        try await wire.call(ToHost.folderReadDraft, ToHost.FolderPlace(name: draft, offset: offset, max: max))
    }
    func publish(draft: String, as name: String) async throws {
        _ = try await wire.call(ToHost.folderPublish, ToHost.FolderNames(draft: draft, name: name))
    }
    func discard(draft: String) async throws { _ = try await wire.call(ToHost.folderDiscard, draft) }
    func read(_ name: String, at offset: Int64, max: Int) async throws -> Data {
        try await wire.call(ToHost.folderRead, ToHost.FolderPlace(name: name, offset: offset, max: max))
    }
    func remove(_ name: String) async throws { _ = try await wire.call(ToHost.folderRemove, name) }
    func entries(prefix: String, after: String?, limit: Int) async throws -> [PluginFolderEntry] {
        try await wire.call(ToHost.folderEntries, ToHost.FolderListing(prefix: prefix, after: after, limit: limit))
    }
}
