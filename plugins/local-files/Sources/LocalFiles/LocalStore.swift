import Foundation
import PluginKit

/// Files in the folder that the host keeps for this plugin: each under its key's name, its head before its content.
struct LocalStore: FileStore {
    let folder: any PluginFolder
    let clock: any PluginClock

    static let size = Int64(FileStoreLimits.partBytes)

    func put(_ file: FileContent) async throws -> StoredFile {
        try file.check()
        let stored = StoredFile(file: file.file, storedAt: clock.now())
        let draft = Self.freshName()
        do {
            try await folder.write(try FileHead.write(stored) + file.content, toDraft: draft, at: 0)
        } catch {
            // Nothing was published: whatever lies in the draft, no reader sees it.
            try? await folder.discard(draft: draft)
            throw Self.failure(error, published: false)
        }
        do { try await publish(draft, stored) } catch {
            try? await folder.discard(draft: draft)
            throw error
        }
        return stored
    }

    func head(_ key: FileKey) async throws -> StoredFile {
        try refuse(key.fault)
        return try FileHead.read(try await content(key, at: 0, max: FileHead.bytes), at: key)
    }

    func read(_ request: FileReading) async throws -> FilePart {
        try refuse(request.key.fault)
        guard request.offset >= 0, (1...FileStoreLimits.partBytes).contains(request.length) else {
            throw FileStoreError.refused("1 to \(FileStoreLimits.partBytes) bytes are read at once, from 0 on")
        }
        if request.offset == 0 {
            let data = try await content(request.key, at: 0, max: FileHead.bytes + request.length)
            return try part(try FileHead.read(data, at: request.key), Data(data.dropFirst(FileHead.bytes)), request)
        }
        // The file may be replaced between two readings: then head and content would be of two files.
        for _ in 0..<4 {
            let before = try await head(request.key)
            guard request.offset < before.file.bytes else { return FilePart(file: before, content: Data()) }
            let data = try await content(request.key, at: Int64(FileHead.bytes) + request.offset, max: request.length)
            if try await head(request.key) == before { return try part(before, data, request) }
        }
        throw FileStoreError.unavailable("the file is replaced faster than it is read")
    }
    private func part(_ file: StoredFile, _ data: Data, _ request: FileReading) throws -> FilePart {
        guard Int64(data.count) == max(0, min(Int64(request.length), file.file.bytes - request.offset)) else {
            throw FileStoreError.damaged("\(request.key) is shorter or longer than it was")
        }
        return FilePart(file: file, content: data)
    }

    func delete(_ key: FileKey) async throws {
        try refuse(key.fault)
        do { try await folder.remove(Self.name(key)) } catch { throw Self.failure(error, published: true) }
    }

    func list(_ request: FileListing) async throws -> FilePage {
        try refuse(request.fault)
        let home = request.tenant + "/"
        do {
            var entries = try await folder.entries(
                prefix: home + request.prefix, after: request.after.map { home + $0 }, limit: min(1_000, request.limit + 1))
            var hasMore = entries.count > request.limit
            if !hasMore, entries.count == 1_000, let last = entries.last {
                hasMore = try await !folder.entries(prefix: home + request.prefix, after: last.name, limit: 1).isEmpty
            }
            entries = Array(entries.prefix(request.limit))
            return FilePage(
                files: entries.map {
                    ListedFile(path: String($0.name.dropFirst(home.count)), bytes: max(0, $0.bytes - Int64(FileHead.bytes)))
                },
                hasMore: hasMore)
        } catch { throw Self.failure(error, published: false) }
    }

    // MARK: - In pieces

    func beginUpload(_ file: FileDeclaration) async throws -> String {
        try refuse(file.faultInPieces)
        let id = Self.freshName()
        do { try await folder.write(try FileHead.write(StoredFile(file: file, storedAt: clock.now())), toDraft: id, at: 0) } catch {
            throw Self.failure(error, published: false)
        }
        return id
    }

    func putPart(_ part: FilePiece) async throws -> PieceReceipt {
        try part.check()
        guard try await isUnderWay(part.upload) else { throw FileStoreError.unknownFile("upload") }
        do {
            try await folder.write(part.content, toDraft: part.upload.id, at: Int64(FileHead.bytes) + Int64(part.number - 1) * Self.size)
        } catch { throw Self.failure(error, published: false) }
        return PieceReceipt(number: part.number, digest: part.digest, token: "")
    }

    func finishUpload(_ end: UploadEnd) async throws -> StoredFile {
        try end.check()
        let file = end.upload.file
        guard try await isUnderWay(end.upload) else {
            // An answer that got lost is asked for again.
            if let stored = try? await head(file.key), stored.file == file { return stored }
            throw FileStoreError.unknownFile("upload")
        }
        let stored = StoredFile(file: file, storedAt: clock.now())
        do {
            for receipt in end.receipts {
                let place = Int64(receipt.number - 1) * Self.size
                let count = Int(min(Self.size, file.bytes - place))
                let content = try await folder.readDraft(end.upload.id, at: Int64(FileHead.bytes) + place, max: count)
                // What lies on the disk counts, not what was said about it.
                guard content.count == count, PluginDigest.sha256(content) == Array(receipt.digest) else {
                    throw FileStoreError.mismatch("piece \(receipt.number) is missing, or is another than its receipt says")
                }
            }
            try await folder.write(try FileHead.write(stored), toDraft: end.upload.id, at: 0)
        } catch { throw Self.failure(error, published: false) }
        try await publish(end.upload.id, stored)
        return stored
    }

    func abandonUpload(_ upload: FileUpload) async throws {
        try refuse(upload.file.fault)
        guard try await isUnderWay(upload) else { return }
        do { try await folder.discard(draft: upload.id) } catch { throw Self.failure(error, published: true) }
    }

    /// Whether there is such an upload, and it is this file's: an id by itself opens nothing.
    private func isUnderWay(_ upload: FileUpload) async throws -> Bool {
        guard Self.isName(upload.id) else { return false }
        do {
            let data = try await folder.readDraft(upload.id, at: 0, max: FileHead.bytes)
            return (try? FileHead.read(data, at: upload.file.key))?.file == upload.file
        } catch PluginFolderFailure.missing {
            return false
        } catch { throw Self.failure(error, published: false) }
    }

    // MARK: - What all use

    private func publish(_ draft: String, _ file: StoredFile) async throws {
        do { try await folder.publish(draft: draft, as: Self.name(file.key)) } catch {
            // It may be there already, and only the disk's word for it is missing.
            throw Self.failure(error, published: true)
        }
    }
    private func content(_ key: FileKey, at offset: Int64, max: Int) async throws -> Data {
        do { return try await folder.read(Self.name(key), at: offset, max: max) } catch PluginFolderFailure.missing {
            throw FileStoreError.unknownFile("\(key)")
        } catch { throw Self.failure(error, published: false) }
    }
    private func refuse(_ fault: String?) throws { if let fault { throw FileStoreError.refused(fault) } }

    private static func name(_ key: FileKey) -> String { "\(key.tenant)/\(key.path)" }
    private static func freshName() -> String {
        var random = SystemRandomNumberGenerator()
        return PluginDigest.hex((0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    private static func isName(_ text: String) -> Bool {
        text.utf8.count == 32 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
    /// `published`: whether what was asked for may be there though it failed.
    private static func failure(_ error: any Error, published: Bool) -> any Error {
        switch error as? PluginFolderFailure {
        case .full(let what): FileStoreError.full(what)
        case .unavailable(let what): published ? FileStoreError.unknown(what) : .unavailable(what)
        case .missing(let what): FileStoreError.unknownFile(what)
        case .invalid(let what): FileStoreError.refused(what)
        default: error
        }
    }
}
