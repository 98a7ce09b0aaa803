// since 1.2
import Foundation
import PluginKit

/// A file store that does what the last segment of a path says.
struct Closet: FileStore {
    let context: PluginContext
    var presigns: Bool { true }

    private func act(_ key: FileKey) async throws {
        let word = key.path.split(separator: "/").last.map(String.init) ?? ""
        if word == "throws" { throw Strange(words: try context.secrets.one("MISBEHAVING_SECRET")) }
        if word == "waits" { try await context.clock.sleep(for: .hours(24)) }
        try await Hostility.act(word, context)
    }
    struct Strange: Error { let words: String }
    private func stored(_ key: FileKey) -> StoredFile {
        StoredFile(file: FileContent(key, "text/plain", Data("x".utf8)).file, storedAt: Timestamp(microseconds: 0))
    }

    func put(_ file: FileContent) async throws -> StoredFile {
        try await act(file.file.key)
        return StoredFile(file: file.file, storedAt: context.clock.now())
    }
    func head(_ key: FileKey) async throws -> StoredFile {
        try await act(key)
        return stored(key)
    }
    func read(_ request: FileReading) async throws -> FilePart {
        try await act(request.key)
        return FilePart(file: stored(request.key), content: Data("x".utf8))
    }
    func delete(_ key: FileKey) async throws { try await act(key) }
    func list(_ request: FileListing) async throws -> FilePage { FilePage(files: [], hasMore: false) }
    func beginUpload(_ file: FileDeclaration) async throws -> String { "u" }
    func putPart(_ part: FilePiece) async throws -> PieceReceipt { PieceReceipt(number: part.number, digest: part.digest, token: "") }
    func finishUpload(_ end: UploadEnd) async throws -> StoredFile { stored(end.upload.file.key) }
    func abandonUpload(_ upload: FileUpload) async throws {}
    func presign(_ request: PresignRequest) async throws -> PresignedAddress {
        PresignedAddress(url: "https://files.test/\(request.key)", method: "GET", headers: [:], expiresAt: context.clock.now())
    }
}
// end of 1.2
