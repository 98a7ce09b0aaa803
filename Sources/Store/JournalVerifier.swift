import Foundation
import Vocabulary

/// One thing wrong with a journal.
package struct JournalFinding: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        /// The entry is not what was written.
        case edited
        case missing
        /// The entry stands at another entry's place.
        case reordered
        case repeated
        /// Fewer entries than a checkpoint states.
        case truncated
        /// The entries up to here are consistent among themselves and are not those that a checkpoint states.
        case rewritten
        case checkpointMissing = "checkpoint_missing"
        /// The checkpoint is not one, or does not follow the one before.
        case checkpointBroken = "checkpoint_broken"
        case checkpointSignature = "checkpoint_signature"
        /// The line is not of a journal, or of another tenant's.
        case malformed
    }
    package let kind: Kind
    package let segment: UUID?
    /// Number of the entry in its segment, or of the checkpoint, or of the line.
    package let seq: Int64
    package let sentence: String
    package var description: String { sentence }
}

package struct JournalReport: Sendable, Hashable {
    package var entries = 0
    /// When the oldest of them was written by its own word, and the newest.
    package var oldest: Timestamp?
    package var newest: Timestamp?
    package var segments = 0
    package var checkpoints = 0
    /// Entries that no checkpoint covers yet: changes to them show only while somebody kept a later state.
    package var uncovered: Int64 = 0
    package var lastCheckpoint: JournalCheckpoint?
    /// Entries that were dropped as too old, and the last checkpoint that says so.
    package var dropped: Int64 = 0
    package var dropping: JournalCheckpoint?
    /// In the order of the journal; the first of a segment names where it went wrong.
    package var findings: [JournalFinding] = []
    package var isIntact: Bool { findings.isEmpty }
}

/// Checks one tenant's journal: all checkpoints first, then the entries in order. Pure; holds one state for each segment.
package struct JournalVerifier {
    private struct Segment {
        var last: Int64 = 0
        var hash = JournalRecord.genesis
        /// Numbers that were passed over.
        var gap: Set<Int64> = []
        /// Entries that a checkpoint says were dropped.
        var dropped: Int64 = 0
        /// The highest number that a checkpoint states.
        var covered: Int64 = 0
        /// Number → hash that a checkpoint states, with the checkpoint's number.
        var stated: [Int64: (hash: [UInt8], checkpoint: Int64)] = [:]
    }
    private let tenant: UUID
    private let isSigned: (_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool
    private var report = JournalReport()
    private var segments: [UUID: Segment] = [:]
    /// How often a wrong entry was tried at other places: that is slow and helps the first few times only.
    private var searches = 0
    private var previousCheckpoint = JournalRecord.genesis

    /// `isSigned` proves a checkpoint's signature with the public key of that id.
    package init(tenant: UUID, isSigned: @escaping (_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool) {
        self.tenant = tenant
        self.isSigned = isSigned
    }

    private mutating func find(_ kind: JournalFinding.Kind, _ segment: UUID?, _ seq: Int64, _ sentence: String) {
        report.findings.append(JournalFinding(kind: kind, segment: segment, seq: seq, sentence: sentence))
    }

    package mutating func take(_ signed: SignedCheckpoint) {
        report.checkpoints += 1
        guard let checkpoint = JournalCheckpoint(document: signed.document), checkpoint.seq == signed.seq, checkpoint.tenant == tenant
        else {
            find(.checkpointBroken, nil, signed.seq, "checkpoint \(signed.seq) is not a checkpoint of this journal")
            return
        }
        if !isSigned(Array(signed.document.utf8), signed.keyID, signed.signature) {
            find(.checkpointSignature, nil, signed.seq, "the signature of checkpoint \(signed.seq) (key \(signed.keyID)) does not hold")
        }
        let expected = (report.lastCheckpoint?.seq ?? 0) + 1
        if checkpoint.seq != expected {
            find(.checkpointMissing, nil, expected, "checkpoint \(expected) is missing before \(checkpoint.seq)")
        } else if checkpoint.previous != previousCheckpoint {
            find(.checkpointBroken, nil, checkpoint.seq, "checkpoint \(checkpoint.seq) does not follow the one before it")
        }
        report.lastCheckpoint = checkpoint
        previousCheckpoint = signed.hash
        drop(checkpoint)
        for head in checkpoint.heads {
            segments[head.segment, default: Segment()].stated[head.count] = (head.hash, checkpoint.seq)
            segments[head.segment, default: Segment()].covered = max(head.count, segments[head.segment]?.covered ?? 0)
        }
    }

    /// Only what an earlier checkpoint covers may be dropped: the chain from here to that one's head still proves this one's hash.
    private mutating func drop(_ checkpoint: JournalCheckpoint) {
        for head in checkpoint.dropped {
            var segment = segments[head.segment] ?? Segment()
            let name = "segment \(lower(head.segment))"
            if head.count > segment.covered || head.count <= segment.dropped {
                find(
                    .checkpointBroken, head.segment, checkpoint.seq,
                    "checkpoint \(checkpoint.seq) drops entries up to \(head.count) of \(name), which no earlier one covers")
                continue
            }
            if let stated = segment.stated[head.count], stated.hash != head.hash {
                find(
                    .rewritten, head.segment, head.count,
                    "the entries of \(name) up to \(head.count) are not those that checkpoint \(stated.checkpoint) states")
            }
            report.dropped += head.count - segment.dropped
            report.dropping = checkpoint
            segment.dropped = head.count
            segment.last = head.count
            segment.hash = head.hash
            segment.stated = segment.stated.filter { $0.key > head.count }
            segments[head.segment] = segment
        }
    }

    /// `record` as it stands in the database; its canonical form is made anew.
    package mutating func take(_ record: JournalRecord) {
        date(record.at)
        let canonical = record.canonical
        let isWhole = StoreDigest.sha256(canonical) == record.hash
        if !isWhole, searches < 10, let rightful = rightfulPlace(of: record) {
            find(
                .reordered, record.segment, record.seq,
                "entry \(rightful) of segment \(lower(record.segment)) stands at the place of entry \(record.seq)")
            advance(record.segment, record.seq, record.hash, record.previous, isWhole: true, isMoved: true)
            return
        }
        take(tenant: record.tenant, segment: record.segment, seq: record.seq, record.previous, record.hash, isWhole: isWhole)
    }

    /// `canonical` as it stands in an export.
    package mutating func take(canonical: [UInt8], hash: [UInt8], line: Int64) {
        struct Fields: Decodable {
            let tenant: UUID
            let segment: UUID
            let seq: Int64
            let previous: String
            let at_microseconds: Int64?
        }
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(canonical)),
            let previous = JournalJSON.bytes(hex: fields.previous)
        else {
            find(.malformed, nil, line, "line \(line) is not a journal entry")
            return
        }
        if let at = fields.at_microseconds { date(Timestamp(microseconds: at)) }
        take(
            tenant: fields.tenant, segment: fields.segment, seq: fields.seq, previous, hash,
            isWhole: StoreDigest.sha256(canonical) == hash)
    }

    package mutating func takeMalformed(line: Int64) { find(.malformed, nil, line, "line \(line) is neither entry nor checkpoint") }

    private mutating func date(_ at: Timestamp) {
        report.oldest = report.oldest.map { min($0, at) } ?? at
        report.newest = report.newest.map { max($0, at) } ?? at
    }

    private mutating func take(tenant owner: UUID, segment: UUID, seq: Int64, _ previous: [UInt8], _ hash: [UInt8], isWhole: Bool) {
        if owner != tenant { find(.malformed, segment, seq, "entry \(seq) of segment \(lower(segment)) is of another tenant's journal") }
        advance(segment, seq, hash, previous, isWhole: isWhole, isMoved: false)
    }

    private mutating func advance(_ id: UUID, _ seq: Int64, _ hash: [UInt8], _ previous: [UInt8], isWhole: Bool, isMoved: Bool) {
        report.entries += 1
        var segment = segments[id] ?? Segment()
        defer { segments[id] = segment }
        let name = "segment \(lower(id))"
        if !isWhole { find(.edited, id, seq, "entry \(seq) of \(name) was edited: it does not have the hash it was written with") }
        if let stated = segment.stated.removeValue(forKey: seq), stated.hash != hash, isWhole {
            find(.rewritten, id, seq, "the entries of \(name) up to \(seq) are not those that checkpoint \(stated.checkpoint) states")
        }
        guard seq > segment.dropped else {
            find(.repeated, id, seq, "entry \(seq) of \(name) was dropped, and is there all the same")
            return
        }
        guard seq > segment.last else {
            if segment.gap.remove(seq) != nil {
                report.findings.removeAll { $0.kind == .missing && $0.segment == id && $0.seq == seq }
                find(.reordered, id, seq, "entry \(seq) of \(name) stands behind entry \(segment.last)")
            } else {
                find(.repeated, id, seq, "entry \(seq) of \(name) is there twice")
            }
            return
        }
        if seq > segment.last + 1 {
            let first = segment.last + 1
            // One finding for each of the first few, so that a reordered entry can be told from a missing one.
            for lost in first..<min(seq, first + 1_000) {
                segment.gap.insert(lost)
                find(.missing, id, lost, "entry \(lost) of \(name) is missing")
            }
        } else if previous != segment.hash, !isMoved {
            if segment.last == segment.dropped {
                find(
                    .missing, id, segment.last, "\(name) does not begin \(segment.last == 0 ? "with its first entry" : "where it was cut")")
            } else {
                find(.edited, id, segment.last, "entry \(segment.last) of \(name) was replaced: entry \(seq) follows another one")
            }
        }
        segment.last = seq
        segment.hash = hash
    }

    /// The number with which a record that fails its hash would hold: its place was changed and nothing else.
    private mutating func rightfulPlace(of record: JournalRecord) -> Int64? {
        searches += 1
        var moved = record
        let reach: Int64 = 10_000
        for seq in max(1, record.seq - reach)...(record.seq + reach) where seq != record.seq {
            moved.seq = seq
            if StoreDigest.sha256(moved.canonical) == record.hash { return seq }
        }
        return nil
    }

    /// What is wrong, after the last entry.
    package mutating func finish() -> JournalReport {
        for (id, segment) in segments.sorted(by: { $0.key.uuidString < $1.key.uuidString }) {
            for (seq, stated) in segment.stated.sorted(by: { $0.key < $1.key }) where seq > segment.last {
                let sentence = "segment \(lower(id)) ends at entry \(segment.last); checkpoint \(stated.checkpoint) states \(seq) entries"
                find(.truncated, id, segment.last + 1, sentence)
                break
            }
        }
        report.segments = segments.count
        report.uncovered = segments.values.reduce(0) { $0 + max(0, $1.last - $1.covered) }
        return report
    }

    private func lower(_ id: UUID) -> String { id.canonical }
}
