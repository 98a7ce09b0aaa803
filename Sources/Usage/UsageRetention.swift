import Store
import Vocabulary

/// What the room keeps, and how long.
package enum UsageRetention {
    package static let kinds = [
        RetentionKind(
            "usage_records", "Single records of use", .tenant, tables: ["usage_record_all"],
            [
                RetentionDuty(
                    .contract, "questions about a bill; a year and the time in which one is asked", from: "when it happened",
                    clock: "occurred_at", .days(UsageSettings.recordDays))
            ], end: .deleted, job: RetentionJob(Usage.sweepKind, every: .days(1)),
            probe: RetentionProbe("usage_record_all", by: "record_key", .text)),
        RetentionKind(
            "usage_periods", "Sums of periods", .tenant, tables: ["usage_period_all", "usage_plan_all"],
            [.lasting(.tenant, "bills rest on them")], end: .deleted),
    ]
}
