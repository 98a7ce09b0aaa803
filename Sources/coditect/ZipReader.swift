import Foundation
import Signing

/// An archive as exports are written (PKWARE APPNOTE 6.3.10): entries stored as they are, found by the directory at the end. Nothing of what it
/// says of itself is believed beyond its bounds, and nothing is written anywhere.
struct ZipReader {
    struct Damaged: Error {
        let why: String
    }
    struct Entry {
        let name: String
        let size: UInt64
        let crc: UInt32
        fileprivate let headerAt: UInt64
    }

    private let file: FileHandle
    private let length: UInt64
    let entries: [Entry]
    /// Of the directory: some hundred bytes an entry.
    static let mostDirectoryBytes: UInt64 = 512 * 1_048_576
    private static let chunk = 1_048_576

    init(_ path: String) throws {
        guard let file = FileHandle(forReadingAtPath: path), let length = try? file.seekToEnd() else {
            throw Failure(.usage, "usage", "\(path) cannot be read")
        }
        (self.file, self.length) = (file, length)
        let directory = try Self.directory(file, length)
        var (entries, names): ([Entry], Set<String>) = ([], [])
        var cursor = Words(bytes: try Self.read(file, directory))
        while !cursor.isAtEnd {
            let entry = try Self.entry(&cursor)
            guard names.insert(entry.name).inserted else { throw Damaged(why: "\(entry.name) is in it twice") }
            guard !entry.name.hasPrefix("/"), !entry.name.split(separator: "/", omittingEmptySubsequences: false).contains("..") else {
                throw Damaged(why: "\(entry.name.debugDescription) leads out of it")
            }
            entries.append(entry)
        }
        self.entries = entries
    }

    /// Where the directory is, by the record at the very end and its larger brother before it.
    private static func directory(_ file: FileHandle, _ length: UInt64) throws -> Range<UInt64> {
        guard length >= 22 else { throw Damaged(why: "it is no archive") }
        var end = Words(bytes: try read(file, length - 22..<length))
        guard try end.four() == 0x0605_4b50 else { throw Damaged(why: "it is no archive, or its end is missing") }
        end.skip(8)
        var (size, start) = (UInt64(try end.four()), UInt64(try end.four()))
        if size == UInt64(UInt32.max) || start == UInt64(UInt32.max) {
            guard length >= 42 else { throw Damaged(why: "its end is missing") }
            var locator = Words(bytes: try read(file, length - 42..<length - 22))
            guard try locator.four() == 0x0706_4b50 else { throw Damaged(why: "its end is damaged") }
            locator.skip(4)
            let place = try locator.eight()
            guard place <= length - 42, length - 42 - place >= 56 else { throw Damaged(why: "its end is damaged") }
            var large = Words(bytes: try read(file, place..<place + 56))
            guard try large.four() == 0x0606_4b50 else { throw Damaged(why: "its end is damaged") }
            large.skip(36)
            (size, start) = (try large.eight(), try large.eight())
        }
        guard size <= mostDirectoryBytes, start <= length, length - start >= size else {
            throw Damaged(why: "its directory is not where it says")
        }
        return start..<start + size
    }

    private static func entry(_ cursor: inout Words) throws -> Entry {
        guard try cursor.four() == 0x0201_4b50 else { throw Damaged(why: "its directory is damaged") }
        cursor.skip(4)
        let (flags, method) = (try cursor.two(), try cursor.two())
        // Encrypted, patched or compressed: nothing that an export has.
        guard flags & 0b0010_0000_0110_0001 == 0, method == 0 else { throw Damaged(why: "it holds what no export has") }
        cursor.skip(4)
        let crc = try cursor.four()
        var (packed, size) = (UInt64(try cursor.four()), UInt64(try cursor.four()))
        let (nameCount, extraCount, commentCount) = (Int(try cursor.two()), Int(try cursor.two()), Int(try cursor.two()))
        cursor.skip(8)
        var headerAt = UInt64(try cursor.four())
        guard let name = String(validating: try cursor.take(nameCount), as: UTF8.self), !name.isEmpty else {
            throw Damaged(why: "it holds a file without a name")
        }
        var extra = Words(bytes: try cursor.take(extraCount))
        while !extra.isAtEnd {
            let (kind, count) = (try extra.two(), Int(try extra.two()))
            var field = Words(bytes: try extra.take(count))
            guard kind == 1 else { continue }
            if size == UInt64(UInt32.max) { size = try field.eight() }
            if packed == UInt64(UInt32.max) { packed = try field.eight() }
            if headerAt == UInt64(UInt32.max) { headerAt = try field.eight() }
        }
        _ = try cursor.take(commentCount)
        guard packed == size else { throw Damaged(why: "\(name) is not as long as it says") }
        return Entry(name: name, size: size, crc: crc, headerAt: headerAt)
    }

    /// The content in pieces of at most a mebibyte; throws where it is not what the checksum says.
    func read(_ entry: Entry, _ piece: (Data) throws -> Void) throws {
        guard entry.headerAt <= length, length - entry.headerAt >= 30 else { throw Damaged(why: "\(entry.name) is not where it says") }
        var header = Words(bytes: try Self.read(file, entry.headerAt..<entry.headerAt + 30))
        guard try header.four() == 0x0403_4b50 else { throw Damaged(why: "\(entry.name) is not where it says") }
        header.skip(22)
        let (nameCount, extraCount) = (UInt64(try header.two()), UInt64(try header.two()))
        var place = entry.headerAt + 30
        guard length - place >= nameCount + extraCount else { throw Damaged(why: "\(entry.name) is cut off") }
        guard try Self.read(file, place..<place + nameCount) == Array(entry.name.utf8) else {
            throw Damaged(why: "\(entry.name) has two names")
        }
        place += nameCount + extraCount
        guard length - place >= entry.size else { throw Damaged(why: "\(entry.name) is cut off") }
        var checksum = ZipChecksum()
        let end = place + entry.size
        while place < end {
            let some = try Self.read(file, place..<min(end, place + UInt64(Self.chunk)))
            checksum.take(some)
            try piece(Data(some))
            place += UInt64(some.count)
        }
        guard checksum.value == entry.crc else { throw Damaged(why: "\(entry.name) is damaged") }
    }

    /// The whole of a small one.
    func read(_ entry: Entry, most: UInt64) throws -> [UInt8] {
        guard entry.size <= most else { throw Damaged(why: "\(entry.name) is longer than it may be") }
        var all: [UInt8] = []
        try read(entry) { all += $0 }
        return all
    }

    private static func read(_ file: FileHandle, _ range: Range<UInt64>) throws -> [UInt8] {
        guard !range.isEmpty else { return [] }
        try file.seek(toOffset: range.lowerBound)
        let data = try file.read(upToCount: range.count) ?? Data()
        guard data.count == range.count else { throw Damaged(why: "it is cut off") }
        return [UInt8](data)
    }

    /// Little-endian numbers, one after the other.
    private struct Words {
        let bytes: [UInt8]
        private var place = 0
        init(bytes: [UInt8]) { self.bytes = bytes }
        var isAtEnd: Bool { place >= bytes.count }
        mutating func skip(_ count: Int) { place += count }
        mutating func take(_ count: Int) throws -> [UInt8] {
            guard place <= bytes.count, bytes.count - place >= count else { throw Damaged(why: "its directory is cut off") }
            defer { place += count }
            return Array(bytes[place..<place + count])
        }
        mutating func two() throws -> UInt16 { UInt16(try number(2)) }
        mutating func four() throws -> UInt32 { UInt32(try number(4)) }
        mutating func eight() throws -> UInt64 { try number(8) }
        private mutating func number(_ count: Int) throws -> UInt64 { try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    }
}
