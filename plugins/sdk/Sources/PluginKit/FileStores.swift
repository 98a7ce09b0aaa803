// since 1.2
import Foundation

/// For the kind `file_store`: keeps files for the platform, each under a key that the server made up.
///
/// A file is there whole or not at all: until `put` or `finishUpload` is durable, readers see what was there before. The store compares what
/// it is given with the declared size and hash, and keeps type and hash with the file. Everything throws `FileStoreError`; every call answers
/// within `FileStoreLimits.answerSeconds`, `finishUpload` within `FileStoreLimits.finishSeconds`.
public protocol FileStore: Sendable {
    /// Whether `presign` works. Where not, the server gives out addresses of its own. Constant while the store runs.
    var presigns: Bool { get }
    /// Keeps a file of one piece in place of what the key held. The same call again does no harm.
    func put(_ file: FileContent) async throws -> StoredFile
    /// What the key holds; throws `unknownFile` where there is nothing.
    func head(_ key: FileKey) async throws -> StoredFile
    /// At most `length` bytes from `offset` on; empty behind the end.
    func read(_ request: FileReading) async throws -> FilePart
    /// Nothing is there afterwards; no error where nothing was.
    func delete(_ key: FileKey) async throws
    /// In the order of the paths' bytes; every file that was there before the first page and stays is on exactly one page.
    func list(_ request: FileListing) async throws -> FilePage
    /// Begins a file of several pieces and answers its upload's id.
    func beginUpload(_ file: FileDeclaration) async throws -> String
    /// Keeps one piece: each has `FileStoreLimits.partBytes` but the last, which has the rest. The same number again replaces it.
    func putPart(_ part: FilePiece) async throws -> PieceReceipt
    /// Makes the file of its pieces, if they are all there and make up the declared hash. Where it is finished already: the same answer.
    func finishUpload(_ end: UploadEnd) async throws -> StoredFile
    /// Lets an upload and its pieces go; no error where there is none.
    func abandonUpload(_ upload: FileUpload) async throws
    /// An address under which whoever has it may do one thing for a while; `notSupported` where `presigns` is false.
    func presign(_ request: PresignRequest) async throws -> PresignedAddress
}

extension FileStore {
    public var presigns: Bool { false }
    public func presign(_ request: PresignRequest) async throws -> PresignedAddress { throw FileStoreError.notSupported }
}

/// Where a file lies. The server makes keys up: nothing of them was written by a person, and no store may read a meaning into them.
public struct FileKey: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Whose it is. No call about one tenant's key ever touches another's.
    public var tenant: String
    /// Segments of letters, digits and `. _ -`, joined by slashes.
    public var path: String
    public init(tenant: String, path: String) {
        self.tenant = tenant
        self.path = path
    }
    public var description: String { "\(tenant)/\(path)" }

    /// Nil if the key is fine, else what is wrong with it.
    public var fault: String? {
        guard Self.isSegment(tenant) else {
            return "a tenant in a key has 1 to \(FileStoreLimits.maxSegmentBytes) letters, digits, _ and -"
        }
        guard tenant.utf8.allSatisfy({ $0 != 46 }) else { return "a tenant in a key holds no dot" }
        return Self.fault(inPath: path)
    }
    public static func fault(inPath path: String) -> String? {
        guard (1...FileStoreLimits.maxPathBytes).contains(path.utf8.count) else {
            return "a path has 1 to \(FileStoreLimits.maxPathBytes) bytes"
        }
        // By bytes: a combining mark after a slash makes one character of the two.
        let segments = path.utf8.split(separator: 47, omittingEmptySubsequences: false)
        guard segments.allSatisfy({ isSegment($0) }) else {
            return "a path's segments have 1 to \(FileStoreLimits.maxSegmentBytes) letters, digits and . _ -, and begin with no dot"
        }
        return nil
    }
    static func isSegment(_ text: String) -> Bool { isSegment(text.utf8) }
    static func isSegment(_ bytes: some Collection<UInt8>) -> Bool {
        (1...FileStoreLimits.maxSegmentBytes).contains(bytes.count) && bytes.first != 46
            && bytes.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [46, 95, 45].contains($0)
            }
    }
}

/// SHA-256 of a file: of the whole, or, as its pieces were sent, of the SHA-256 of each piece one after the other.
public struct ContentHash: Sendable, Hashable, Codable, CustomStringConvertible {
    /// 32 bytes.
    public var digest: Data
    /// 1: of the whole.
    public var pieces: Int
    public init(digest: Data, pieces: Int = 1) {
        self.digest = digest
        self.pieces = pieces
    }
    public init(of content: Data) { self.init(digest: Data(PluginDigest.sha256(content))) }
    /// Of a file that is sent in pieces of these SHA-256, in their order; one piece is the whole.
    public init(ofPieces digests: [Data]) {
        if digests.count == 1 {
            self.init(digest: digests[0])
            return
        }
        self.init(digest: Data(PluginDigest.sha256(digests.reduce(Data(), +))), pieces: digests.count)
    }
    /// `HEX`, or `HEX-PIECES`.
    public var description: String { PluginDigest.hex(Array(digest)) + (pieces == 1 ? "" : "-\(pieces)") }
    /// What `description` writes, strictly read; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.utf8.count == 64,
            first.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        var count = 1
        if parts.count == 2 {
            guard let pieces = Int(parts[1]), pieces > 1, pieces <= FileStoreLimits.maxPieces, "\(pieces)" == parts[1] else { return nil }
            count = pieces
        }
        let digits = Array(first.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
        self.init(digest: Data(stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }), pieces: count)
    }
    public var isUsable: Bool { digest.count == 32 && (1...FileStoreLimits.maxPieces).contains(pieces) }
}

/// What a file will be, said before its bytes come.
public struct FileDeclaration: Sendable, Hashable, Codable {
    public var key: FileKey
    /// `application/pdf`: lower case, without parameters.
    public var contentType: String
    public var bytes: Int64
    public var hash: ContentHash
    public init(key: FileKey, contentType: String, bytes: Int64, hash: ContentHash) {
        self.key = key
        self.contentType = contentType
        self.bytes = bytes
        self.hash = hash
    }

    /// Nil if nothing is wrong with it by itself.
    public var fault: String? {
        if let fault = key.fault { return fault }
        guard Self.isType(contentType) else {
            return "a content type is two lower-case words with a slash between them, without parameters"
        }
        guard (0...FileStoreLimits.maxFileBytes).contains(bytes) else { return "a file has 0 to \(FileStoreLimits.maxFileBytes) bytes" }
        guard hash.isUsable else { return "a hash has 32 bytes, of 1 to \(FileStoreLimits.maxPieces) pieces" }
        return nil
    }
    /// As many pieces as its size needs when it is sent in pieces.
    public var piecesNeeded: Int {
        let size = Int64(FileStoreLimits.partBytes)
        return max(1, Int((bytes + size - 1) / size))
    }
    /// Nil if it can be sent in pieces: it has more bytes than one piece holds, and the hash of its pieces.
    public var faultInPieces: String? {
        if let fault { return fault }
        guard bytes > Int64(FileStoreLimits.partBytes), hash.pieces == piecesNeeded else {
            return "an upload in pieces is for more than \(FileStoreLimits.partBytes) bytes, with the hash of its pieces"
        }
        return nil
    }
    public static func isType(_ text: String) -> Bool {
        let words = text.utf8.split(separator: 47, omittingEmptySubsequences: false)
        return text.utf8.count <= FileStoreLimits.maxTypeBytes && words.count == 2
            && words.allSatisfy { word in
                !word.isEmpty && word.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || [43, 45, 46, 95].contains($0) }
            }
    }
}

/// A file of one piece with its bytes, at most `FileStoreLimits.partBytes`.
public struct FileContent: Sendable, Hashable, Codable {
    public var file: FileDeclaration
    public var content: Data
    public init(file: FileDeclaration, content: Data) {
        self.file = file
        self.content = content
    }
    /// Declares what the content is.
    public init(_ key: FileKey, _ contentType: String, _ content: Data) {
        self.init(
            file: FileDeclaration(key: key, contentType: contentType, bytes: Int64(content.count), hash: ContentHash(of: content)),
            content: content)
    }

    /// Throws what a store must refuse before it keeps anything: a key that is none, too many bytes, other bytes than declared.
    public func check() throws {
        if let fault = file.fault { throw FileStoreError.refused(fault) }
        guard content.count <= FileStoreLimits.partBytes else { throw FileStoreError.tooLarge(limit: Int64(FileStoreLimits.partBytes)) }
        guard file.hash.pieces == 1 else { throw FileStoreError.refused("a file of one piece has the hash of the whole") }
        guard Int64(content.count) == file.bytes else {
            throw FileStoreError.mismatch("\(content.count) bytes came, \(file.bytes) were declared")
        }
        guard PluginDigest.sha256(content) == Array(file.hash.digest) else {
            throw FileStoreError.mismatch("the bytes that came have another hash than was declared")
        }
    }
}

/// A file that is there.
public struct StoredFile: Sendable, Hashable, Codable {
    public var file: FileDeclaration
    public var storedAt: Timestamp
    public init(file: FileDeclaration, storedAt: Timestamp) {
        self.file = file
        self.storedAt = storedAt
    }
    public var key: FileKey { file.key }
}

public enum FileStoreLimits {
    /// 5 MiB: a file of one piece, a piece of a larger one, what is read at once.
    public static let partBytes = 5_242_880
    public static let maxPieces = 1_024
    /// 5 GiB.
    public static let maxFileBytes: Int64 = 5_368_709_120
    public static let maxPathBytes = 400
    public static let maxSegmentBytes = 100
    public static let maxTypeBytes = 100
    public static let maxListed = 1_000
    public static let answerSeconds = 60
    public static let finishSeconds = 110
    public static let maxUploadIDBytes = 1_024
    /// Of a presigned address.
    public static let lifetime: ClosedRange<Duration> = Duration.seconds(1)...Duration.days(7)
}

extension PluginKind {
    public static let fileStore = PluginKind(rawValue: "file_store")
}
// end of 1.2
