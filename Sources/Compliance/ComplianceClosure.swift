import Tenancy
import Vocabulary

extension Compliance {
    /// Runs, evidence and reviews go with the tenant whose controls they judge.
    package var closure: RoomClosure {
        RoomClosure(
            "compliance", store: store,
            rows: [
                TenantRows("compliance_result_all", by: "run_id"), TenantRows("compliance_evidence_all", by: "run_id"),
                TenantRows("compliance_run_all", by: "run_id"), TenantRows("access_review_item_all", by: "membership_id"),
                TenantRows("access_review_all", by: "review_id"),
            ])
    }
}
