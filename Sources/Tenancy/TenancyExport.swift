import Store
import Vocabulary

extension Tenancy {
    /// The organisation, who belongs to it, and in which teams.
    package var export: RowExport {
        RowExport(
            "organisation", store: store,
            [
                RowExport.Kind(
                    "memberships", "membership_all",
                    [
                        ("membership_id", .id), ("user_id", .id), ("role", .text), ("standing", .text), ("scope", .json),
                        ("ends_at", .time), ("origin", .text), ("created_at", .time), ("changed_at", .time),
                    ]), RowExport.Kind("teams", "team_all", [("team_id", .id), ("name", .text), ("created_at", .time)]),
                RowExport.Kind("team-members", "team_member_all", keys: 2, [("team_id", .id), ("membership_id", .id)]),
                RowExport.Kind(
                    "allowed-networks", "address_rule_all",
                    [
                        ("tenant_id", .id), ("networks", .text), ("covers_license_keys", .boolean), ("set_at", .time),
                        ("lifted_until", .time),
                    ]),
            ], others: ["tenant_all"]
        ) { [self] tenant, sink, _ in
            guard let known = try await self.tenant(tenant) else { return }
            try await sink.record(
                "organisation",
                [
                    "id": .string(known.id.description), "kind": .string(known.kind.rawValue), "region": .string(known.region.rawValue),
                    "name": .string(known.name), "created_at": .string(known.createdAt.iso8601),
                    "owners": .array(try await owners(of: tenant).map { .string($0.description) }),
                ])
        }
    }
}
