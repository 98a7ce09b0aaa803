import HookEngine
import Tenancy
import Vocabulary

package enum OffboardingHooks {
    package static let all: [HookDefinition] = [OnOffboard.definition]

    static let mail = HookAction(
        "send_mail", summary: "A mail to the tenant's owners, once for each thing that happened.",
        fields: [HookField("template", .string, "Name of the template")])
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
        /// What makes the tenant leave, or how the member's place ended; nil for a member who asks to leave.
        package var cause: String?
        package var hasWorkstation: Bool?
    }
    package static let definition = HookDefinition(
        "on_offboard", kind: .plan,
        summary: "A tenant or a member leaves: what happens at this stage? A last owner and a legal hold are the kernel's to keep.",
        input: [
            HookField("subject", .choice(["tenant", "member"]), "Who leaves."),
            HookField("stage", .choice(Stage.allCases.map(\.rawValue)), "Where on the way."),
            HookField("user", .object(PlanWords.person), "The member who leaves, or who asked for the tenant."),
            HookField("reason", .choice(["price", "missing_feature", "quality", "no_need", "unpaid", "other"]), "Why, as they say."),
            HookField("tier", .string, "The tenant's tier, if it has one.", optional: true),
            HookField(
                "customer", .object([HookField("age_days", .integer, "Days since the first checkout.", range: 0...100_000)]), "The buyer."),
            HookField("has_legal_hold", .boolean, "Something of theirs must not be deleted."),
            HookField("has_refused_offer", .boolean, "An offer was made and not taken."),
            HookField(
                "cause", .choice(["left", "removed", "over", "asked", "cancelled", "lapsed"]),
                "How the member's place ended: left, removed, over; absent before it has. What makes the tenant leave: its owners asked, its last subscription was cancelled, nothing was paid for a long time.",
                optional: true),
            HookField("has_workstation", .boolean, "The member who left has one; absent for a tenant.", optional: true),
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
            HookAction(
                "leave",
                summary:
                    "At requested, of a tenant by the cause cancelled: when it leaves. Without it at the end of what is paid; of several the nearest counts.",
                fields: [
                    HookField(
                        "when", .choice(["now", "period_end", "never"]),
                        "Never: not because of this; a tenant that pays nothing for `offboarding.lapse_days` leaves all the same")
                ]),
            HookAction(
                "end_membership", summary: "The member is no longer one.",
                fields: [
                    HookField(
                        "after_days", .integer,
                        "Days from now; 0, or absent, is now. Counts for a member who asks to leave; who is removed goes at once.",
                        optional: true, tight: .lowest, range: 0...90)
                ]),
            HookAction(
                "end_shares", summary: "Projects are no longer shared with the member by name, also if the member comes back."),
            HookAction(
                "keep_workstation", summary: "The member's workstation sleeps so long with everything on it, and is asked about again.",
                fields: [HookField("days", .integer, "Days since the member left", tight: .lowest, range: 0...365)]),
            HookAction(
                "hand_over", summary: "What is kept of the member's workstation can be opened meanwhile.",
                fields: [HookField("to", .choice(["owner"]), "Whoever owns the tenant")]),
            HookAction("revoke_access", summary: "Tokens, keys and leases end."),
            HookAction("end_billing", summary: "Billing stops and is prorated."), HookAction("export_data", summary: "Make the export."),
            HookAction(
                "retain_data", summary: "Keep everything so long, to come back to.",
                fields: [HookField("days", .integer, "Days", tight: .highest, range: 0...3_650)]),
            HookAction("purge_data", summary: "Delete what may be deleted, and certify it."),
            OffboardingHooks.mail, PlanWords.notice,
        ], whenAllAbstain: .shippedPlan)

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
            hook.put("cause", input.cause)
            hook.put("has_workstation", input.hasWorkstation)
        }
    }
    /// SPEC 6.
    package static func shippedPlan(_ input: Input) -> [PlannedAction] {
        if input.subject == "member" { return memberPlan(input) }
        switch input.stage {
        case .requested:
            // Of a cancelled subscription the kernel tells by itself.
            if input.cause == LeavingTenant.Cause.cancelled.rawValue {
                return [PlannedAction("leave", .object([("when", .string(LeavingWhen.periodEnd.rawValue))]))]
            }
            return [PlanWords.mailing("offboarding_requested")]
        case .periodEnd:
            return [
                PlannedAction("revoke_access"), PlannedAction("end_billing"), PlannedAction("export_data"),
                PlannedAction("retain_data", .object([("days", .int(30))])), PlanWords.mailing("offboarding_export"),
            ]
        case .retentionOver:
            return input.hasLegalHold
                ? [PlanWords.telling("legal_hold")] : [PlannedAction("purge_data"), PlanWords.mailing("offboarding_purged")]
        }
    }
    /// Nothing of a member who left is kept, unless a policy keeps it.
    private static func memberPlan(_ input: Input) -> [PlannedAction] {
        if input.isLastOwner { return [PlanWords.telling("last_owner_leaves")] }
        switch input.stage {
        case .requested: return [PlannedAction("end_membership"), PlannedAction("revoke_access")]
        case .periodEnd: return [PlannedAction("end_membership"), PlannedAction("revoke_access"), PlannedAction("end_shares")]
        case .retentionOver: return input.hasLegalHold ? [PlanWords.telling("legal_hold")] : [PlannedAction("purge_data")]
        }
    }
}
