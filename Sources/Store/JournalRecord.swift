import Foundation
import Vocabulary

/// One entry of the journal as it is chained: `hash` is the SHA-256 of `canonical`, which names the hash of the entry before it.
package struct JournalRecord: Sendable, Hashable {
    package var tenant: UUID
    /// One segment for each start of a process; entries of one segment are numbered from 1.
    package var segment: UUID
    package var seq: Int64
    package var previous: [UInt8]
    package var at: Timestamp
    package var actor: String
    package var requestID: String
    /// The caller's network address, sealed.
    package var origin: [UInt8]?
    package var action: String
    package var subject: String
    package var outcome: String
    package var decision: UUID?
    /// Canonical JSON.
    package var details: String
    package var hash: [UInt8]

    package init(
        tenant: UUID, segment: UUID, seq: Int64, previous: [UInt8], at: Timestamp, actor: String, requestID: String, origin: [UInt8]?,
        action: String, subject: String, outcome: String, decision: UUID?, details: String, hash: [UInt8] = []
    ) {
        self.tenant = tenant
        self.segment = segment
        self.seq = seq
        self.previous = previous
        self.at = at
        self.actor = actor
        self.requestID = requestID
        self.origin = origin
        self.action = action
        self.subject = subject
        self.outcome = outcome
        self.decision = decision
        self.details = details
        self.hash = hash
    }

    /// The tenant of what the kernel does for itself.
    package static let platform = UUID(bytes: [UInt8](repeating: 0, count: 16))
    /// What the first entry of a segment names as its predecessor.
    package static let genesis = [UInt8](repeating: 0, count: 32)

    /// The bytes that are hashed: one JSON object, keys sorted, no blanks.
    package var canonical: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(512 + details.utf8.count)
        out += Array("{\"action\":".utf8)
        JournalJSON.write(action, to: &out)
        out += ",\"actor\":".utf8
        JournalJSON.write(actor, to: &out)
        out += ",\"at_microseconds\":".utf8
        out += String(at.microseconds).utf8
        if let decision {
            out += ",\"decision\":".utf8
            JournalJSON.write(decision, to: &out)
        }
        out += ",\"details\":".utf8
        out += details.utf8
        if let origin {
            out += ",\"origin\":".utf8
            JournalJSON.write(hex: origin, to: &out)
        }
        out += ",\"outcome\":".utf8
        JournalJSON.write(outcome, to: &out)
        out += ",\"previous\":".utf8
        JournalJSON.write(hex: previous, to: &out)
        out += ",\"request_id\":".utf8
        JournalJSON.write(requestID, to: &out)
        out += ",\"segment\":".utf8
        JournalJSON.write(segment, to: &out)
        out += ",\"seq\":".utf8
        out += String(seq).utf8
        out += ",\"subject\":".utf8
        JournalJSON.write(subject, to: &out)
        out += ",\"tenant\":".utf8
        JournalJSON.write(tenant, to: &out)
        out.append(125)
        return out
    }
}
