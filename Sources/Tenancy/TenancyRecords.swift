import Store

extension Tenancy {
    package var personRecords: RoomRecords {
        RoomRecords(
            "tenancy", store: store,
            [
                PersonTable(
                    "membership_all", .tenant,
                    shows: ["tenant_id", "membership_id", "role", "standing", "scope", "ends_at", "origin", "created_at", "changed_at"],
                    .bare("who was a member when is part of the tenant's audit")),
                PersonTable("member_directory", .kernel, shows: ["tenant_id"], .erased),
                PersonTable("mail_directory", .kernel, shows: ["region"], .erased),
                PersonTable("mail_claim", .kernel, shows: ["state", "changed_at"], .erased),
            ])
    }
}
