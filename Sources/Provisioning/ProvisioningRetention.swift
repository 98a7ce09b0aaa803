import Store

/// What the room keeps, and how long.
package enum ProvisioningRetention {
    package static let kinds = [
        RetentionKind(
            "workstations", "Workstations, the plans that set a tenant up, and their steps", .tenant,
            tables: ["workstation_all", "workstation_step_all", "provision_plan_all", "provision_step_all", "provision_home_all"],
            [.lasting(.tenant, "they are worked on; what was deleted says when")], end: .deleted,
            probe: RetentionProbe("workstation_all", by: "workstation_id"))
    ]
}
