import Store
import Vocabulary

/// What the room keeps, and how long.
package enum ComplianceRetention {
    package static let kinds = [
        RetentionKind(
            "compliance_runs", "Results of controls with their evidence", .tenant,
            tables: ["compliance_run_all", "compliance_result_all", "compliance_evidence_all"],
            [
                RetentionDuty(
                    .proof, "an auditor looks back over the time that a report covers", from: "when it ran", clock: "ran_at",
                    .days(ComplianceSettings.retentionDays))
            ], end: .deleted, job: RetentionJob(Compliance.runKind), probe: RetentionProbe("compliance_run_all", by: "run_id")),
        RetentionKind(
            "access_reviews", "Reviews of who has which role", .tenant, tables: ["access_review_all", "access_review_item_all"],
            [.lasting(.tenant, "a review proves itself to an auditor", .proof)], end: .deleted,
            probe: RetentionProbe("access_review_all", by: "review_id")),
    ]
}
