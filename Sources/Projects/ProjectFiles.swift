import Foundation
import Store
import Vocabulary

/// Files as people see them: names, versions, contents.
extension Projects {
    static let mostVersions = 1_000

    package func files(in id: Project.ID, prefix: String, after: String?, limit: Int, _ principal: Principal, _ act: Act) async throws
        -> [ProjectFile]
    {
        let prefix = prefix.isEmpty ? "" : try Self.prefixKey(prefix)
        return try await audited(principal, "project.files_listed", "project:\(id)", act) { db in
            _ = try Self.seen(id, principal, .read, db, act.now)
            return try db.rows(ProjectFileTable.list, id, after ?? "", prefix.unicodeScalars.count, prefix, limit).map(ProjectFile.init)
        }
    }
    /// A prefix of paths, folded as they are; a slash at its end stays.
    private static func prefixKey(_ text: String) throws -> String {
        let isFolder = text.hasSuffix("/")
        let key = try FilePath(isFolder ? String(text.dropLast()) : text).key
        return isFolder ? key + "/" : key
    }

    package func file(_ id: ProjectFile.ID, _ principal: Principal, _ act: Act) async throws -> (file: ProjectFile, versions: [FileObject])
    {
        try await audited(principal, "file.looked_at", "file:\(id)", act) { db in
            let file = try Self.file(id, principal, .read, db, act.now)
            return (file, try db.rows(ProjectFileTable.versions, id, Self.mostVersions).map(FileObject.init))
        }
    }

    /// Nil: the newest version.
    package func download(_ id: ProjectFile.ID, version: Int?, range: String?, _ principal: Principal, _ act: Act) async throws
        -> FileDownload
    {
        let object = try await audited(principal, "file.read", "file:\(id)", act) { db in
            try Self.content(id, version, principal, db, act.now)
        }
        return try await download(object, range, principal.tenant)
    }

    /// An address under which whoever has it reads this version for a while.
    package func address(of id: ProjectFile.ID, version: Int?, _ principal: Principal, _ act: Act) async throws -> FileWay {
        let object = try await store.tenant(principal.tenant) { db in
            let object = try Self.content(id, version, principal, db, act.now)
            try db.journal(
                JournalEntry("file.address_made", subject: "file:\(id)", details: ["version": .int(Int64(object.version ?? 0))]), act)
            return object
        }
        guard let shelf = shelves.shelf(object.store) else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        return try await way(.read, object, shelf, principal, lifetime: .seconds(settings[ProjectSettings.addressSeconds]), act)
    }

    /// What an address of this server's opens.
    package func download(under address: FileAddress, range: String?, _ act: Act) async throws -> FileDownload {
        let principal = try await holder(of: address, act)
        let object = try await audited(principal, "file.read", "object:\(address.object)", act) { db in
            guard try db.row(ProjectTable.usage).map(Self.usage)?.isClosed == false else { throw ProjectProblems.address }
            guard let object = try db.row(ProjectFileTable.one, address.object).map(FileObject.init), object.state == .stored,
                object.bytes == address.bytes
            else { throw CommonProblems.notFound }
            _ = try Self.seen(object.project, principal, .read, db, act.now)
            return object
        }
        return try await download(object, range, address.tenant)
    }

    private func download(_ object: FileObject, _ range: String?, _ tenant: TenantID) async throws -> FileDownload {
        guard let shelf = shelves.shelf(object.store) else { throw ProjectProblems.store.retry(afterSeconds: 30) }
        let wanted = try ByteRange.read(range, of: object.bytes)
        let part = wanted ?? ByteRange(offset: 0, count: object.bytes)
        let read: @Sendable (Int64) async throws -> Data = { offset in
            let size = Int64(FileStoreLimits.partBytes)
            let number = Int(offset / size) + 1
            let content = try await piece(number, of: object, shelf, tenant)
            let from = Int(offset - Int64(number - 1) * size)
            let count = min(Int64(content.count - from), part.offset + part.count - offset)
            return content.dropFirst(from).prefix(Int(max(0, count)))
        }
        return FileDownload(object: object, range: part, isWhole: wanted == nil, read: read)
    }

    /// One piece, proved by the hash that came with it: what a store has spoilt is given to nobody.
    func piece(_ number: Int, of object: FileObject, _ shelf: any FileStore, _ tenant: TenantID) async throws -> Data {
        let size = Int64(FileStoreLimits.partBytes)
        let part = try await Self.answered {
            try await shelf.read(FileReading(key: object.key(tenant), offset: Int64(number - 1) * size, length: FileStoreLimits.partBytes))
        }
        var digest = object.hash.digest
        if object.pieces > 1 {
            guard let row = try await store.tenantRead(tenant, { db in try db.row(ProjectFileTable.piece, object.id, number) }) else {
                throw FileStoreError.damaged("no proof of piece \(number)")
            }
            digest = Data(try row.blob(0))
        }
        guard Data(PluginDigest.sha256(part.content)) == digest else {
            throw FileStoreError.damaged("piece \(number) of \(object.id) has another hash than when it was stored")
        }
        return part.content
    }

    /// The file with all its versions.
    package func remove(_ id: ProjectFile.ID, _ principal: Principal, _ act: Act) async throws {
        try await store.tenant(principal.tenant) { db in
            let file = try Self.file(id, principal, .write, db, act.now)
            guard let project = try Self.find(file.content.project, db), project.state.takesFiles else { throw ProjectProblems.notActive }
            try db.run(ProjectFileTable.removeFile, id)
            for object in try db.rows(ProjectFileTable.versions, id, Self.mostVersions).map(FileObject.init) {
                try Self.drop(object, db, act)
            }
            try db.journal(
                JournalEntry("file.removed", subject: "file:\(id)", details: ["project": .string("\(project.id)")]), act)
            try db.emit(
                ProjectFileChanged(
                    tenant: db.tenant, project: project.id, file: id, step: .removed, version: file.version, bytes: file.content.bytes,
                    hash: file.content.hash.description), act)
        }
    }

    private static func file(
        _ id: ProjectFile.ID, _ principal: Principal, _ needed: ProjectReach, _ db: any TenantScope, _ now: Timestamp
    ) throws -> ProjectFile {
        guard let file = try db.row(ProjectFileTable.get, id).map(ProjectFile.init) else { throw CommonProblems.notFound }
        _ = try seen(file.content.project, principal, needed, db, now)
        return file
    }
    private static func content(_ id: ProjectFile.ID, _ version: Int?, _ principal: Principal, _ db: any TenantScope, _ now: Timestamp)
        throws -> FileObject
    {
        let file = try file(id, principal, .read, db, now)
        guard let version, version != file.version else { return file.content }
        guard let old = try db.row(ProjectFileTable.version, id, version).map(FileObject.init) else { throw CommonProblems.notFound }
        return old
    }
}
