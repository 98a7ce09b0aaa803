import HookEngine
import Tenancy
import Vocabulary

package enum DataRequestHooks {
    package static let all: [HookDefinition] = [OnDataRequest.definition]

    static let mail = HookAction(
        "send_mail", summary: "A mail to the person when the request is done, in place of the usual one.",
        fields: [HookField("template", .string, "Name of the template")])
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
            HookField("user", .object(PlanWords.person), "Whose data."),
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
            DataRequestHooks.mail, PlanWords.notice,
        ], whenAllAbstain: .shippedPlan)

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
        case .access, .export: [PlannedAction("export_data"), PlanWords.mailing("data_export")]
        case .rectification: [PlannedAction("open_correction")]
        case .erasure:
            input.hasLegalHold
                ? [PlannedAction("refuse_request", .object([("reason", .string("legal_hold"))])), PlannedAction("restrict_processing")]
                : [PlannedAction("erase_data", .object([("after_days", .int(0))])), PlanWords.mailing("data_erased")]
        case .restriction, .objection: [PlannedAction("restrict_processing"), PlanWords.telling("data_request")]
        }
    }
}
