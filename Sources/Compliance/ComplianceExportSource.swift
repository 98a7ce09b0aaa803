import Store
import Tenancy

extension Compliance {
    /// Runs with their evidence and results, reviews of who has access, and the audit log in the lines that prove it.
    package var exportSource: RowExport {
        let store = floor.store
        return RowExport(
            "compliance", store: store,
            [
                RowExport.Kind(
                    "runs", "compliance_run_all",
                    [
                        ("run_id", .id), ("framework", .text), ("edition", .text), ("plugin", .text), ("cause", .text), ("ran_at", .time),
                        ("passed", .integer), ("failed", .integer), ("not_evaluated", .integer), ("broken", .integer),
                    ]),
                RowExport.Kind(
                    "evidence", "compliance_evidence_all", keys: 2, [("run_id", .id), ("kind", .text), ("document", .json)]),
                RowExport.Kind(
                    "results", "compliance_result_all", keys: 2,
                    [
                        ("run_id", .id), ("place", .integer), ("framework", .text), ("control", .text), ("outcome", .text),
                        ("said_by", .text), ("reason", .text), ("details", .json), ("since", .time),
                    ]),
                RowExport.Kind(
                    "access-reviews", "access_review_all",
                    [("review_id", .id), ("opened_at", .time), ("opened_by", .id), ("signed_off_at", .time), ("signed_off_by", .id)]),
                RowExport.Kind(
                    "access-review-items", "access_review_item_all", keys: 2,
                    [
                        ("review_id", .id), ("membership_id", .id), ("user_id", .id), ("role", .text), ("decision", .text),
                        ("decided_at", .time), ("decided_by", .id),
                    ]),
            ], others: ["journal_entry_all", "journal_checkpoint_all"]
        ) { tenant, sink, _ in
            try await JournalKeeper(store: store).export(tenant.uuid) { try await sink.line("audit-log", $0) }
        }
    }
}
