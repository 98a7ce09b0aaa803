import Foundation
import Vocabulary

/// Whether a content is what its declared type says, by its first and last bytes. Nobody runs or shows anything here: files are only ever
/// saved. The rule is for whoever opens them afterwards by the type's program.
package enum ContentRule {
    /// As many bytes of the beginning and of the end as the rule looks at.
    package static let headBytes = 4_096
    package static let tailBytes = 66_000

    /// What a type's content begins with, one of several; by offset.
    private static let marks: [String: [(offset: Int, bytes: [UInt8])]] = [
        "image/png": [(0, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])], "image/jpeg": [(0, [0xFF, 0xD8, 0xFF])],
        "image/gif": [(0, Array("GIF87a".utf8)), (0, Array("GIF89a".utf8))], "image/webp": [(8, Array("WEBP".utf8))],
        "image/bmp": [(0, Array("BM".utf8))], "image/tiff": [(0, [0x49, 0x49, 0x2A, 0]), (0, [0x4D, 0x4D, 0, 0x2A])],
        "application/pdf": [(0, Array("%PDF-".utf8))], "application/gzip": [(0, [0x1F, 0x8B])],
        "application/x-7z-compressed": [(0, [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C])], "application/zstd": [(0, [0x28, 0xB5, 0x2F, 0xFD])],
        "video/mp4": [(4, Array("ftyp".utf8))],
        "audio/mpeg": [(0, Array("ID3".utf8)), (0, [0xFF, 0xFB]), (0, [0xFF, 0xF3]), (0, [0xFF, 0xF2])],
        "audio/wav": [(8, Array("WAVE".utf8))], "audio/ogg": [(0, Array("OggS".utf8))], "font/woff2": [(0, Array("wOF2".utf8))],
        "application/vnd.sqlite3": [(0, Array("SQLite format 3\0".utf8))],
    ]
    private static let zipped: Set<String> = [
        "application/zip", "application/java-archive", "application/epub+zip",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.presentation",
    ]
    private static let zipHeads: [[UInt8]] = [[0x50, 0x4B, 3, 4], [0x50, 0x4B, 5, 6], [0x50, 0x4B, 7, 8]]
    /// What makes a browser or a reader take a file for something else.
    private static let active = ["<html", "<script", "<svg", "<!doctype html", "<iframe", "<body", "<?php", "javascript:"]

    /// Nil: nothing speaks against it. A type that is not known here promises nothing, and is only ever saved as bytes.
    package static func fault(type: String, bytes: Int64, head: Data, tail: Data) -> String? {
        guard bytes > 0 else { return nil }
        let (head, tail) = ([UInt8](head.prefix(headBytes)), [UInt8](tail.suffix(tailBytes)))
        if type.hasPrefix("text/") || type == "application/json" || type == "application/xml" {
            return head.contains(0) ? "text holds no NUL" : nil
        }
        if zipped.contains(type) {
            return zipHeads.contains { head.starts(with: $0) } ? nil : "it does not begin as \(type) does"
        }
        if type == "image/svg+xml" { return head.contains(0) || !contains(head, "<svg", anyCase: true) ? "it is no SVG" : nil }
        guard let known = marks[type] else { return nil }
        guard known.contains(where: { head.dropFirst($0.offset).starts(with: $0.bytes) }) else {
            return "it does not begin as \(type) does"
        }
        // One file that is two: readers of PDF look in the first thousand bytes, those of ZIP at the end.
        if type != "application/pdf", contains(Array(head.prefix(1_100)), "%PDF-", anyCase: false) { return "it is a PDF as well" }
        if endsAsZip(tail) { return "it is a ZIP as well" }
        if type.hasPrefix("image/"), active.contains(where: { contains(Array(head.prefix(1_024)), $0, anyCase: true) }) {
            return "it is a page as well"
        }
        return nil
    }

    private static func contains(_ bytes: [UInt8], _ text: String, anyCase: Bool) -> Bool {
        let wanted = Array(text.utf8)
        guard bytes.count >= wanted.count else { return false }
        let found = anyCase ? bytes.map { (65...90).contains($0) ? $0 | 0x20 : $0 } : bytes
        return (0...(found.count - wanted.count)).contains {
            found[$0] == wanted[0] && found[$0..<($0 + wanted.count)].elementsEqual(wanted)
        }
    }
    /// An end-of-central-directory record whose comment reaches to the last byte, or nearly.
    private static func endsAsZip(_ tail: [UInt8]) -> Bool {
        guard tail.count >= 22 else { return false }
        for at in 0...(tail.count - 22) where tail[at] == 0x50 && tail[at + 1] == 0x4B && tail[at + 2] == 5 && tail[at + 3] == 6 {
            let comment = Int(tail[at + 20]) | Int(tail[at + 21]) << 8
            if at + 22 + comment <= tail.count { return true }
        }
        return false
    }

    /// What a download says of its type: nothing that a browser would run or show by itself.
    package static func servedType(_ declared: String) -> String {
        let isPlain =
            marks[declared] != nil || zipped.contains(declared) || ["text/plain", "text/csv", "application/json"].contains(declared)
        return isPlain ? declared : "application/octet-stream"
    }

    /// `attachment`, with the name for old readers and for those that know Unicode (RFC 6266).
    package static func disposition(_ name: String) -> String {
        let plain = String(
            decoding: name.utf8.map { (0x20...0x7E).contains($0) && ![0x22, 0x5C, 0x25, 0x2F].contains($0) ? $0 : 0x5F }, as: UTF8.self)
        let coded = name.utf8.map { byte -> String in
            let isFree =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95, 126].contains(byte)
            return isFree ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
        return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(coded)"
    }
}

/// One range of bytes, as `Range` asks for it (RFC 9110, 14.2).
package struct ByteRange: Sendable, Hashable {
    package let offset: Int64
    package let count: Int64

    /// Nil: the whole, since nothing, several ranges, or something that is none was asked for. Throws where there are no such bytes.
    package static func read(_ header: String?, of size: Int64) throws(Problem) -> ByteRange? {
        guard let header, header.utf8.count <= 100, header.lowercased().hasPrefix("bytes=") else { return nil }
        let parts = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } && $0.utf8.count <= 18 }) else {
            return nil
        }
        let refusal = ProjectProblems.range.with(["size_bytes": .int(size)])
        switch (Int64(parts[0]), Int64(parts[1])) {
        case (nil, let last?):
            guard last > 0, size > 0 else { throw refusal }
            return ByteRange(offset: max(0, size - last), count: min(last, size))
        case (let first?, nil):
            guard first < size else { throw refusal }
            return ByteRange(offset: first, count: size - first)
        case (let first?, let last?):
            guard first <= last else { return nil }
            guard first < size else { throw refusal }
            return ByteRange(offset: first, count: min(last, size - 1) - first + 1)
        case (nil, nil): return nil
        }
    }
}
