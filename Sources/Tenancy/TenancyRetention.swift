import Store

/// What the room keeps, and how long.
package enum TenancyRetention {
    package static let kinds = [
        RetentionKind(
            "organisations", "An organisation: its id, region and name", .tenant, tables: ["tenant_all", "tenant_directory"],
            [
                .lasting(.tenant, "its members work with it"),
                .lasting(.platform, "no other organisation ever gets its id; the name in it is overwritten by the purge", .security),
            ], end: .anonymised),
        RetentionKind(
            "memberships", "Who belongs to an organisation, in which teams, as what; and former members", .tenant,
            tables: ["membership_all", "team_all", "team_member_all", "member_directory", "address_rule_all"],
            [.lasting(.tenant, "its members work with it")], end: .deleted, probe: RetentionProbe("membership_all", by: "membership_id")),
        RetentionKind(
            "mail_directory", "To which account and region an address leads, as a keyed hash", .person,
            tables: ["mail_directory", "mail_claim"],
            [.lasting(.person, "the person signs in with it")], end: .deleted),
    ]
}
