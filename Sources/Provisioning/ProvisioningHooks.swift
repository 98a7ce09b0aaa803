import Catalog
import HookEngine
import Vocabulary

package enum ProvisioningHooks {
    package static let all: [HookDefinition] = [OnProvision.definition]
}

/// A tenant has paid, moved or come back: what is set up for it?
package enum OnProvision: PlanHook {
    package struct Input: Sendable, Hashable {
        package var tenant: TenantID
        package var tier: String
        package var region: String
        package var cause: String
        package var users: Int
        package var workstation: WorkstationShape?
        package init(tenant: TenantID, tier: String, region: String, cause: String, users: Int, workstation: WorkstationShape? = nil) {
            self.tenant = tenant
            self.tier = tier
            self.region = region
            self.cause = cause
            self.users = users
            self.workstation = workstation
        }
    }
    package static let definition = HookDefinition(
        "on_provision", kind: .plan, summary: "A tenant has paid, moved or come back: what is set up for it?",
        input: [
            HookField(
                "tenant", .object([HookField("id", .string, "UUID of the tenant."), HookField("tier", .string, "Its tier.")]), "For whom."),
            HookField("region", .choice(["us", "eu", "apac"]), "Where its data stays."),
            HookField("cause", .choice(["purchased", "changed", "restored"]), "Why now."),
            HookField("users", .integer, "Users whose role has a workstation.", range: 0...1_000_000),
            HookField(
                "workstation",
                .object([
                    HookField("machine_type", .string, "As the provisioner names it."),
                    HookField("disk_bytes", .integer, "Of each workstation.", range: 0...Int64.max),
                    HookField("idle_timeout_seconds", .integer, "Then it stops.", range: 60...604_800),
                ]), "What the tier says of workstations, if it has them.", optional: true),
        ],
        actions: [
            HookAction("create_namespace", summary: "The tenant's name at provisioners."),
            HookAction(
                "set_quota", summary: "Storage of all workstations together.",
                fields: [HookField("disk_bytes", .integer, "Bytes", tight: .lowest, range: 0...Int64.max)]),
            HookAction(
                "start_workstation", summary: "One for each user whose role has one.",
                fields: [
                    HookField("machine_type", .string, "As the provisioner names it"),
                    HookField("idle_timeout_seconds", .integer, "Then it stops", optional: true, tight: .lowest, range: 60...604_800),
                ]),
            HookAction("issue_api_key", summary: "The first key, shown once to the owner."),
            HookAction(
                "send_mail", summary: "A mail to the tenant's owners, once for each thing that happened.",
                fields: [HookField("template", .string, "Name of the template")]),
            HookAction(
                "notify_staff", summary: "Tell staff.", fields: [HookField("reason", .string, "What to look at")]),
        ], whenAllAbstain: .shippedPlan)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("tenant") {
                $0.put("id", input.tenant.description)
                $0.put("tier", input.tier)
            }
            hook.put("region", input.region)
            hook.put("cause", input.cause)
            hook.put("users", input.users)
            if let shape = input.workstation {
                hook.put("workstation") {
                    $0.put("machine_type", shape.machineType)
                    $0.put("disk_bytes", Int(shape.diskBytes))
                    $0.put("idle_timeout_seconds", Int(shape.idleTimeoutSeconds))
                }
            }
        }
    }

    /// SPEC 5. Permissions, the tier's quotas and grants to the applications are not copied anywhere: roles, tiers and licences say them at
    /// each use.
    package static func shippedPlan(_ input: Input) -> [PlannedAction] {
        var plan = [PlannedAction("create_namespace")]
        if let shape = input.workstation {
            plan.append(
                PlannedAction(
                    "start_workstation",
                    .object([
                        ("machine_type", .string(shape.machineType)), ("idle_timeout_seconds", .int(shape.idleTimeoutSeconds)),
                    ])))
        }
        guard input.cause == "purchased" else { return plan }
        return plan + [PlannedAction("issue_api_key"), mail("welcome")]
    }
    private static func mail(_ template: String) -> PlannedAction {
        PlannedAction("send_mail", .object([("template", .string(template))]))
    }
}
