import Foundation
import Vocabulary

/// What a driver does for those who read, export, check and seal the journal. A tenant's scope reads its own journal and no other.
package protocol JournalLedger: AnyObject {
    /// Entries by segment and number, those after `place` first.
    func journalPage(of owner: UUID, after place: JournalPlace, limit: Int) throws -> [JournalRecord]
    /// Who has a journal; the platform's own is `JournalRecord.platform`. Kernel scope only.
    func journalTenants(after tenant: UUID?, limit: Int) throws -> [UUID]
    /// The last entry of each segment that grew since the last checkpoint. Kernel scope only.
    func movedHeads(of owner: UUID) throws -> [JournalHead]
    func lastCheckpoint(of owner: UUID) throws -> SignedCheckpoint?
    func checkpoints(of owner: UUID, after seq: Int64, limit: Int) throws -> [SignedCheckpoint]
    /// Throws `conflict` if there is a checkpoint with this number already. Kernel scope only.
    func addCheckpoint(_ checkpoint: SignedCheckpoint, of owner: UUID, heads: [JournalHead]) throws
    /// For some segments the last entry up to which all are older than `moment` and under a checkpoint. Kernel scope only.
    func expiredHeads(of owner: UUID, before moment: Timestamp) throws -> [JournalHead]
    /// Drops each segment's entries up to its head; the schema refuses what no checkpoint covers. Kernel scope only.
    func drop(_ heads: [JournalHead], of owner: UUID) throws
    /// Keeps what a look at every journal found. Kernel scope only.
    func keep(_ round: JournalRound) throws
    /// The last looks, the newest first. Kernel scope only.
    func rounds(limit: Int) throws -> [JournalRound]
    /// Answers how many went. Kernel scope only.
    func forgetRounds(before moment: Timestamp) throws -> Int
}

/// A place in one journal.
package struct JournalPlace: Sendable, Hashable {
    package var segment: UUID
    package var seq: Int64
    package init(segment: UUID, seq: Int64) {
        self.segment = segment
        self.seq = seq
    }
    /// Before every entry.
    package static let start = JournalPlace(segment: JournalRecord.platform, seq: 0)
}

/// How far a segment reached: its last entry, which is also the number of its entries.
package struct JournalHead: Sendable, Hashable {
    package let segment: UUID
    package let count: Int64
    package let hash: [UInt8]
    package init(segment: UUID, count: Int64, hash: [UInt8]) {
        self.segment = segment
        self.count = count
        self.hash = hash
    }
}

/// A checkpoint's document with the signature over its bytes.
package struct SignedCheckpoint: Sendable, Hashable {
    package let seq: Int64
    /// Canonical JSON: exactly what was signed.
    package let document: String
    package let keyID: String
    package let signature: [UInt8]
    package init(seq: Int64, document: String, keyID: String, signature: [UInt8]) {
        self.seq = seq
        self.document = document
        self.keyID = keyID
        self.signature = signature
    }
    /// What the next checkpoint names as its predecessor.
    package var hash: [UInt8] { StoreDigest.sha256(Array(document.utf8)) }
}

/// What a checkpoint states: the heads that moved since the one before, which it names by hash. Together all checkpoints of a tenant
/// fix the head of every segment. One that drops what is too old to be kept states where its segments begin since: after these entries.
package struct JournalCheckpoint: Sendable, Hashable {
    package let tenant: UUID
    package let seq: Int64
    package let at: Timestamp
    package let previous: [UInt8]
    package let heads: [JournalHead]
    package let dropped: [JournalHead]
    static let kind = "coditect.journal.checkpoint"

    package init(tenant: UUID, seq: Int64, at: Timestamp, previous: [UInt8], heads: [JournalHead], dropped: [JournalHead] = []) {
        self.tenant = tenant
        self.seq = seq
        self.at = at
        self.previous = previous
        self.heads = heads
        self.dropped = dropped
    }

    package var document: String {
        var out = Array("{\"at_microseconds\":\(at.microseconds),".utf8)
        // Only where there is something to state: the form of those that drop nothing is older.
        if !dropped.isEmpty {
            out += "\"dropped\":[".utf8
            Self.write(dropped, to: &out)
            out += "],".utf8
        }
        out += "\"heads\":[".utf8
        Self.write(heads, to: &out)
        out += "],\"kind\":\"\(JournalCheckpoint.kind)\",\"previous\":".utf8
        JournalJSON.write(hex: previous, to: &out)
        out += ",\"seq\":\(seq),\"tenant\":".utf8
        JournalJSON.write(tenant, to: &out)
        out.append(125)
        return String(decoding: out, as: UTF8.self)
    }

    private static func write(_ heads: [JournalHead], to out: inout [UInt8]) {
        for (index, head) in heads.enumerated() {
            if index > 0 { out.append(44) }
            out += "{\"count\":\(head.count),\"hash\":".utf8
            JournalJSON.write(hex: head.hash, to: &out)
            out += ",\"segment\":".utf8
            JournalJSON.write(head.segment, to: &out)
            out.append(125)
        }
    }

    /// Nil unless `document` is one that this program could have written, to the byte.
    package init?(document: String) {
        struct Head: Decodable {
            let count: Int64
            let hash: String
            let segment: UUID
            var read: JournalHead? { JournalJSON.bytes(hex: hash).map { JournalHead(segment: segment, count: count, hash: $0) } }
        }
        struct Fields: Decodable {
            let at_microseconds: Int64
            let dropped: [Head]?
            let heads: [Head]
            let kind: String
            let previous: String
            let seq: Int64
            let tenant: UUID
        }
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(document.utf8)), fields.kind == JournalCheckpoint.kind,
            let previous = JournalJSON.bytes(hex: fields.previous)
        else { return nil }
        self.init(
            tenant: fields.tenant, seq: fields.seq, at: Timestamp(microseconds: fields.at_microseconds), previous: previous,
            heads: fields.heads.compactMap(\.read), dropped: (fields.dropped ?? []).compactMap(\.read))
        guard self.document == document else { return nil }
    }
}
