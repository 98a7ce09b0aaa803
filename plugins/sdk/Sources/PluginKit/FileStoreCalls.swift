// since 1.2
import Foundation

public struct FileReading: Sendable, Hashable, Codable {
    public var key: FileKey
    /// From 0.
    public var offset: Int64
    /// 1 … `FileStoreLimits.partBytes`.
    public var length: Int
    public init(key: FileKey, offset: Int64 = 0, length: Int = FileStoreLimits.partBytes) {
        self.key = key
        self.offset = offset
        self.length = length
    }
}

/// A part of a file, and the file that it is a part of.
public struct FilePart: Sendable, Hashable, Codable {
    public var file: StoredFile
    public var content: Data
    public init(file: StoredFile, content: Data) {
        self.file = file
        self.content = content
    }
}

public struct FileListing: Sendable, Hashable, Codable {
    public var tenant: String
    /// Of the paths; may end in the middle of a segment; empty: all of the tenant's.
    public var prefix: String
    /// Only paths behind this one.
    public var after: String?
    /// 1 … `FileStoreLimits.maxListed`.
    public var limit: Int
    public init(tenant: String, prefix: String = "", after: String? = nil, limit: Int = FileStoreLimits.maxListed) {
        self.tenant = tenant
        self.prefix = prefix
        self.after = after
        self.limit = limit
    }

    /// Nil if the listing is fine, else what is wrong with it.
    public var fault: String? {
        if let fault = FileKey(tenant: tenant, path: "x").fault { return fault }
        if let after, let fault = FileKey.fault(inPath: after) { return fault }
        guard (1...FileStoreLimits.maxListed).contains(limit) else { return "1 to \(FileStoreLimits.maxListed) files are listed at once" }
        // A prefix is the beginning of a path: completed by one letter it must be one.
        return prefix.isEmpty ? nil : FileKey.fault(inPath: prefix + "x")
    }
}

public struct ListedFile: Sendable, Hashable, Codable {
    public var path: String
    public var bytes: Int64
    public init(path: String, bytes: Int64) {
        self.path = path
        self.bytes = bytes
    }
}

public struct FilePage: Sendable, Hashable, Codable {
    public var files: [ListedFile]
    /// Whether there is more behind the last.
    public var hasMore: Bool
    public init(files: [ListedFile], hasMore: Bool) {
        self.files = files
        self.hasMore = hasMore
    }
}

/// An upload under way.
public struct FileUpload: Sendable, Hashable, Codable {
    /// As it was declared at the beginning.
    public var file: FileDeclaration
    /// What `beginUpload` answered.
    public var id: String
    public init(file: FileDeclaration, id: String) {
        self.file = file
        self.id = id
    }
}

public struct FilePiece: Sendable, Hashable, Codable {
    public var upload: FileUpload
    /// From 1.
    public var number: Int
    public var content: Data
    /// SHA-256 of the content.
    public var digest: Data
    public init(upload: FileUpload, number: Int, content: Data, digest: Data) {
        self.upload = upload
        self.number = number
        self.content = content
        self.digest = digest
    }

    /// Throws what a store must refuse before it keeps the piece.
    public func check() throws {
        let file = upload.file
        if let fault = file.faultInPieces { throw FileStoreError.refused(fault) }
        guard (1...file.piecesNeeded).contains(number) else {
            throw FileStoreError.refused("a file of \(file.bytes) bytes has no piece \(number)")
        }
        let size = Int64(FileStoreLimits.partBytes)
        guard Int64(content.count) == min(size, file.bytes - Int64(number - 1) * size) else {
            throw FileStoreError.mismatch("piece \(number) has \(content.count) bytes")
        }
        guard PluginDigest.sha256(content) == Array(digest) else {
            throw FileStoreError.mismatch("piece \(number) has another hash than was declared")
        }
    }
}

/// What the store wants to see of a piece again when the upload ends.
public struct PieceReceipt: Sendable, Hashable, Codable {
    public var number: Int
    public var digest: Data
    /// The store's own word; at most 256 printable bytes.
    public var token: String
    public init(number: Int, digest: Data, token: String) {
        self.number = number
        self.digest = digest
        self.token = token
    }
}

public struct UploadEnd: Sendable, Hashable, Codable {
    public var upload: FileUpload
    /// One of each piece, in their order.
    public var receipts: [PieceReceipt]
    public init(upload: FileUpload, receipts: [PieceReceipt]) {
        self.upload = upload
        self.receipts = receipts
    }

    /// Throws where pieces are missing, or are not those that the declared hash is made of.
    public func check() throws {
        let file = upload.file
        if let fault = file.faultInPieces { throw FileStoreError.refused(fault) }
        guard receipts.map(\.number) == Array(1...file.piecesNeeded) else {
            throw FileStoreError.mismatch("a file of \(file.bytes) bytes has \(file.piecesNeeded) pieces, each once")
        }
        guard ContentHash(ofPieces: receipts.map(\.digest)) == file.hash else {
            throw FileStoreError.mismatch("the pieces make up another hash than was declared")
        }
    }
}

public struct PresignRequest: Sendable, Hashable, Codable {
    public enum Purpose: Sendable, Hashable, Codable {
        /// By GET; a browser saves what comes under this name and shows nothing of it.
        case read(downloadName: String)
        /// By PUT, exactly what is declared here, with the hash of the whole.
        case write(FileDeclaration)
    }
    public var key: FileKey
    public var purpose: Purpose
    /// Within `FileStoreLimits.lifetime`.
    public var lifetime: Duration
    public init(key: FileKey, purpose: Purpose, lifetime: Duration) {
        self.key = key
        self.purpose = purpose
        self.lifetime = lifetime
    }

    /// Nil if the request is fine, else what is wrong with it.
    public var fault: String? {
        if let fault = key.fault { return fault }
        guard FileStoreLimits.lifetime.contains(lifetime) else { return "a presigned address lives for 1 s to 7 days" }
        switch purpose {
        case .read(let name):
            let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 && !["/", "\\"].contains($0) }
            return (1...200).contains(name.utf8.count) && isPlain
                ? nil : "a download's name has 1 to 200 bytes, no slash and no control signs"
        case .write(let file):
            if let fault = file.fault { return fault }
            return file.key == key && file.hash.pieces == 1 ? nil : "what is written is another file than the address is for"
        }
    }
}

public struct PresignedAddress: Sendable, Hashable, Codable {
    public var url: String
    /// `GET` or `PUT`.
    public var method: String
    /// What must be sent with it, in lower case; no secret.
    public var headers: [String: String]
    public var expiresAt: Timestamp
    public init(url: String, method: String, headers: [String: String], expiresAt: Timestamp) {
        self.url = url
        self.method = method
        self.headers = headers
        self.expiresAt = expiresAt
    }
}

/// Why a file store did not do what it was asked.
///
/// | case | done? | again? |
/// | --- | --- | --- |
/// | `unavailable` | no | yes, later |
/// | `unknown` | perhaps | yes, or settled by `head` |
/// | `full` | no | once there is room |
/// | the others | no | not as it is |
///
/// Texts are for logs and operators: no secret.
public enum FileStoreError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// Nothing is there, or no upload of that id.
    case unknownFile(String)
    /// The bytes are not those that were declared.
    case mismatch(String)
    case tooLarge(limit: Int64)
    case full(String)
    /// The answer did not come when it may have been carried out.
    case unknown(String)
    case unavailable(String)
    /// It will not: asking again does not help until an operator has done something.
    case refused(String)
    /// What is kept is not what was stored.
    case damaged(String)
    case notSupported

    public var description: String {
        switch self {
        case .unknownFile(let key): "there is no file \(key)"
        case .mismatch(let what): "mismatch: \(what)"
        case .tooLarge(let limit): "more than \(limit) bytes"
        case .full(let what): "full: \(what)"
        case .unknown(let what): "unknown: \(what)"
        case .unavailable(let what): "unavailable: \(what)"
        case .refused(let what): "refused: \(what)"
        case .damaged(let what): "damaged: \(what)"
        case .notSupported: "not supported"
        }
    }
}
// end of 1.2
