import Store
import Vocabulary

/// What the room keeps, and how long.
package enum OffboardingRetention {
    package static let kinds = [
        RetentionKind(
            "deletion_proofs", "How a tenant left: each step, and the signed certificate of deletion", .tenant,
            tables: ["offboarding_all", "offboarding_step_all", "offboarding_link"],
            [
                .lasting(
                    .platform, "it proves the deletion; what was said of the reasons goes with the purge (GDPR article 5 (2))", .proof)
            ], end: .kept, probe: RetentionProbe("offboarding_all", by: "offboarding_id")),
        RetentionKind(
            "export_contents", "The copies of everything that were asked for, sealed", .tenant,
            tables: ["tenant_export_piece_all", "tenant_export_entry_all"],
            [
                RetentionDuty(
                    .contract,
                    "a copy is fetched within its days; \(OffboardingSettings.exportDays.path) says how many when it is made",
                    from: "it is not made yet, or the end that it was given", clock: "expires_at", .moment)
            ], end: .deleted, job: RetentionJob(Offboarding.dropExportJob), probe: RetentionProbe("tenant_export_all", by: "export_id"),
            spared: "it is a copy: what it is of stays"),
        RetentionKind(
            "exports", "That a copy was asked for, by whom and when", .tenant, tables: ["tenant_export_all"],
            [.lasting(.tenant, "owners see who took what along")], end: .deleted,
            probe: RetentionProbe("tenant_export_all", by: "export_id")),
        RetentionKind(
            "leavings", "Members who left, and since when nothing is paid", .tenant,
            tables: ["member_leaving_all", "member_leaving_step_all", "offboarding_lapse_all"],
            [.lasting(.tenant, "owners see what became of what a member had")], end: .deleted,
            probe: RetentionProbe("member_leaving_all", by: "leaving_id")),
        RetentionKind(
            "legal_holds", "Why something may not be deleted, from when to when", .tenant, tables: ["legal_hold_all"],
            [.lasting(.tenant, "it says why a purge waited", .law)], end: .deleted, probe: RetentionProbe("legal_hold_all", by: "hold_id")),
    ]
}
