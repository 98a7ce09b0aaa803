import Foundation
import Vocabulary

/// One look at every journal, as it is kept: by whichever process, told by each.
package struct JournalRound: Sendable, Hashable {
    package typealias ID = Identifier<JournalRound>
    /// The first thing that is wrong with one journal; without what its entries say.
    package struct Break: Sendable, Hashable {
        package let owner: UUID
        package let finding: JournalFinding
    }
    /// How many breaks of a round are kept; the number of broken journals is whole.
    package static let breaksKept = 100
    /// For how long rounds are kept.
    package static let kept = Duration.days(400)

    /// When it began.
    package let at: Timestamp
    package var journals = 0
    package var entries = 0
    /// When the oldest entry that was looked at was written, and the newest; nil: there was none.
    package var oldest: Timestamp?
    package var newest: Timestamp?
    /// Journals that are not intact.
    package var broken = 0
    package var breaks: [Break] = []
    package var isIntact: Bool { broken == 0 }
    package var findings: [String] { breaks.map { "the journal of \($0.owner.canonical): \($0.finding)" } }

    package init(at: Timestamp) { self.at = at }

    mutating func add(_ report: JournalReport, of owner: UUID) {
        journals += 1
        entries += report.entries
        oldest = [oldest, report.oldest].compactMap(\.self).min()
        newest = [newest, report.newest].compactMap(\.self).max()
        guard let first = report.findings.first else { return }
        broken += 1
        if breaks.count < Self.breaksKept { breaks.append(Break(owner: owner, finding: first)) }
    }
}

/// How every journal is checked, and who hears of it.
package struct JournalProof: Sendable {
    package typealias IsSigned = @Sendable (_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool
    package typealias Begin = @Sendable (_ round: @escaping @Sendable () async -> Void) -> Void
    private let isSigned: IsSigned
    let tell: @Sendable (JournalRound) -> Void
    let begin: Begin
    /// - Parameters:
    ///   - begin: runs a round beside everything else.
    ///   - tell: hears of each round when it is kept.
    package init(
        isSigned: @escaping IsSigned, begin: @escaping Begin = { round in Task.detached(priority: .background) { await round() } },
        tell: @escaping @Sendable (JournalRound) -> Void = { _ in }
    ) {
        self.isSigned = isSigned
        self.begin = begin
        self.tell = tell
    }

    func round(_ keeper: JournalKeeper, now: Timestamp) async throws -> JournalRound {
        var round = JournalRound(at: now)
        for owner in try await keeper.owners() { round.add(try await keeper.verify(owner, isSigned: isSigned), of: owner) }
        return round
    }
}

enum RoundTable {
    static let keep = SQL(
        "journal.round.keep",
        "INSERT INTO journal_round (id, begun_at, journals, entries, oldest_at, newest_at, broken) VALUES ($1, $2, $3, $4, $5, $6, $7)")
    static let keepBreak = SQL(
        "journal.round.keep_break",
        "INSERT INTO journal_break (round_id, owner, kind, segment, seq, sentence) VALUES ($1, $2, $3, $4, $5, $6)")
    static let last = SQL(
        "journal.round.last",
        "SELECT id, begun_at, journals, entries, oldest_at, newest_at, broken FROM journal_round ORDER BY begun_at DESC, id DESC LIMIT $1")
    static let breaks = SQL(
        "journal.round.breaks", "SELECT owner, kind, segment, seq, sentence FROM journal_break WHERE round_id = $1 ORDER BY owner")
    static let forgetBreaks = SQL(
        "journal.round.forget_breaks",
        "DELETE FROM journal_break WHERE round_id IN (SELECT r.id FROM journal_round r WHERE r.begun_at < $1)")
    static let forget = SQL("journal.round.forget", "DELETE FROM journal_round WHERE begun_at < $1 RETURNING id")
}

/// What looks at the journals found.
extension Ledger {
    package func keep(_ round: JournalRound) throws {
        try kernelOnly("keep")
        let id = newRound(round.at)
        try rows(RoundTable.keep, id, round.at, round.journals, round.entries, round.oldest, round.newest, round.broken)
        for found in round.breaks {
            let finding = found.finding
            try rows(RoundTable.keepBreak, id, found.owner, finding.kind.rawValue, finding.segment, finding.seq, finding.sentence)
        }
    }

    package func rounds(limit: Int) throws -> [JournalRound] {
        try kernelOnly("rounds")
        return try rows(RoundTable.last, limit).map { row in
            var round = JournalRound(at: try row.time(1))
            (round.journals, round.entries, round.broken) = (try row.int(2), try row.int(3), try row.int(6))
            (round.oldest, round.newest) = (try row.optional(4, row.time), try row.optional(5, row.time))
            if round.broken > 0 { round.breaks = try rows(RoundTable.breaks, try row.uuid(0)).map(found) }
            return round
        }
    }

    private func found(_ row: Row) throws -> JournalRound.Break {
        JournalRound.Break(
            owner: try row.uuid(0),
            finding: JournalFinding(
                kind: JournalFinding.Kind(rawValue: try row.text(1)) ?? .malformed, segment: try row.optional(2, row.uuid),
                seq: try row.integer(3), sentence: try row.text(4)))
    }

    package func forgetRounds(before moment: Timestamp) throws -> Int {
        try kernelOnly("forgetRounds")
        try rows(RoundTable.forgetBreaks, moment)
        return try rows(RoundTable.forget, moment).count
    }
}
