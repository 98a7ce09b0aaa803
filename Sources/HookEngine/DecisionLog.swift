import Dispatch
import Foundation
import Synchronization
import Vocabulary

/// Decisions as JSON Lines in append-only segments: `DATA/decisions/20261121T093000Z-000001.jsonl`.
///
/// One write(2) per decision, before the answer is used: the record survives the death of the process. Plans decide about money
/// and licences; they are also flushed to disk. A line that the disk took only in part is cut off again.
package final class DecisionLog: DecisionSink {
    package struct Limits: Sendable {
        /// A segment is closed once it has grown beyond this.
        package var segmentBytes: Int
        /// The oldest segments go when all of them together hold more.
        package var keptBytes: Int
        /// Segments that ended before this long ago go.
        package var keptDays: Int
        package init(segmentBytes: Int = 64 << 20, keptBytes: Int = 2 << 30, keptDays: Int = 90) {
            self.segmentBytes = segmentBytes
            self.keptBytes = keptBytes
            self.keptDays = keptDays
        }
    }

    private struct Segment {
        var descriptor: Int32
        var bytes: Int
        var number: Int
    }

    private let directory: URL
    private let limits: Limits
    private let segment: Mutex<Segment?>
    private let flusher = DispatchQueue(label: "decisions.flush")

    /// Opens the directory, which it makes with 0700 if need be.
    package init(directory: URL, limits: Limits = Limits()) throws(DecisionLogFault) {
        self.directory = directory
        self.limits = limits
        do {
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw DecisionLogFault("cannot make \(directory.path): \(error)")
        }
        self.segment = Mutex(nil)
    }

    deinit {
        segment.withLock { if let open = $0 { close(open.descriptor) } }
    }

    package func record(_ record: DecisionRecord) async throws {
        let line = record.line()
        try append(line, at: record.time)
        if record.kind == .plan { try await flush() }
    }

    private func append(_ line: borrowing ByteBuffer, at time: Timestamp) throws {
        try segment.withLock { current in
            var open = try current ?? resume(at: time)
            if open.bytes + line.count > limits.segmentBytes, open.bytes > 0 {
                close(open.descriptor)
                current = nil
                open = try begin(number: open.number + 1, at: time)
                prune(now: time)
            }
            current = open
            let written = line.withBytes { write(open.descriptor, $0.baseAddress, $0.count) }
            if written != line.count {
                let why = written < 0 ? String(cString: strerror(errno)) : "the disk took \(written) of \(line.count) bytes"
                // Half a line would make the next one unreadable as well.
                if written > 0, ftruncate(open.descriptor, off_t(open.bytes)) != 0 {
                    close(open.descriptor)
                    current = nil
                }
                throw DecisionLogFault("cannot write a decision: \(why)")
            }
            current?.bytes = open.bytes + written
        }
    }

    /// Off the cooperative threads: a flush waits for the disk.
    private func flush() async throws {
        let result: Int32 = await withCheckedContinuation { continuation in
            flusher.async { [self] in
                // A descriptor of its own, so that a rotation in between closes nothing under the flush.
                let copy = segment.withLock { $0.map { dup($0.descriptor) } } ?? -1
                let outcome = copy < 0 ? -1 : fdatasync(copy)
                if copy >= 0 { close(copy) }
                continuation.resume(returning: outcome)
            }
        }
        if result != 0 { throw DecisionLogFault("cannot flush the decision log") }
    }

    /// Goes on in the newest segment. A torn last line, left by a crash, is ended so that the next record stands on its own.
    private func resume(at time: Timestamp) throws(DecisionLogFault) -> Segment {
        guard let newest = DecisionSegments.list(directory).last else { return try begin(number: 1, at: time) }
        let path = directory.appending(path: newest.name).path
        let descriptor = open(path, O_RDWR | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw DecisionLogFault("cannot open \(path): \(String(cString: strerror(errno)))") }
        var size = Int(lseek(descriptor, 0, SEEK_END))
        var last: UInt8 = 10
        if size > 0, pread(descriptor, &last, 1, off_t(size - 1)) == 1, last != 10 {
            var newline: UInt8 = 10
            size += write(descriptor, &newline, 1) == 1 ? 1 : 0
        }
        return Segment(descriptor: descriptor, bytes: size, number: newest.number)
    }

    private func begin(number: Int, at time: Timestamp) throws(DecisionLogFault) -> Segment {
        let name = DecisionSegments.name(number: number, start: time)
        let path = directory.appending(path: name).path
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DecisionLogFault("cannot open \(path): \(String(cString: strerror(errno)))") }
        return Segment(descriptor: descriptor, bytes: 0, number: number)
    }

    /// A segment ends where the next begins, so the time in the next one's name tells its age.
    private func prune(now: Timestamp) {
        let segments = DecisionSegments.list(directory)
        var total = segments.reduce(0) { $0 + $1.bytes }
        for (segment, next) in zip(segments, segments.dropFirst()) {
            let isOld = next.start < now - .days(Int64(limits.keptDays))
            guard isOld || total > limits.keptBytes else { return }
            unlink(directory.appending(path: segment.name).path)
            total -= segment.bytes
        }
    }
}

package struct DecisionLogFault: Error, Sendable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// The files of a decision log.
enum DecisionSegments {
    struct Entry {
        let name: String
        let number: Int
        let start: Timestamp
        let bytes: Int
    }

    static func name(number: Int, start: Timestamp) -> String {
        let stamp = Timestamp(seconds: start.seconds).iso8601.filter { $0 != "-" && $0 != ":" }
        let digits = String(number)
        return "\(stamp)-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).jsonl"
    }

    /// In the order in which they were written. Other files are no segments.
    static func list(_ directory: URL) -> [Entry] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return names.compactMap { name in
            let parts = name.split(separator: "-")
            guard name.hasSuffix(".jsonl"), parts.count == 2, let number = Int(parts[1].dropLast(6)), let start = start(parts[0])
            else { return nil }
            var status = stat()
            guard stat(directory.appending(path: name).path, &status) == 0 else { return nil }
            return Entry(name: name, number: number, start: start, bytes: Int(status.st_size))
        }.sorted { $0.number < $1.number }
    }

    /// `20261121T093000Z`
    private static func start(_ stamp: Substring) -> Timestamp? {
        let signs = Array(stamp)
        guard signs.count == 16 else { return nil }
        func part(_ range: Range<Int>) -> String { String(signs[range]) }
        return Timestamp(iso8601: "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z")
    }
}
