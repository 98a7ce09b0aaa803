import HookEngine
import Vocabulary

/// Hooks of rooms that do not stand yet: leaving, provisioning, requests under data protection law. Each moves into its room with it.
package enum ComingHooks {
    package static let all: [HookDefinition] = [OnOffboard.definition, OnProvision.definition, OnDataRequest.definition]

    static let mail = HookAction(
        "send_mail", summary: "A mail to the tenant's owners, once for each thing that happened.",
        fields: [HookField("template", .string, "Name of the template")])
    static let notice = HookAction("notify_staff", summary: "Tell staff.", fields: [HookField("reason", .string, "What to look at")])
    static func mailing(_ template: String) -> PlannedAction { PlannedAction("send_mail", .object([("template", .string(template))])) }
    static func telling(_ reason: String) -> PlannedAction { PlannedAction("notify_staff", .object([("reason", .string(reason))])) }
    static let person: [HookField] = [
        HookField("id", .string, "Handle of the user."), HookField("role", .string, "The role in the tenant."),
        HookField("is_last_owner", .boolean, "Nobody else owns the tenant."),
    ]
}

/// A tenant or a member leaves: what happens at this stage?
package enum OnOffboard: PlanHook {
    package enum Stage: String, Sendable, CaseIterable { case requested, periodEnd = "period_end", retentionOver = "retention_over" }
    package struct Input: Sendable, Hashable {
        package var subject: String
        package var stage: Stage
        package var user: String
        package var role: String
        package var isLastOwner: Bool
        package var reason: String
        package var tier: String?
        package var customerAgeDays: Int
        package var hasLegalHold: Bool
        package var hasRefusedOffer: Bool
    }
    package static let definition = HookDefinition(
        "on_offboard", kind: .plan,
        summary: "A tenant or a member leaves: what happens at this stage? A last owner and a legal hold are the kernel's to keep.",
        input: [
            HookField("subject", .choice(["tenant", "member"]), "Who leaves."),
            HookField("stage", .choice(Stage.allCases.map(\.rawValue)), "Where on the way."),
            HookField("user", .object(ComingHooks.person), "The member who leaves, or who asked for the tenant."),
            HookField("reason", .choice(["price", "missing_feature", "quality", "no_need", "unpaid", "other"]), "Why, as they say."),
            HookField("tier", .string, "The tenant's tier, if it has one.", optional: true),
            HookField(
                "customer", .object([HookField("age_days", .integer, "Days since the first checkout.", range: 0...100_000)]), "The buyer."),
            HookField("has_legal_hold", .boolean, "Something of theirs must not be deleted."),
            HookField("has_refused_offer", .boolean, "An offer was made and not taken."),
        ],
        actions: [
            HookAction(
                "offer", summary: "Offer to stay, and wait for the answer.",
                fields: [
                    HookField("kind", .choice(["pause", "downgrade", "discount"]), "What is offered"),
                    HookField(
                        "discount_basis_points", .integer, "Off the price, in hundredths of a percent", optional: true, tight: .lowest,
                        range: 0...10_000),
                ]),
            HookAction("end_membership", summary: "The member is no longer one."),
            HookAction("revoke_access", summary: "Tokens, keys and leases end."),
            HookAction("end_billing", summary: "Billing stops and is prorated."), HookAction("export_data", summary: "Make the export."),
            HookAction(
                "retain_data", summary: "Keep everything so long, to come back to.",
                fields: [HookField("days", .integer, "Days", tight: .highest, range: 0...3_650)]),
            HookAction("purge_data", summary: "Delete what may be deleted, and certify it."),
            ComingHooks.mail, ComingHooks.notice,
        ], whenAllAbstain: .shippedPlan, isAsked: false)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("subject", input.subject)
            hook.put("stage", input.stage.rawValue)
            hook.put("user") {
                $0.put("id", input.user)
                $0.put("role", input.role)
                $0.put("is_last_owner", input.isLastOwner)
            }
            hook.put("reason", input.reason)
            hook.put("tier", input.tier)
            hook.put("customer") { $0.put("age_days", input.customerAgeDays) }
            hook.put("has_legal_hold", input.hasLegalHold)
            hook.put("has_refused_offer", input.hasRefusedOffer)
        }
    }
    /// SPEC 6.
    package static func shippedPlan(_ input: Input) -> [PlannedAction] {
        if input.subject == "member" {
            return input.isLastOwner
                ? [ComingHooks.telling("last_owner_leaves")] : [PlannedAction("end_membership"), PlannedAction("revoke_access")]
        }
        switch input.stage {
        case .requested: return [ComingHooks.mailing("offboarding_requested")]
        case .periodEnd:
            return [
                PlannedAction("revoke_access"), PlannedAction("end_billing"), PlannedAction("export_data"),
                PlannedAction("retain_data", .object([("days", .int(30))])), ComingHooks.mailing("offboarding_export"),
            ]
        case .retentionOver:
            return input.hasLegalHold
                ? [ComingHooks.telling("legal_hold")] : [PlannedAction("purge_data"), ComingHooks.mailing("offboarding_purged")]
        }
    }
}

/// A tenant has paid, or changes its tier: what is set up for it?
package enum OnProvision: PlanHook {
    package struct Input: Sendable, Hashable {
        package var tenant: TenantID
        package var tier: String
        package var region: String
        package var cause: String
        package var users: Int
    }
    package static let definition = HookDefinition(
        "on_provision", kind: .plan, summary: "A tenant has paid, moved or come back: what is set up for it?",
        input: [
            HookField(
                "tenant", .object([HookField("id", .string, "UUID of the tenant."), HookField("tier", .string, "Its tier.")]), "For whom."),
            HookField("region", .choice(["us", "eu", "apac"]), "Where its data stays."),
            HookField("cause", .choice(["purchased", "changed", "restored"]), "Why now."),
            HookField("users", .integer, "Users whose role has a workstation.", range: 0...1_000_000),
        ],
        actions: [
            HookAction("create_namespace", summary: "Folder, schema and database user."),
            HookAction(
                "set_quota", summary: "Storage of the tenant.",
                fields: [HookField("disk_bytes", .integer, "Bytes", tight: .lowest, range: 0...Int64.max)]),
            HookAction(
                "start_workstation", summary: "One for each user whose role has one.",
                fields: [
                    HookField("machine_type", .string, "As the provisioner names it"),
                    HookField("idle_timeout_seconds", .integer, "Then it stops", optional: true, tight: .lowest, range: 60...604_800),
                ]),
            HookAction("issue_api_key", summary: "The first key."), ComingHooks.mail, ComingHooks.notice,
        ], whenAllAbstain: .shippedPlan, isAsked: false)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("tenant") {
                $0.put("id", input.tenant.description)
                $0.put("tier", input.tier)
            }
            hook.put("region", input.region)
            hook.put("cause", input.cause)
            hook.put("users", input.users)
        }
    }
    package static func shippedPlan(_ input: Input) -> [PlannedAction] {
        [PlannedAction("create_namespace"), PlannedAction("issue_api_key"), ComingHooks.mailing("welcome")]
    }
}

/// Somebody uses a right that data protection law gives: what follows?
package enum OnDataRequest: PlanHook {
    package enum Kind: String, Sendable, CaseIterable { case access, export, rectification, erasure, restriction, objection }
    package struct Input: Sendable, Hashable {
        package var kind: Kind
        package var user: String
        package var role: String
        package var isLastOwner: Bool
        package var region: String
        package var hasLegalHold: Bool
        package var daysOpen: Int
    }
    package static let definition = HookDefinition(
        "on_data_request", kind: .plan,
        summary: "Somebody asks for access, export, rectification, erasure, restriction, or objects: what follows?",
        input: [
            HookField("kind", .choice(Kind.allCases.map(\.rawValue)), "GDPR articles 15 to 21."),
            HookField("user", .object(ComingHooks.person), "Whose data."),
            HookField("region", .choice(["us", "eu", "apac"]), "Where the data lies."),
            HookField("has_legal_hold", .boolean, "Something of theirs must not be deleted."),
            HookField("days_open", .integer, "Days since it was asked; thirty are allowed.", range: 0...100_000),
        ],
        actions: [
            HookAction("export_data", summary: "Make the export."),
            HookAction(
                "erase_data", summary: "Delete, and pseudonymise what the law keeps.",
                fields: [HookField("after_days", .integer, "Days to think again", tight: .highest, range: 0...30)]),
            HookAction("restrict_processing", summary: "Keep, and use for nothing."),
            HookAction("open_correction", summary: "Let it be corrected."),
            HookAction(
                "refuse_request", summary: "Refuse, and say why.", fields: [HookField("reason", .string, "Which rule keeps the data")]),
            ComingHooks.mail, ComingHooks.notice,
        ], whenAllAbstain: .shippedPlan, isAsked: false)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("kind", input.kind.rawValue)
            hook.put("user") {
                $0.put("id", input.user)
                $0.put("role", input.role)
                $0.put("is_last_owner", input.isLastOwner)
            }
            hook.put("region", input.region)
            hook.put("has_legal_hold", input.hasLegalHold)
            hook.put("days_open", input.daysOpen)
        }
    }
    /// SPEC 7.
    package static func shippedPlan(_ input: Input) -> [PlannedAction] {
        switch input.kind {
        case .access, .export: [PlannedAction("export_data"), ComingHooks.mailing("data_export")]
        case .rectification: [PlannedAction("open_correction")]
        case .erasure:
            input.hasLegalHold
                ? [PlannedAction("refuse_request", .object([("reason", .string("legal_hold"))])), PlannedAction("restrict_processing")]
                : [PlannedAction("erase_data", .object([("after_days", .int(0))])), ComingHooks.mailing("data_erased")]
        case .restriction, .objection: [PlannedAction("restrict_processing"), ComingHooks.telling("data_request")]
        }
    }
}
