import Vocabulary

/// What the store itself keeps, and how long.
package enum StoreRetention {
    package static let auditLog = "audit_log"

    /// - Parameter journalDays: the setting that says how long the audit log is kept.
    package static func kinds(journalDays: Setting<Int>) -> [RetentionKind] {
        [
            RetentionKind(
                auditLog, "Who did what when, by ids; chained and sealed", .tenant, tables: ["journal_entry_all"],
                [
                    RetentionDuty(
                        .security, "acts are looked into long after them; SOC 2 asks for a year and more", from: "when it was written",
                        clock: "at", .days(journalDays))
                ], end: .cut, job: RetentionJob(StoreUpkeep.retentionKind, every: .days(1)),
                probe: RetentionProbe("journal_entry_all", keys: [("segment", .id), ("seq", .number)]), canBeLengthened: true),
            RetentionKind(
                "audit_log_seals", "Signed checkpoints of the audit log, and where each of its chains begins", .tenant,
                tables: ["journal_checkpoint_all", "journal_segment_all", "journal_mark_all", "journal_begin_all"],
                [.lasting(.platform, "they prove what is left of the log and what was cut from it; they tell of nobody", .proof)],
                end: .kept),
            RetentionKind(
                "kept_longer", "Which records of a tenant are kept beyond their usual time", .tenant, tables: ["tenant_keep"],
                [.lasting(.work, "the jobs ask it before they delete; a hold's goes when it is lifted", .law)], end: .overwritten),
            RetentionKind(
                "audit_log_checks", "What the daily look at every audit log found, and the first wrong entry of each broken one", .platform,
                tables: ["journal_round", "journal_break"],
                [
                    RetentionDuty(
                        .security, "since when a log is broken is told by the checks before", from: "when it began", clock: "begun_at",
                        .fixed(JournalRound.kept))
                ], end: .deleted, job: RetentionJob(StoreUpkeep.sweepKind, every: .hours(1)),
                probe: RetentionProbe("journal_round", .ofPlatform, by: "id")),
            RetentionKind(
                "jobs", "Work that was done in the background", .platform, tables: ["store_job"],
                [
                    RetentionDuty(
                        .purpose, "to be looked at when something went wrong; what waits or was given up stays", from: "when it was done",
                        clock: "CASE WHEN state = 'done' THEN finished_at ELSE NULL END", .fixed(.days(7)))
                ], end: .deleted, job: RetentionJob(StoreUpkeep.sweepKind, every: .hours(1)),
                probe: RetentionProbe("store_job", .namesTenant, by: "id")),
            RetentionKind(
                "repeated_answers", "Answers that are given again to the same Idempotency-Key, sealed under it", .platform,
                tables: ["store_idempotency"],
                [
                    RetentionDuty(
                        .contract, "a caller repeats a request within a day", from: "the end that it was given", clock: "expires_at",
                        .moment)
                ], end: .deleted, job: RetentionJob(StoreUpkeep.sweepKind, every: .hours(1)),
                probe: RetentionProbe("store_idempotency", .ofPlatform, by: "id", .digest)),
            RetentionKind(
                "schema", "Which migrations the database has had", .platform, tables: ["store_migration"],
                [.lasting(.platform, "the next one builds on them", .purpose)], end: .kept),
        ]
    }
}
