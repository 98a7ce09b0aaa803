import Foundation
import PluginKit

/// What an ELF file says of itself, read from its bytes without loading anything. Layouts: System V ABI, chapters 4 and 5.
struct LibraryFile {
    struct Note: Hashable {
        var kit: PluginManifest.KitVersion
        var compiler: CompilerVersion
    }
    /// The kit's note; nil where there is none.
    let note: Note?
    /// Names of the libraries that it needs.
    let needed: [String]
    /// Whether it defines types of the kit itself, as a library does into which the kit was linked statically.
    let holdsKit: Bool

    static let maxBytes = 268_435_456
    static let noteName = "CODITECT"

    /// Throws a `Refusal` unless the bytes are a complete shared object for this processor.
    init(_ bytes: Data) throws(Refusal) {
        let reader = ByteReader(bytes)
        do {
            let header = try Header(reader)
            let segments = try (0..<header.segments).map { index in
                let place = header.segmentTable + UInt64(index) * UInt64(header.segmentSize)
                return try Segment(reader, at: place)
            }
            for segment in segments where segment.type == Segment.load { try reader.mustHold(segment.offset, segment.fileSize) }
            try reader.mustHold(header.sectionTable, UInt64(header.sections) * UInt64(header.sectionSize))
            needed = try LibraryFile.needed(reader, segments)
            holdsKit = try LibraryFile.holdsKit(reader, header)
            note = try segments.filter { $0.type == Segment.note }.lazy.compactMap { try LibraryFile.note(reader, $0) }.first
        } catch let fault as ByteReader.Fault {
            throw Refusal(.libraryUnreadable, "The library is not usable: \(fault.reason).")
        } catch {
            throw Refusal(.libraryUnreadable, "The library is not usable: \(error).")
        }
    }

    private struct Header {
        let segmentTable: UInt64
        let segmentSize: UInt16
        let segments: UInt16
        let sectionTable: UInt64
        let sectionSize: UInt16
        let sections: UInt16

        init(_ reader: ByteReader) throws {
            guard try reader.bytes(at: 0, count: 4) == [0x7f, 0x45, 0x4c, 0x46] else { throw ByteReader.Fault("it is no ELF file") }
            guard try reader.bytes(at: 4, count: 2) == [2, 1] else { throw ByteReader.Fault("it is not a 64-bit little-endian ELF file") }
            guard try reader.u16(16) == 3 else { throw ByteReader.Fault("it is no shared object") }
            guard try reader.u16(18) == LibraryFile.machine else { throw ByteReader.Fault("it was built for another processor") }
            segmentTable = try reader.u64(32)
            sectionTable = try reader.u64(40)
            segmentSize = try reader.u16(54)
            segments = try reader.u16(56)
            sectionSize = try reader.u16(58)
            sections = try reader.u16(60)
            guard segmentSize >= 56, segments > 0, segments <= 512 else { throw ByteReader.Fault("its segment table is broken") }
        }
    }

    private struct Segment {
        static let load: UInt32 = 1
        static let dynamic: UInt32 = 2
        static let note: UInt32 = 4
        let type: UInt32
        let offset: UInt64
        let address: UInt64
        let fileSize: UInt64

        init(_ reader: ByteReader, at place: UInt64) throws {
            type = try reader.u32(place)
            offset = try reader.u64(place + 8)
            address = try reader.u64(place + 16)
            fileSize = try reader.u64(place + 32)
        }
    }

    #if arch(x86_64)
        static let machine: UInt16 = 62
    #elseif arch(arm64)
        static let machine: UInt16 = 183
    #endif

    private static func needed(_ reader: ByteReader, _ segments: [Segment]) throws -> [String] {
        guard let dynamic = segments.first(where: { $0.type == Segment.dynamic }) else { return [] }
        try reader.mustHold(dynamic.offset, dynamic.fileSize)
        var names: [UInt64] = []
        var strings: UInt64?
        for entry in stride(from: dynamic.offset, to: dynamic.offset + dynamic.fileSize - dynamic.fileSize % 16, by: 16) {
            let (tag, value) = (try reader.u64(entry), try reader.u64(entry + 8))
            if tag == 0 { break }
            if tag == 1 { names.append(value) }
            if tag == 5 { strings = value }
        }
        guard let strings, names.count <= 512 else { return [] }
        let holder = segments.first { $0.type == Segment.load && strings >= $0.address && strings - $0.address < $0.fileSize }
        guard let holder else { throw ByteReader.Fault("its dynamic section is broken") }
        let table = holder.offset + (strings - holder.address)
        return try names.map { name in
            guard name < 1 << 32 else { throw ByteReader.Fault("its dynamic section is broken") }
            return try reader.text(at: table + name)
        }
    }

    /// Descriptors of the protocol `Plugin` and of the type `PluginManifest`: whoever defines them has the kit inside.
    private static let kitSymbols: Set<String> = ["$s9PluginKit0A0Mp", "$s9PluginKit0A8ManifestVMn"]

    /// Looks through the dynamic symbols, which also a stripped library has.
    private static func holdsKit(_ reader: ByteReader, _ header: Header) throws -> Bool {
        guard header.sectionSize >= 64 else { return false }
        let section = { (index: UInt64) in header.sectionTable + index * UInt64(header.sectionSize) }
        for index in 0..<UInt64(header.sections) where try reader.u32(section(index) + 4) == 11 {
            let (symbols, size) = (try reader.u64(section(index) + 24), try reader.u64(section(index) + 32))
            let names = section(UInt64(try reader.u32(section(index) + 40)))
            let (text, textSize) = (try reader.u64(names + 24), try reader.u64(names + 32))
            try reader.mustHold(symbols, size)
            try reader.mustHold(text, textSize)
            for place in stride(from: symbols, to: symbols + size - size % 24, by: 24) where try reader.u16(place + 6) != 0 {
                let name = UInt64(try reader.u32(place))
                guard name < textSize else { throw ByteReader.Fault("its symbol table is broken") }
                if try reader.startsWithKit(text + name), kitSymbols.contains(try reader.text(at: text + name)) { return true }
            }
        }
        return false
    }

    private static func note(_ reader: ByteReader, _ segment: Segment) throws -> Note? {
        try reader.mustHold(segment.offset, segment.fileSize)
        var place = segment.offset
        let end = segment.offset + segment.fileSize
        while place + 12 <= end {
            let nameSize = UInt64(try reader.u32(place))
            let bodySize = UInt64(try reader.u32(place + 4))
            let type = try reader.u32(place + 8)
            let body = place + 12 + (nameSize + 3) / 4 * 4
            let next = body + (bodySize + 3) / 4 * 4
            guard next <= end else { return nil }
            if type == 1, nameSize == 9, bodySize >= 20, try reader.bytes(at: place + 12, count: 9) == Array(noteName.utf8) + [0] {
                let words = try (0..<5).map { try reader.u32(body + UInt64($0) * 4) }
                return Note(
                    kit: PluginManifest.KitVersion(major: words[0], minor: words[1]),
                    compiler: CompilerVersion(major: words[2], minor: words[3], patch: words[4]))
            }
            place = next
        }
        return nil
    }
}

package struct CompilerVersion: Sendable, Hashable, CustomStringConvertible {
    package let major: UInt32
    package let minor: UInt32
    package let patch: UInt32
    package init(major: UInt32, minor: UInt32, patch: UInt32) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }
    package var description: String { patch == 0 ? "Swift \(major).\(minor)" : "Swift \(major).\(minor).\(patch)" }
}

/// Little-endian numbers out of bytes; every read is checked against the end.
private struct ByteReader {
    struct Fault: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }
    private let bytes: Data
    init(_ bytes: Data) { self.bytes = bytes }

    func mustHold(_ offset: UInt64, _ count: UInt64) throws {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= UInt64(bytes.count) else { throw Fault("it is cut off") }
    }
    private func number<Value: FixedWidthInteger>(_ offset: UInt64, _: Value.Type) throws -> Value {
        try mustHold(offset, UInt64(MemoryLayout<Value>.size))
        return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: Int(offset), as: Value.self)) }
    }
    func u16(_ offset: UInt64) throws -> UInt16 { try number(offset, UInt16.self) }
    func u32(_ offset: UInt64) throws -> UInt32 { try number(offset, UInt32.self) }
    func u64(_ offset: UInt64) throws -> UInt64 { try number(offset, UInt64.self) }
    func bytes(at offset: UInt64, count: Int) throws -> [UInt8] {
        try mustHold(offset, UInt64(count))
        return Array(bytes[(bytes.startIndex + Int(offset))...].prefix(count))
    }
    /// Cheap, for a table of thousands of names.
    func startsWithKit(_ offset: UInt64) throws -> Bool {
        try bytes(at: offset, count: 1) == [36] && (try? bytes(at: offset, count: 14)) == Self.kit
    }
    private static let kit = Array("$s9PluginKit0A".utf8)
    /// Up to the NUL, at most 4096 bytes.
    func text(at offset: UInt64) throws -> String {
        try mustHold(offset, 1)
        let tail = bytes[(bytes.startIndex + Int(offset))...].prefix(4_096)
        guard let end = tail.firstIndex(of: 0) else { throw Fault("a name in it does not end") }
        return String(decoding: tail[..<end], as: UTF8.self)
    }
}
