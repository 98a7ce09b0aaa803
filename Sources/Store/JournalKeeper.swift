import Foundation
import Vocabulary

/// Seals, exports and checks journals. Needs no key to check; `sign` is asked outside of every transaction.
package struct JournalKeeper: Sendable {
    package typealias Sign = @Sendable ([UInt8]) async throws -> (keyID: String, bytes: [UInt8])
    private let store: any Store
    private static let sealing = KernelReason("journal.checkpoint")
    private static let reading = KernelReason("journal.read")
    private static let page = 500

    package init(store: any Store) { self.store = store }

    // MARK: - Checkpoints

    /// Signs the heads that moved since the last checkpoint of `owner`; false if none did or another process was faster.
    package func checkpoint(_ owner: UUID, now: Timestamp, signer sign: Sign) async throws -> Bool {
        let (last, heads) = try await store.kernelRead(JournalKeeper.sealing) { db in
            (try db.ledger.lastCheckpoint(of: owner), try db.ledger.movedHeads(of: owner))
        }
        if heads.isEmpty { return false }
        let checkpoint = JournalCheckpoint(
            tenant: owner, seq: (last?.seq ?? 0) + 1, at: now, previous: last?.hash ?? JournalRecord.genesis, heads: heads)
        return try await add(checkpoint, signer: sign)
    }

    /// Signed outside of the transaction that adds it and drops what it says; false if another process was faster.
    private func add(_ checkpoint: JournalCheckpoint, signer sign: Sign) async throws -> Bool {
        let document = checkpoint.document
        let signature = try await sign(Array(document.utf8))
        let signed = SignedCheckpoint(seq: checkpoint.seq, document: document, keyID: signature.keyID, signature: signature.bytes)
        do {
            try await store.kernel(JournalKeeper.sealing, .flushed) { db in
                try db.ledger.addCheckpoint(signed, of: checkpoint.tenant, heads: checkpoint.heads)
                try db.ledger.drop(checkpoint.dropped, of: checkpoint.tenant)
            }
            return true
        } catch StoreFault.conflict {
            return false
        }
    }

    // MARK: - Retention

    /// Drops what is older than `moment` from the front of each segment of `owner`, as far as a checkpoint covers it. Each step is one
    /// transaction with a signed checkpoint that states it: without that statement a missing front is a finding. Answers how many steps.
    @discardableResult package func drop(_ owner: UUID, before moment: Timestamp, now: Timestamp, signer sign: Sign) async throws -> Int {
        var (steps, lost) = (0, 0)
        while true {
            let (last, expired) = try await store.kernelRead(JournalKeeper.sealing) { db in
                (try db.ledger.lastCheckpoint(of: owner), try db.ledger.expiredHeads(of: owner, before: moment))
            }
            // What is covered has a checkpoint that covers it.
            guard let last, !expired.isEmpty else { return steps }
            let checkpoint = JournalCheckpoint(
                tenant: owner, seq: last.seq + 1, at: now, previous: last.hash, heads: [], dropped: expired)
            if try await add(checkpoint, signer: sign) {
                steps += 1
            } else {
                // Another process was faster, with a checkpoint or with this very step.
                lost += 1
                if lost > 10 { return steps }
            }
        }
    }

    /// Of every journal, but of one under a legal hold nothing, and of one with a longer duty only what is older than that.
    @discardableResult package func drop(before moment: Timestamp, now: Timestamp, signer sign: Sign) async throws -> Int {
        var steps = 0
        for owner in try await owners() {
            let keeps = try await store.kernelRead(JournalKeeper.sealing) { db in
                try db.rows(KeepTable.of, owner).map(TenantKeep.init).filter { $0.isHold || $0.kind == StoreRetention.auditLog }
            }
            if keeps.contains(where: \.isHold) { continue }
            let longest = keeps.compactMap(\.days).max().map { now - .days(Int64($0)) } ?? moment
            steps += try await drop(owner, before: min(moment, longest), now: now, signer: sign)
        }
        return steps
    }

    /// Every journal that grew; answers how many checkpoints were made.
    @discardableResult package func checkpoint(now: Timestamp, signer sign: Sign) async throws -> Int {
        var made = 0
        for owner in try await owners() where try await checkpoint(owner, now: now, signer: sign) { made += 1 }
        return made
    }

    /// Who has a journal; the platform's own comes first.
    package func owners() async throws -> [UUID] {
        var all: [UUID] = []
        while true {
            let after = all.last
            let some = try await store.kernelRead(JournalKeeper.reading) {
                try $0.ledger.journalTenants(after: after, limit: JournalKeeper.page)
            }
            all += some
            if some.count < JournalKeeper.page { return all }
        }
    }

    // MARK: - Export and check

    /// The journal of `owner` as JSON Lines: its checkpoints, then its entries by segment and number. Each line holds what was hashed or
    /// signed to the byte, so that anyone can check it with SHA-256 and the public key alone.
    package func export(_ owner: UUID, to write: (String) async throws -> Void) async throws {
        try await walk(owner) { checkpoint in
            try await write(JournalLines.line(checkpoint))
        } entry: { record in
            try await write(JournalLines.line(record))
        }
    }

    /// Checks the journal of `owner` as it stands in the database. Where a checkpoint came while it was read, so that its front may have
    /// gone meanwhile, it is read again before anything is called wrong.
    package func verify(
        _ owner: UUID, isSigned: @escaping @Sendable (_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool
    ) async throws -> JournalReport {
        var report = try await read(owner, isSigned)
        for _ in 0..<3 where !report.isIntact {
            let last = try await store.kernelRead(JournalKeeper.reading) { try $0.ledger.lastCheckpoint(of: owner)?.seq }
            if last == report.lastCheckpoint?.seq { break }
            report = try await read(owner, isSigned)
        }
        return report
    }

    private func read(
        _ owner: UUID, _ isSigned: @escaping @Sendable (_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool
    ) async throws -> JournalReport {
        var verifier = JournalVerifier(tenant: owner, isSigned: isSigned)
        try await walk(owner) {
            verifier.take($0)
        } entry: {
            verifier.take($0)
        }
        return verifier.finish()
    }

    private func walk(
        _ owner: UUID, checkpoint: (SignedCheckpoint) async throws -> Void, entry: (JournalRecord) async throws -> Void
    ) async throws {
        var seq: Int64 = 0
        while true {
            let after = seq
            let some = try await store.kernelRead(JournalKeeper.reading) {
                try $0.ledger.checkpoints(of: owner, after: after, limit: JournalKeeper.page)
            }
            for item in some { try await checkpoint(item) }
            guard let last = some.last, some.count == JournalKeeper.page else { break }
            seq = last.seq
        }
        var place = JournalPlace.start
        while true {
            let after = place
            let some = try await store.kernelRead(JournalKeeper.reading) {
                try $0.ledger.journalPage(of: owner, after: after, limit: JournalKeeper.page)
            }
            for item in some { try await entry(item) }
            guard let last = some.last, some.count == JournalKeeper.page else { return }
            place = JournalPlace(segment: last.segment, seq: last.seq)
        }
    }
}

/// The lines of an exported journal.
package enum JournalLines {
    package static func line(_ record: JournalRecord) -> String {
        var out = Array("{\"entry\":".utf8)
        out += record.canonical
        out += ",\"hash\":".utf8
        JournalJSON.write(hex: record.hash, to: &out)
        out.append(125)
        return String(decoding: out, as: UTF8.self)
    }

    package static func line(_ checkpoint: SignedCheckpoint) -> String {
        var out = Array("{\"checkpoint\":".utf8)
        out += checkpoint.document.utf8
        out += ",\"key_id\":".utf8
        JournalJSON.write(checkpoint.keyID, to: &out)
        out += ",\"signature\":".utf8
        JournalJSON.write(hex: checkpoint.signature, to: &out)
        out.append(125)
        return String(decoding: out, as: UTF8.self)
    }

    /// Checks an export; `lines` without their line ends. Empty lines are skipped.
    package static func verify(
        _ lines: some Sequence<String>, tenant: UUID,
        isSigned: @escaping (_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool
    ) -> JournalReport {
        var verifier = JournalVerifier(tenant: tenant, isSigned: isSigned)
        for (index, line) in lines.enumerated() where !line.isEmpty { take(line, Int64(index + 1), into: &verifier) }
        return verifier.finish()
    }

    private static func take(_ line: String, _ number: Int64, into verifier: inout JournalVerifier) {
        let bytes = Array(line.utf8)
        if let entry = inside(bytes, after: "{\"entry\":", beforeLast: ",\"hash\":\""), bytes.count - entry.upperBound == 75,
            let hash = JournalJSON.bytes(hex: String(decoding: bytes[(entry.upperBound + 9)..<(bytes.count - 2)], as: UTF8.self))
        {
            verifier.take(canonical: Array(bytes[entry]), hash: hash, line: number)
            return
        }
        struct Seal: Decodable {
            struct Numbered: Decodable { let seq: Int64 }
            let checkpoint: Numbered
            let key_id: String
            let signature: String
        }
        if let document = inside(bytes, after: "{\"checkpoint\":", beforeLast: ",\"key_id\":\""),
            let seal = try? JSONDecoder().decode(Seal.self, from: Data(bytes)), let signature = JournalJSON.bytes(hex: seal.signature)
        {
            verifier.take(
                SignedCheckpoint(
                    seq: seal.checkpoint.seq, document: String(decoding: bytes[document], as: UTF8.self), keyID: seal.key_id,
                    signature: signature))
            return
        }
        verifier.takeMalformed(line: number)
    }

    /// Where the bytes stand between `head`, with which `bytes` begins, and the last `tail`.
    private static func inside(_ bytes: [UInt8], after head: String, beforeLast tail: String) -> Range<Int>? {
        let (head, tail) = (Array(head.utf8), Array(tail.utf8))
        guard bytes.starts(with: head) else { return nil }
        var index = bytes.count - tail.count
        while index >= head.count {
            if bytes[index..<(index + tail.count)].elementsEqual(tail) { return head.count..<index }
            index -= 1
        }
        return nil
    }
}
