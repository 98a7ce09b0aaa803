import Foundation
import Store
import Tenancy
import Vocabulary

/// A tenant leaves: its addresses open nothing, later its files and rows are destroyed in every store.
extension Projects: ClosureStep {
    package var name: String { "projects" }
    package var tables: [String] {
        ["project_piece_all", "project_object_all", "project_file_all", "project_share_all", "project_all", "project_usage_all"]
    }

    package func revoke(_ tenant: TenantID, _ act: Act) async throws {
        try await counted(tenant) { db in try db.run(ProjectTable.close, 1) }
    }
    package func restore(_ tenant: TenantID, _ act: Act) async throws {
        try await counted(tenant) { db in try db.run(ProjectTable.close, 0) }
    }
    /// Rows first lead to every content in every store; then the store that is at work is asked what it has of the tenant's all the same.
    package func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder] {
        try await revoke(tenant, act)
        var last: [UInt8] = []
        while true {
            let from = last
            let projects = try await store.tenantRead(tenant) { db in try db.rows(ProjectTable.all, from, 200).map(Self.project) }
            for project in projects { try await destroy(project.id, tenant, act) }
            guard let end = projects.last else { break }
            last = end.id.uuid.bytes
        }
        if let (_, shelf) = shelves.current {
            while true {
                let page = try await shelf.list(FileListing(tenant: tenant.description, prefix: "p/", limit: 500))
                for file in page.files { try await shelf.delete(FileKey(tenant: tenant.description, path: file.path)) }
                guard page.hasMore else { break }
            }
        }
        try await store.tenant(tenant) { db in try db.run(ProjectTable.dropUsage) }
        return []
    }

    /// One project with everything in it, at once: nobody of the tenant writes any more.
    private func destroy(_ id: Project.ID, _ tenant: TenantID, _ act: Act) async throws {
        while true {
            let objects = try await store.tenant(tenant) { db in
                try Self.purge(id, db, act)
                try db.run(ProjectFileTable.removeFiles, id)
                for state in ["stored", "declared"] {
                    for object in try db.rows(ProjectFileTable.ofProject, id, state, 200).map(FileObject.init) {
                        state == "stored" ? try Self.drop(object, db, act) : try Self.abandon(object, db, act)
                    }
                }
                return try db.rows(ProjectFileTable.ofProject, id, "dropped", 200).map(FileObject.init)
            }
            for object in objects {
                guard let shelf = shelves.shelf(object.store) else { throw FileStoreError.unavailable("\(object.store) is not at work") }
                if let upload = object.storeUpload {
                    try await shelf.abandonUpload(FileUpload(file: object.declaration(tenant), id: upload))
                }
                try await shelf.delete(object.key(tenant))
            }
            let isEmpty = try await store.tenant(tenant) { db in
                for object in objects {
                    try db.run(ProjectFileTable.dropPieces, object.id)
                    try db.run(ProjectFileTable.remove, object.id)
                }
                guard try db.row(ProjectFileTable.countOfProject, id)?.int(0) == 0 else { return false }
                try db.run(ProjectTable.unshareAll, id)
                try db.run(ProjectTable.remove, id)
                return true
            }
            if isEmpty { return }
        }
    }
}

/// What a leaving tenant takes along: every project, then every file's newest version with its hash, then their contents as streams.
extension Projects: ExportSource {
    package var given: [String] { ["project_all", "project_share_all", "project_file_all", "project_object_all"] }

    package func export(_ tenant: TenantID, to sink: any ExportSink, _ act: Act) async throws {
        try await everyProject(of: tenant) { project, shares in try await sink.record("projects", Self.record(project, shares)) }
        try await everyProject(of: tenant) { project, _ in
            try await everyFile(of: project, tenant) { file in
                let object = file.content
                try await sink.record(
                    "files",
                    [
                        "id": .string("\(file.id)"), "project_id": .string("\(project.id)"), "path": .string(file.path),
                        "version": .int(Int64(file.version)), "content_type": .string(object.contentType), "size_bytes": .int(object.bytes),
                        "hash": .string(object.hash.description), "changed_at": .string(file.changedAt.iso8601),
                    ])
            }
        }
        try await everyProject(of: tenant) { project, _ in
            try await everyFile(of: project, tenant) { file in
                let object = file.content
                guard let shelf = shelves.shelf(object.store) else { throw FileStoreError.unavailable("\(object.store) is not at work") }
                let pieces = FilePieces(count: object.bytes == 0 ? 0 : object.pieces) { number in
                    [UInt8](try await piece(number, of: object, shelf, tenant))
                }
                try await sink.file("contents", path: ["\(project.id)"] + file.path.split(separator: "/").map(String.init), content: pieces)
            }
        }
    }

    private func everyProject(of tenant: TenantID, _ take: (Project, [ProjectShare]) async throws -> Void) async throws {
        var last: [UInt8] = []
        while true {
            let from = last
            let found = try await store.tenantRead(tenant) { db in
                try db.rows(ProjectTable.all, from, 100).map { row in
                    let project = try Self.project(row)
                    return (project, try Self.shares(project.id, db))
                }
            }
            for (project, shares) in found where project.state != .purging { try await take(project, shares) }
            guard let end = found.last else { return }
            last = end.0.id.uuid.bytes
        }
    }

    private func everyFile(of project: Project, _ tenant: TenantID, _ take: (ProjectFile) async throws -> Void) async throws {
        var after = ""
        while true {
            let from = after
            let files = try await store.tenantRead(tenant) { db in
                try db.rows(ProjectFileTable.list, project.id, from, 0, "", 100).map(ProjectFile.init)
            }
            for file in files { try await take(file) }
            guard let end = files.last else { return }
            after = end.content.pathKey
        }
    }

    private static func record(_ project: Project, _ shares: [ProjectShare]) -> JSONValue {
        [
            "id": .string("\(project.id)"), "name": .string(project.name), "summary": .string(project.summary),
            "state": .string(project.state.rawValue), "created_by": .string("\(project.createdBy)"),
            "created_at": .string(project.createdAt.iso8601), "changed_at": .string(project.changedAt.iso8601),
            "shares": .array(shares.map { ["target": .string($0.target.text), "level": .string($0.level.rawValue)] }),
        ]
    }
}

/// The pieces of one content, read as they are asked for.
struct FilePieces: AsyncSequence, Sendable {
    typealias Element = [UInt8]
    typealias Failure = any Error
    let count: Int
    let read: @Sendable (Int) async throws -> [UInt8]

    struct AsyncIterator: AsyncIteratorProtocol {
        let pieces: FilePieces
        var number = 0
        mutating func next() async throws -> [UInt8]? {
            guard number < pieces.count else { return nil }
            number += 1
            return try await pieces.read(number)
        }
    }
    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces: self) }
}
