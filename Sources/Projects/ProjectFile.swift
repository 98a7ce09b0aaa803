import Foundation
import Store
import Vocabulary

/// One content: what lies, lay or will lie in a store.
package struct FileObject: Sendable, Hashable {
    package typealias ID = FileObjectID
    package let id: ID
    package let project: Project.ID
    package let file: ProjectFileID?
    package let version: Int?
    package let path: String
    package let pathKey: String
    package let contentType: String
    package let bytes: Int64
    package let hash: ContentHash
    package let store: String
    package let storeUpload: String?
    package let state: FileObjectState
    package let madeBy: UserID
    package let madeAt: Timestamp
    package let dueAt: Timestamp?
    package let looks: Int

    /// Made up by the server: nothing of it was written by a person.
    package func key(_ tenant: TenantID) -> FileKey { FileKey(tenant: tenant.description, path: "p/\(project)/\(id)") }
    package func declaration(_ tenant: TenantID) -> FileDeclaration {
        FileDeclaration(key: key(tenant), contentType: contentType, bytes: bytes, hash: hash)
    }
    package var pieces: Int { max(1, Int((bytes + Int64(FileStoreLimits.partBytes) - 1) / Int64(FileStoreLimits.partBytes))) }
    package var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    init(_ row: Row) throws {
        guard let hash = ContentHash(try row.text(8)), let state = FileObjectState(rawValue: try row.text(11)) else {
            throw StoreFault.corrupt("a file's row is not as it was written")
        }
        id = try row.id(0)
        project = try row.id(1)
        file = try row.optional(2, row.id)
        version = try row.optional(3, row.int)
        path = try row.text(4)
        pathKey = try row.text(5)
        contentType = try row.text(6)
        bytes = try row.integer(7)
        self.hash = hash
        store = try row.text(9)
        storeUpload = try row.optional(10, row.text)
        self.state = state
        madeBy = try row.id(12)
        madeAt = try row.time(13)
        dueAt = try row.optional(14, row.time)
        looks = try row.int(15)
    }
}

/// A name in a project with its newest content.
package struct ProjectFile: Sendable, Hashable {
    package typealias ID = ProjectFileID
    package let id: ID
    package let path: String
    package let version: Int
    package let createdAt: Timestamp
    package let changedAt: Timestamp
    package let content: FileObject

    init(_ row: Row) throws {
        content = try FileObject(row)
        let from = ProjectFileTable.fileColumns
        id = try row.id(from)
        path = try row.text(from + 1)
        version = try row.int(from + 2)
        createdAt = try row.time(from + 3)
        changedAt = try row.time(from + 4)
    }
}

/// What somebody says of a file before its bytes come.
package struct NewUpload: Sendable, Hashable {
    package var path: String
    package var contentType: String
    package var bytes: Int64
    /// `HEX`, or `HEX-PIECES` above 5 MiB.
    package var hash: String
    /// False: to an address of this server's, also where the store makes some of its own.
    package var isDirect: Bool
    package init(path: String, contentType: String, bytes: Int64, hash: String, isDirect: Bool = true) {
        self.isDirect = isDirect
        self.path = path
        self.contentType = contentType
        self.bytes = bytes
        self.hash = hash
    }
}

/// What holds for every upload into a project.
package struct UploadTerms: Sendable, Hashable {
    package let mostBytes = FileStoreLimits.maxFileBytes
    package let pieceBytes = FileStoreLimits.partBytes
    /// What the tier leaves to the tenant; nil: without limit.
    package let freeBytes: Int64?
    /// Of the addresses that the store makes itself, for files of one piece; nil: everything comes to this server.
    package let origin: String?
    init(freeBytes: Int64?, origin: String?) {
        self.freeBytes = freeBytes
        self.origin = origin
    }
}

/// Where the bytes go, or come from.
package struct FileWay: Sendable, Hashable {
    /// `PUT` or `GET`.
    package let method: String
    /// Of another machine, or a path of this server.
    package let url: String
    package let headers: [String: String]
    package let expiresAt: Timestamp
}

/// An upload as its maker sees it.
package struct UploadSeen: Sendable, Hashable {
    package let object: FileObject
    /// Pieces that have come; empty for a file of one.
    package let came: [Int]
    /// Nil once it is complete.
    package let way: FileWay?
    /// The file that it became.
    package let file: ProjectFile?
}

/// What is read of a content: piece after piece, each proved before it is given on.
package struct FileDownload: Sendable {
    package let object: FileObject
    /// Of the bytes wanted.
    package let range: ByteRange
    package let isWhole: Bool
    /// The bytes from `offset` of the file on, at most to the end of their piece and of the range.
    package let read: @Sendable (_ offset: Int64) async throws -> Data
}
