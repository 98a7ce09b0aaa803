import Foundation
import Store
import Tenancy
import Vocabulary

/// What people agree to, and take back as easily. A record is never changed: the last of a purpose counts, for the version that it names.
package struct Consents: Sendable {
    private static let reading = KernelReason("consents.read")
    private static let recording = KernelReason("consents.record")
    let store: any Store
    /// In the order of their names.
    package let purposes: [Purpose]
    /// Template → purpose.
    private let mails: [String: String]

    /// What a consent is for. Its words are the operator's; who changes them raises the version, and everybody is asked anew.
    package struct Purpose: Sendable, Hashable {
        package let name: String
        package let version: Int
    }
    package enum Source: String, Sendable { case api, erasure }
    package struct Record: Sendable, Hashable {
        package let purpose: String
        package let sequence: Int
        package let version: Int
        package let isGiven: Bool
        package let source: String
        package let at: Timestamp
    }
    /// One purpose, and how the person stands to it.
    package struct Standing: Sendable, Hashable {
        package let purpose: Purpose
        package let last: Record?
        /// Agreed to, in this version.
        package var isGiven: Bool { last.map { $0.isGiven && $0.version == purpose.version } ?? false }
    }

    package init(store: any Store, settings: Settings) {
        self.store = store
        purposes = (ConsentSettings.read(settings[ConsentSettings.purposes], by: ":") ?? []).compactMap { name, version in
            Int(version).map { Purpose(name: name, version: $0) }
        }
        mails = Dictionary(
            ConsentSettings.read(settings[ConsentSettings.mails], by: "=") ?? [], uniquingKeysWith: { first, _ in first })
    }

    package func standings(of person: UserID) async throws -> [Standing] {
        try await store.kernelRead(Self.reading) { db in try purposes.map { Standing(purpose: $0, last: try last($0.name, person, db)) } }
    }
    /// The newest first, at most 500 of a purpose.
    package func history(of person: UserID, purpose: String) async throws -> [Record] {
        try await store.kernelRead(Self.reading) { db in try db.rows(ConsentTable.history, person, purpose, 500).map(Self.record) }
    }

    /// Whether a mail may go to the person: those that need no consent always may.
    package func allows(_ template: String, to person: UserID) async throws -> Bool {
        guard let name = mails[template] else { return true }
        // A purpose that nobody declared was agreed to by nobody.
        return try await standings(of: person).contains { $0.purpose.name == name && $0.isGiven }
    }

    /// Notes what the person says now; the same again is no new record.
    package func record(_ name: String, isGiven: Bool, by caller: Principal, _ act: Act) async throws {
        guard let purpose = purposes.first(where: { $0.name == name }) else {
            throw CommonProblems.invalid("purpose", "is none of \(purposes.map(\.name).joined(separator: ", "))")
        }
        try await store.kernel(Self.recording, .flushed) { db in
            let before = try last(name, caller.user, db)
            if before?.isGiven == isGiven, before?.version == purpose.version || !isGiven { return }
            // Nothing was given that could be taken back.
            if before == nil, !isGiven { return }
            try db.run(
                ConsentTable.insert, caller.user, name, (before?.sequence ?? 0) + 1, purpose.version, isGiven, Source.api.rawValue, act.now)
            try db.journal(
                JournalEntry(
                    isGiven ? "consent.given" : "consent.withdrawn", subject: "user:\(caller.user)",
                    details: ["purpose": .string(name), "version": .int(Int64(purpose.version))]), act, tenant: caller.tenant)
        }
    }

    private func last(_ purpose: String, _ person: UserID, _ db: any KernelScope) throws -> Record? {
        try db.row(ConsentTable.history, person, purpose, 1).map(Self.record)
    }
    private static func record(_ row: Row) throws -> Record {
        Record(
            purpose: try row.text(0), sequence: try row.int(1), version: try row.int(2), isGiven: try row.bool(3), source: try row.text(4),
            at: try row.time(5))
    }
}

extension Consents: PersonErasure {
    package var name: String { "consents" }

    /// Who is erased agrees to nothing any more; that there was a consent stays provable.
    package func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder] {
        try await store.kernel(Self.recording, .flushed) { db in
            for purpose in purposes {
                guard let before = try last(purpose.name, person, db), before.isGiven else { continue }
                try db.run(
                    ConsentTable.insert, person, purpose.name, before.sequence + 1, before.version, false, Source.erasure.rawValue, act.now)
            }
        }
        return []
    }

    package var personRecords: RoomRecords {
        RoomRecords(
            name, store: store,
            [
                PersonTable(
                    "consent_record", .kernel, shows: ["purpose", "sequence", "version", "is_given", "source", "recorded_at"],
                    .bare("that somebody agreed must be provable"))
            ])
    }
}

package enum ConsentSettings {
    package static let purposes = Setting(
        "consents.purposes", default: "product_news:1,usage_research:1", range: "name:version, with commas between",
        accepts: { text in
            guard let read = read(text, by: ":") else { return false }
            return read.allSatisfy { Int($0.1).map { (1...1_000_000).contains($0) } ?? false }
        }, reason: "What people are asked to agree to. A higher version asks everybody anew.")
    package static let mails = Setting(
        "consents.mails", default: "product_news=product_news", range: "template=purpose, with commas between",
        accepts: { read($0, by: "=") != nil },
        reason: "Mails that go only to those who agreed to their purpose; what safety or the contract asks for needs no consent.")
    package static let all: [AnySetting] = [purposes.erased, mails.erased]

    /// Pairs in the order of their names; nil where one is none, or comes twice. An empty text is none.
    static func read(_ text: String, by sign: Character) -> [(String, String)]? {
        let parts = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        var pairs: [String: String] = [:]
        for part in parts {
            let words = part.split(separator: sign, omittingEmptySubsequences: false).map(String.init)
            guard words.count == 2, words.allSatisfy({ $0.wholeMatch(of: #/[a-z0-9_]{1,40}/#) != nil }), pairs[words[0]] == nil else {
                return nil
            }
            pairs[words[0]] = words[1]
        }
        return pairs.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

/// Kernel scope. There is no statement that changes a record.
enum ConsentTable {
    static let history = SQL(
        "consents.history",
        """
        SELECT purpose, sequence, version, is_given, source, recorded_at FROM consent_record WHERE user_id = $1 AND purpose = $2
        ORDER BY sequence DESC LIMIT $3
        """)
    static let insert = SQL(
        "consents.insert",
        """
        INSERT INTO consent_record (user_id, purpose, sequence, version, is_given, source, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)
}
