import Foundation
import PluginKit

/// What stands before the content in each file and draft: 1,024 bytes, so that type, hash and content become visible in one step.
enum FileHead {
    static let bytes = 1_024
    private static let mark = "coditect-file 1\n"

    private struct Words: Codable {
        var tenant: String
        var path: String
        var type: String
        var bytes: Int64
        var hash: String
        var stored: Int64
    }

    static func write(_ file: StoredFile) throws -> Data {
        let declared = file.file
        let words = Words(
            tenant: declared.key.tenant, path: declared.key.path, type: declared.contentType, bytes: declared.bytes,
            hash: declared.hash.description, stored: file.storedAt.microseconds)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var head = Data(mark.utf8) + (try encoder.encode(words))
        guard head.count < bytes else { throw FileStoreError.refused("the key is too long") }
        head.append(Data(repeating: UInt8(ascii: " "), count: bytes - 1 - head.count))
        head.append(UInt8(ascii: "\n"))
        return head
    }

    /// Throws `damaged` where these are no such bytes, or those of another key.
    static func read(_ data: Data, at key: FileKey) throws -> StoredFile {
        let head = data.prefix(bytes)
        guard head.count == bytes, head.starts(with: mark.utf8),
            let words = try? JSONDecoder().decode(Words.self, from: Data(head.dropFirst(mark.utf8.count))),
            let hash = ContentHash(words.hash)
        else { throw FileStoreError.damaged("what lies at \(key) was not written here") }
        let file = FileDeclaration(
            key: FileKey(tenant: words.tenant, path: words.path), contentType: words.type, bytes: words.bytes, hash: hash)
        guard file.key == key, file.fault == nil else { throw FileStoreError.damaged("what lies at \(key) is another file") }
        return StoredFile(file: file, storedAt: Timestamp(microseconds: words.stored))
    }
}
