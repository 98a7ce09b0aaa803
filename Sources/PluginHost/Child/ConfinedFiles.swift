import Foundation
import PluginKit
import PluginWire

/// What dies in the middle of a write leaves it unknown, as `GuardedFileStore` says of any error that is none of the kit's.
struct ConfinedFiles: FileStore {
    let plugin: ConfinedPlugin
    let presigns: Bool
    func put(_ file: FileContent) async throws -> StoredFile { try await plugin.call(ToChild.putFile, file) }
    func head(_ key: FileKey) async throws -> StoredFile { try await plugin.call(ToChild.headFile, key) }
    func read(_ request: FileReading) async throws -> FilePart { try await plugin.call(ToChild.readFile, request) }
    func delete(_ key: FileKey) async throws { _ = try await plugin.call(ToChild.deleteFile, key) }
    func list(_ request: FileListing) async throws -> FilePage { try await plugin.call(ToChild.listFiles, request) }
    func beginUpload(_ file: FileDeclaration) async throws -> String { try await plugin.call(ToChild.beginUpload, file) }
    func putPart(_ part: FilePiece) async throws -> PieceReceipt { try await plugin.call(ToChild.putPiece, part) }
    func finishUpload(_ end: UploadEnd) async throws -> StoredFile { try await plugin.call(ToChild.finishUpload, end) }
    func abandonUpload(_ upload: FileUpload) async throws { _ = try await plugin.call(ToChild.abandonUpload, upload) }
    func presign(_ request: PresignRequest) async throws -> PresignedAddress { try await plugin.call(ToChild.presignFile, request) }
}

/// What a child asks of its folder, answered by the one that the plugin would have in process.
struct ChildFolder {
    let folder: any PluginFolder
    func add(to desk: inout WireDesk) {
        let folder = folder
        desk.on(ToHost.folderWrite) {
            try await folder.write($0.data, toDraft: $0.name, at: $0.offset)
            return Nothing()
        }
        desk.on(ToHost.folderReadDraft) { try await folder.readDraft($0.name, at: $0.offset, max: $0.max) }
        desk.on(ToHost.folderPublish) {
            try await folder.publish(draft: $0.draft, as: $0.name)
            return Nothing()
        }
        desk.on(ToHost.folderDiscard) {
            try await folder.discard(draft: $0)
            return Nothing()
        }
        desk.on(ToHost.folderRead) { try await folder.read($0.name, at: $0.offset, max: $0.max) }
        desk.on(ToHost.folderRemove) {
            try await folder.remove($0)
            return Nothing()
        }
        desk.on(ToHost.folderEntries) { try await folder.entries(prefix: $0.prefix, after: $0.after, limit: $0.limit) }
    }
}
