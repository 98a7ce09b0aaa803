import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// One file of an archive.
struct ArchivedFile: Sendable {
    let name: String
    /// SHA-256 of what it is called where it comes from.
    let source: [UInt8]
    let beginsAt: Int64
    let size: Int64
    let crc: UInt32
    let sha256: [UInt8]
}

/// How far an archive is.
struct ArchiveProgress: Sendable, Hashable {
    /// Rooms that gave everything.
    var rooms = 0
    var pieces = 0
    var bytes: Int64 = 0
    var entries = 0
}

/// Where an archive is written to.
protocol ArchiveShelf: Sendable {
    /// A piece that comes after all others; it counts once `stand` says so.
    func keep(_ bytes: [UInt8], number: Int, at offset: Int64) async throws
    /// All of this is there from now on.
    func stand(_ entries: [ArchivedFile], from first: Int, _ progress: ArchiveProgress) async throws
    /// Whether the entry stands already.
    func has(source: [UInt8]) async throws -> Bool
    func has(name key: String) async throws -> Bool
}

/// The slice has done its share: what comes next is another's.
struct ArchivePause: Error {}

/// Makes an archive of what rooms give, in pieces as it comes: nobody holds more than a piece. It stops between two entries when its share is
/// done, and whoever goes on lets go by what stands.
actor ArchiveSink: ExportSink {
    static let pieceBytes = 1_048_576
    private static let mostWaiting = 200

    /// What one slice writes before it lets the next go on.
    struct Share: Sendable {
        var bytes: Int64 = 64 * 1_048_576
        var entries = 2_000
    }
    private struct Open {
        let name: String
        let source: [UInt8]
        let beginsAt: Int64
        let digest = RunningDigest()
        var crc = ZipChecksum()
        var size: Int64 = 0
    }

    private let shelf: any ArchiveShelf
    private let share: Share
    private let first: ArchiveProgress
    /// With what is not standing yet.
    private(set) var progress: ArchiveProgress
    private var stood: ArchiveProgress
    private var buffer: [UInt8] = []
    private var waiting: [ArchivedFile] = []
    private var open: Open?
    /// The kind whose records come; and whether they stand already.
    private var kind: (name: String, isThere: Bool)?
    private var room = ""
    private var isEnding = false

    init(_ shelf: any ArchiveShelf, from progress: ArchiveProgress, share: Share) {
        self.shelf = shelf
        self.share = share
        self.progress = progress
        first = progress
        stood = progress
    }

    func enter(_ room: String) { self.room = ZipFormat.safe(room) }

    /// The room gave everything.
    func leave() async throws {
        try await close()
        progress.rooms += 1
        try await stand()
    }

    func record(_ kind: String, _ object: JSONValue) async throws {
        try await line(kind, String(decoding: try JSONCoding.encode(object), as: UTF8.self))
    }

    func line(_ kind: String, _ text: String) async throws {
        if self.kind?.name != kind {
            try await close()
            let source = Digest.sha256(Array("\(room)\0\(kind)".utf8))
            let isThere = try await isThere(source)
            if !isThere { try await begin("\(room)/\(ZipFormat.safe(kind)).jsonl", source) }
            self.kind = (kind, isThere)
        }
        guard self.kind?.isThere == false else { return }
        try await content(Array(text.utf8) + [10])
    }

    func file(_ kind: String, path: [String], content: any AsyncSequence<[UInt8], any Error> & Sendable) async throws {
        try await close()
        let source = Digest.sha256(Array(([room, kind] + path).joined(separator: "\0").utf8))
        guard try await !isThere(source) else { return }
        try await begin("\(room)/\(ZipFormat.safe(kind))/\(path.map(ZipFormat.safe).joined(separator: "/"))", source)
        for try await piece in content { try await self.content(piece) }
        try await close()
    }

    /// A file of the archive's own, after everything that rooms give, in as many parts as come. From here on nothing stands before the end.
    func own(_ name: String, _ part: @Sendable () async throws -> [UInt8]?) async throws -> ArchivedFile {
        if !isEnding {
            try await close()
            try await stand()
            isEnding = true
        }
        try await begin(name, Digest.sha256(Array(name.utf8)))
        while let bytes = try await part() { try await content(bytes) }
        return try await closed()
    }
    func own(_ name: String, _ bytes: [UInt8]) async throws -> ArchivedFile {
        try await begin(name, Digest.sha256(Array(name.utf8)))
        try await content(bytes)
        return try await closed()
    }

    /// The directory: after it nothing can be added. `entries` are those that stand.
    func finish(_ entries: @Sendable (_ from: Int) async throws -> [ArchivedFile]) async throws -> ArchiveProgress {
        let begin = progress.bytes
        var done = 0
        while done < stood.entries {
            let page = try await entries(done)
            guard !page.isEmpty else { break }
            for entry in page { try await emit(ZipFormat.listing(entry)) }
            done += page.count
        }
        for entry in waiting { try await emit(ZipFormat.listing(entry)) }
        try await emit(ZipFormat.end(entries: done + waiting.count, directory: begin..<progress.bytes))
        try await flush()
        return progress
    }

    // MARK: -

    private func isThere(_ source: [UInt8]) async throws -> Bool {
        if waiting.contains(where: { $0.source == source }) { return true }
        return try await shelf.has(source: source)
    }

    private func begin(_ wanted: String, _ source: [UInt8]) async throws {
        if !isEnding, progress.bytes - first.bytes >= share.bytes || progress.entries - first.entries >= share.entries {
            try await stand()
            throw ArchivePause()
        }
        var name = wanted
        while name.utf8.count > 400 { name.removeLast() }
        let stem = name
        var number = 2
        while try await isTaken(name) {
            name = "\(stem)~\(number)"
            number += 1
        }
        open = Open(name: name, source: source, beginsAt: progress.bytes)
        try await emit(ZipFormat.header(name))
    }
    private func isTaken(_ name: String) async throws -> Bool {
        let key = name.lowercased()
        if waiting.contains(where: { $0.name.lowercased() == key }) { return true }
        return try await shelf.has(name: key)
    }

    private func content(_ bytes: [UInt8]) async throws {
        guard var now = open else { return }
        now.digest.add(bytes)
        now.crc.take(bytes)
        now.size += Int64(bytes.count)
        open = now
        try await emit(bytes)
    }

    private func close() async throws {
        kind = nil
        if open != nil { _ = try await closed() }
    }
    private func closed() async throws -> ArchivedFile {
        guard let done = open else { throw StoreFault.corrupt("an archive has no open entry") }
        open = nil
        try await emit(ZipFormat.descriptor(crc: done.crc.value, size: done.size))
        let file = ArchivedFile(
            name: done.name, source: done.source, beginsAt: done.beginsAt, size: done.size, crc: done.crc.value,
            sha256: done.digest.finish())
        waiting.append(file)
        progress.entries += 1
        if !isEnding, waiting.count >= Self.mostWaiting || progress.bytes - stood.bytes >= Int64(4 * Self.pieceBytes) { try await stand() }
        return file
    }

    private func emit(_ bytes: [UInt8]) async throws {
        buffer += bytes
        progress.bytes += Int64(bytes.count)
        while buffer.count >= Self.pieceBytes { try await keep(Self.pieceBytes) }
    }
    private func keep(_ count: Int) async throws {
        let at = progress.bytes - Int64(buffer.count)
        try await shelf.keep(Array(buffer.prefix(count)), number: progress.pieces, at: at)
        buffer.removeFirst(count)
        progress.pieces += 1
    }
    private func flush() async throws { if !buffer.isEmpty { try await keep(buffer.count) } }

    private func stand() async throws {
        guard progress != stood || !waiting.isEmpty else { return }
        try await flush()
        try await shelf.stand(waiting, from: stood.entries, progress)
        waiting = []
        stood = progress
    }
}
