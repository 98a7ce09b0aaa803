import HookEngine

/// What the shipped policies and contracts read, by hooks as the rooms declare them.
extension Hooked {
    private static let person = HookField.Kind.object([
        HookField("id", .string, "Handle"), HookField("role", .string, "Role"), HookField("is_last_owner", .boolean, "Alone"),
    ])
    private static let mail = HookAction("send_mail", summary: "Mail", fields: [HookField("template", .string, "Template")])
    private static let notice = HookAction("notify_staff", summary: "Tell staff", fields: [HookField("reason", .string, "Why")])

    private static let seatWithDevices = HookDefinition(
        "on_seat_request", kind: .decide, summary: seat.summary,
        input: seat.input.map { field in
            guard field.name == "user", case .object(let members) = field.kind else { return field }
            return HookField("user", .object(members + [HookField("recent_devices", .integer, "Devices", optional: true)]), field.summary)
        } + [HookField("purpose", .string, "What for", optional: true)], terms: seat.terms, whenAllAbstain: .allow)
    private static let login = HookDefinition(
        "on_login", kind: .decide, summary: "Sign-in",
        input: [
            HookField(
                "user",
                .object([
                    HookField("id", .string, "Handle"), HookField("email_domain", .string, "Domain"),
                    HookField("role", .string, "Role", optional: true),
                ]), "Who"),
            HookField(
                "tenant",
                .object([
                    HookField("kind", .string, "Kind"), HookField("tier", .string, "Tier", optional: true),
                    HookField("has_allow_list", .boolean, "Lists"),
                ]), "Where"), HookField("method", .choice(["password", "recovery"]), "How"), HookField("factors", .integer, "Factors"),
            HookField("device", .object([HookField("is_known", .boolean, "Known")]), "Device"),
            HookField("address", .object([HookField("is_listed", .boolean, "Listed")]), "Address"),
            HookField("recent_failures", .integer, "Failures"),
        ], terms: [HookField("factors", .integer, "Factors", optional: true, tight: .highest, range: 1...3)], whenAllAbstain: .allow)
    private static let offboard = HookDefinition(
        "on_offboard", kind: .plan, summary: "Leaving",
        input: [
            HookField("subject", .choice(["tenant", "member"]), "Who"),
            HookField("stage", .choice(["requested", "period_end", "retention_over"]), "Where"), HookField("user", person, "Who"),
            HookField("reason", .choice(["price", "missing_feature", "no_need", "other"]), "Why"),
            HookField("tier", .string, "Tier", optional: true),
            HookField("customer", .object([HookField("age_days", .integer, "Age")]), "Buyer"),
            HookField("has_legal_hold", .boolean, "Hold"), HookField("has_refused_offer", .boolean, "Offer"),
            HookField("cause", .choice(["left", "removed", "over", "asked", "cancelled", "lapsed"]), "How", optional: true),
            HookField("has_workstation", .boolean, "Workstation", optional: true),
        ],
        actions: [
            HookAction(
                "offer", summary: "Offer",
                fields: [
                    HookField("kind", .choice(["pause", "downgrade", "discount"]), "What"),
                    HookField("discount_basis_points", .integer, "Off", optional: true),
                ]),
            HookAction("leave", summary: "Leave", fields: [HookField("when", .choice(["now", "period_end", "never"]), "When")]),
            HookAction(
                "end_membership", summary: "End",
                fields: [HookField("after_days", .integer, "Later", optional: true, tight: .lowest, range: 0...90)]),
            HookAction("revoke_access", summary: "Revoke"), HookAction("end_shares", summary: "Shares"),
            HookAction(
                "keep_workstation", summary: "Keep", fields: [HookField("days", .integer, "Days", tight: .lowest, range: 0...365)]),
            HookAction("hand_over", summary: "Hand over", fields: [HookField("to", .choice(["owner"]), "To")]),
            HookAction("purge_data", summary: "Purge"), mail, notice,
        ], whenAllAbstain: .shippedPlan)
    private static let dataRequest = HookDefinition(
        "on_data_request", kind: .plan, summary: "Rights",
        input: [
            HookField("kind", .choice(["export", "erasure"]), "Which"), HookField("user", person, "Whose"),
            HookField("region", .string, "Where"),
            HookField("has_legal_hold", .boolean, "Hold"), HookField("days_open", .integer, "Days"),
        ],
        actions: [
            HookAction("erase_data", summary: "Erase", fields: [HookField("after_days", .integer, "Days")]),
            HookAction("restrict_processing", summary: "Restrict"),
            HookAction("refuse_request", summary: "Refuse", fields: [HookField("reason", .string, "Why")]), notice,
        ], whenAllAbstain: .shippedPlan)

    static let shipped = [signup, seatWithDevices, role, payment, login, offboard, dataRequest]
}
