import Foundation
import Vocabulary

/// Reading the journal back, and its checkpoints.
extension Ledger {
    private func ownOnly(_ owner: UUID) throws {
        if let tenant, tenant.uuid != owner { throw StoreFault.outOfScope(name: "journal", message: "the journal of another tenant") }
    }

    package func journalPage(of owner: UUID, after place: JournalPlace, limit: Int) throws -> [JournalRecord] {
        try ownOnly(owner)
        return try rows(JournalTable.page, owner, place.segment, place.seq, limit).map { row in
            JournalRecord(
                tenant: owner, segment: try row.uuid(0), seq: try row.integer(1), previous: try row.blob(2), at: try row.time(3),
                actor: try row.text(4), requestID: try row.text(5), origin: try row.optional(6, row.blob), action: try row.text(7),
                subject: try row.text(8), outcome: try row.text(9), decision: try row.optional(10, row.uuid), details: try row.text(11),
                hash: try row.blob(12))
        }
    }

    package func journalTenants(after tenant: UUID?, limit: Int) throws -> [UUID] {
        try kernelOnly("journalTenants")
        return try rows(JournalTable.tenants, tenant?.bytes ?? [], limit).map { try $0.uuid(0) }
    }

    package func movedHeads(of owner: UUID) throws -> [JournalHead] {
        try kernelOnly("movedHeads")
        return try rows(JournalTable.movedHeads, owner).map {
            JournalHead(segment: try $0.uuid(0), count: try $0.integer(1), hash: try $0.blob(2))
        }
    }

    package func lastCheckpoint(of owner: UUID) throws -> SignedCheckpoint? {
        try ownOnly(owner)
        return try rows(JournalTable.lastCheckpoint, owner).first.map(checkpoint)
    }

    package func checkpoints(of owner: UUID, after seq: Int64, limit: Int) throws -> [SignedCheckpoint] {
        try ownOnly(owner)
        return try rows(JournalTable.checkpoints, owner, seq, limit).map(checkpoint)
    }

    private func checkpoint(_ row: Row) throws -> SignedCheckpoint {
        SignedCheckpoint(seq: try row.integer(0), document: try row.text(1), keyID: try row.text(2), signature: try row.blob(3))
    }

    package func addCheckpoint(_ checkpoint: SignedCheckpoint, of owner: UUID, heads: [JournalHead]) throws {
        try kernelOnly("addCheckpoint")
        try rows(JournalTable.addCheckpoint, owner, checkpoint.seq, checkpoint.document, checkpoint.keyID, checkpoint.signature)
        for head in heads { try rows(JournalTable.mark, owner, head.segment, head.count) }
    }

    package func expiredHeads(of owner: UUID, before moment: Timestamp) throws -> [JournalHead] {
        try kernelOnly("expiredHeads")
        return try rows(JournalTable.expiredHeads, owner, moment).map {
            JournalHead(segment: try $0.uuid(0), count: try $0.integer(1), hash: try $0.blob(2))
        }
    }

    package func drop(_ heads: [JournalHead], of owner: UUID) throws {
        try kernelOnly("drop")
        for head in heads {
            try rows(JournalTable.begin, owner, head.segment, head.count)
            try rows(JournalTable.drop, owner, head.segment, head.count)
        }
    }
}
