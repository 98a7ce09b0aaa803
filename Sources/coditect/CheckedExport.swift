import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// An export of which every file is what the platform signed: each as the list says, the list as the manifest says, the manifest as it was signed.
struct CheckedExport {
    private static let (manifestName, signatureName) = ("manifest.json", "manifest.signature.json")
    /// The list's lines, and the archive's own small files.
    private static let mostBytes = 1_048_576

    private let manifest: JSONValue
    private let keyID: String
    private let bytes: UInt64

    init(archive path: String, keys: LicensePublicKeys) throws {
        do {
            let zip = try ZipReader(path)
            let entries = Dictionary(zip.entries.map { ($0.name, $0) }) { first, _ in first }
            func entry(_ name: String) throws -> ZipReader.Entry {
                guard let entry = entries[name] else { throw ZipReader.Damaged(why: "\(name) is missing") }
                return entry
            }
            let text = try zip.read(try entry(Self.manifestName), most: UInt64(Self.mostBytes))
            let said = try Self.object(try zip.read(try entry(Self.signatureName), most: UInt64(Self.mostBytes)), Self.signatureName)
            keyID = try Proof(.tenantExport, text, said, keys, file: "\(path): \(Self.manifestName)").keyID
            manifest = try Self.object(text, Self.manifestName)
            guard manifest["kind"]?.string == "coditect.tenant_export", manifest["version"]?.int == 1,
                let list = manifest["list"], let listName = list["name"]?.string
            else { throw ZipReader.Damaged(why: "its manifest is of a kind that this program does not know") }
            var left = Set(entries.keys)
            left.subtract([Self.manifestName, Self.signatureName, listName])
            var count: Int64 = 0
            var lines = Lines(most: Self.mostBytes)
            try Self.check(try entry(listName), of: zip, list) { piece in
                try lines.take(piece) { line in
                    let said = try Self.object(line, listName)
                    guard let name = said["name"]?.string, left.remove(name) != nil else {
                        throw ZipReader.Damaged(why: "a file that is listed is missing: \(said["name"]?.string ?? "without a name")")
                    }
                    try Self.check(try entry(name), of: zip, said)
                    count += 1
                }
            }
            guard lines.isDone else { throw ZipReader.Damaged(why: "its list is cut off") }
            guard manifest["files"]?.int == count else {
                throw ZipReader.Damaged(why: "it lists \(count) files, and not as many as were signed")
            }
            if let foreign = left.min() { throw ZipReader.Damaged(why: "\(foreign) was not signed") }
            bytes = zip.entries.reduce(0) { $0 + $1.size }
        } catch let damaged as ZipReader.Damaged {
            throw Failure(.damaged, "file_damaged", "\(path): \(damaged.why)", next: "fetch it again")
        }
    }

    private static func object(_ bytes: [UInt8], _ name: String) throws -> JSONValue {
        guard let read = try? StrictJSON.parse(bytes, maxBytes: mostBytes), read.object != nil else {
            throw ZipReader.Damaged(why: "\(name) is no JSON")
        }
        return read
    }

    /// Size and SHA-256 as they are said.
    private static func check(
        _ entry: ZipReader.Entry, of zip: ZipReader, _ said: JSONValue, _ piece: (Data) throws -> Void = { _ in }
    ) throws {
        guard said["bytes"]?.int == Int64(exactly: entry.size) else {
            throw ZipReader.Damaged(why: "\(entry.name) has not the size that was signed")
        }
        let digest = RunningDigest()
        try zip.read(entry) { some in
            digest.add(some)
            try piece(some)
        }
        guard said["sha256"]?.string == Hex.encode(digest.finish()) else {
            throw ZipReader.Damaged(why: "\(entry.name) is not what was signed")
        }
    }

    /// Lines of a text that comes in pieces.
    private struct Lines {
        let most: Int
        private var rest: [UInt8] = []
        init(most: Int) { self.most = most }
        var isDone: Bool { rest.isEmpty }
        mutating func take(_ piece: Data, _ line: ([UInt8]) throws -> Void) throws {
            for byte in piece {
                if byte == 10 {
                    try line(rest)
                    rest = []
                } else {
                    guard rest.count < most else { throw ZipReader.Damaged(why: "its list is damaged") }
                    rest.append(byte)
                }
            }
        }
    }

    var json: JSONValue { ["intact": true, "key_id": .string(keyID), "manifest": manifest] }

    var lines: [String] {
        [
            "intact    organisation \(manifest["tenant_id"]?.string ?? "")", "signed    with \(keyID)",
            "made      \(manifest["exported_at"]?.string.map(Words.moment) ?? "")",
            "files     \(manifest["files"]?.int ?? 0), \(bytes) bytes with what tells of them",
        ]
    }
}
