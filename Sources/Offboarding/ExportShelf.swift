import Signing
import Store
import Tenancy
import Vocabulary

/// Where one export lies: sealed pieces in a file store, or in rows; what stands of it is said by rows alone.
struct ExportShelf: ArchiveShelf {
    let room: Offboarding
    let export: TenantExport
    let tenant: TenantID
    let turn: Int
    let shelves: any ExportShelves
    private var id: TenantExport.ID { export.id }

    static func folder(_ id: TenantExport.ID) -> String { "e/\(id)/" }
    private static func context(_ id: TenantExport.ID, _ number: Int) -> String { "offboarding.export:\(id):\(number)" }

    func keep(_ bytes: [UInt8], number: Int, at offset: Int64) async throws {
        let box = try room.floor.sealer.seal(bytes, context: Self.context(id, number))
        var path: String?
        if !export.shelf.isEmpty {
            // A name of this attempt's own: one that lost its turn spoils nothing.
            let name = "\(Self.folder(id))\(number)-\(Hex.encode(room.floor.entropy.bytes(8)))"
            try await shelves.put(box, name, of: tenant, on: export.shelf)
            path = name
        }
        let (kept, inside) = (path, path == nil ? box : nil)
        try await mine { db in
            try db.run(ExportTable.insertPiece, tenant, id, number, offset, bytes.count, kept, inside)
        }
    }

    func stand(_ entries: [ArchivedFile], from first: Int, _ progress: ArchiveProgress) async throws {
        try await mine { db in
            for (index, entry) in entries.enumerated() {
                try db.run(
                    ExportTable.insertEntry, tenant, id, first + index, entry.name, entry.name.lowercased(), entry.source, entry.beginsAt,
                    entry.size, Int64(entry.crc), entry.sha256)
            }
            try db.run(ExportTable.stand, id, progress.rooms, progress.pieces, progress.bytes, progress.entries)
        }
    }

    func has(source: [UInt8]) async throws -> Bool {
        try await room.store.tenantRead(tenant) { db in try db.row(ExportTable.hasSource, id, source) != nil }
    }
    func has(name key: String) async throws -> Bool {
        try await room.store.tenantRead(tenant) { db in try db.row(ExportTable.hasName, id, key) != nil }
    }

    private func mine(_ body: @escaping @Sendable (any TenantScope) throws -> Void) async throws {
        try await room.store.tenant(tenant) { db in
            guard try db.row(ExportTable.isTurn, id, turn) != nil else { throw ExportTaken() }
            try body(db)
        }
    }

    /// Pieces of an attempt that did not come so far that they stood.
    func forget(from offset: Int64) async throws {
        while true {
            let paths = try await room.store.tenant(tenant) { db in
                try db.rows(ExportTable.dropPieces, id, offset).map { try $0.optional(0, $0.text) }
            }
            guard !paths.isEmpty else { return }
            for case let path? in paths { try await shelves.delete(path, of: tenant, on: export.shelf) }
        }
    }

    /// The rest of the piece with the byte at `offset`.
    func read(at offset: Int64) async throws -> [UInt8] {
        guard let row = try await room.store.tenantRead(tenant, { db in try db.row(ExportTable.pieceAt, id, offset) }) else {
            throw OffboardingProblems.noExport
        }
        let (number, begin, count) = (try row.int(0), try row.integer(1), try row.int(2))
        let path = try row.optional(3, row.text)
        let box: [UInt8] =
            if let path {
                try await shelves.read(path, bytes: count + 200, of: tenant, on: export.shelf)
            } else { try row.blob(4) }
        let bytes = try room.floor.sealer.open(box, context: Self.context(id, number))
        guard bytes.count == count, offset - begin < Int64(count) else { throw OffboardingProblems.noExport }
        return Array(bytes.dropFirst(Int(offset - begin)))
    }
}

/// The entries of an export, page by page, as the lines of its list.
actor ExportList {
    private let export: TenantExport.ID
    private let tenant: TenantID
    private let store: any Store
    private var done = 0

    init(export: TenantExport.ID, tenant: TenantID, store: any Store) {
        self.export = export
        self.tenant = tenant
        self.store = store
    }

    func page(from number: Int) async throws -> [ArchivedFile] {
        let export = export
        return try await store.tenantRead(tenant) { db in
            try db.rows(ExportTable.entries, export, number).map { row in
                ArchivedFile(
                    name: try row.text(0), source: try row.blob(1), beginsAt: try row.integer(2), size: try row.integer(3),
                    crc: UInt32(truncatingIfNeeded: try row.integer(4)), sha256: try row.blob(5))
            }
        }
    }

    /// The next lines; nil at the end.
    func next() async throws -> [UInt8]? {
        let page = try await page(from: done)
        guard !page.isEmpty else { return nil }
        done += page.count
        return try page.flatMap { file in
            let line: JSONValue = ["name": .string(file.name), "bytes": .int(file.size), "sha256": .string(Hex.encode(file.sha256))]
            return [UInt8](try JSONCoding.encode(line)) + [10]
        }
    }
}
