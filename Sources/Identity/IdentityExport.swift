import Store
import Tenancy
import Vocabulary

extension Identity {
    /// Who the members are, who was invited, and how people and programs sign in: nothing that would let anybody do so.
    package func export(opening mail: @escaping @Sendable (_ box: [UInt8], _ invitation: Invitation.ID) -> String?) -> RowExport {
        RowExport(
            "people", store: store,
            [
                RowExport.Kind(
                    "invitations", "invitation_all",
                    [
                        ("invitation_id", .id), ("mail_box", .sealed { box, row in (try? row.id(0)).flatMap { mail(box, $0) } }),
                        ("role", .text), ("scope", .json), ("ends_at", .time), ("status", .text), ("sends", .integer), ("sent_at", .time),
                        ("expires_at", .time), ("invited_by", .id), ("created_at", .time), ("settled_at", .time),
                    ]),
                RowExport.Kind(
                    "api-keys", "api_key",
                    [
                        ("key_id", .id), ("user_id", .id), ("name", .text), ("permissions", .json), ("created_at", .time),
                        ("expires_at", .time), ("rotated_at", .time), ("last_used_at", .time), ("revoked_at", .time),
                        ("revoked_because", .text),
                    ]),
                RowExport.Kind(
                    "sign-in-connections", "identity_connection_all",
                    [
                        ("connection_id", .id), ("plugin", .text), ("label", .text), ("state", .text), ("admits", .boolean),
                        ("default_role", .text), ("role_map", .json), ("version", .integer), ("tested_at", .time), ("created_at", .time),
                        ("changed_at", .time),
                    ]),
                RowExport.Kind(
                    "domains", "identity_domain_all", [("domain", .text), ("verified_at", .time), ("created_at", .time)]),
                RowExport.Kind(
                    "required-connection", "sso_rule_all", [("tenant_id", .id), ("connection_id", .id), ("required_at", .time)]),
                RowExport.Kind(
                    "second-factor-rule", "factor_rule_all", [("tenant_id", .id), ("enforced_from", .time), ("set_at", .time)]),
                RowExport.Kind(
                    "impersonations", "impersonation",
                    [
                        ("session_id", .id), ("staff_id", .id), ("user_id", .id), ("reason", .text), ("created_at", .time),
                        ("expires_at", .time),
                    ]),
            ]
        ) { [self] tenant, sink, _ in
            for person in Set(try await tenancy.everybody(of: tenant)).sorted() {
                guard let known = try? await account(person) else {
                    try await sink.record("users", ["id": .string(person.description), "status": "erased"])
                    continue
                }
                try await sink.record(
                    "users",
                    [
                        "id": .string(person.description), "email": .string(known.email), "first_name": .string(known.firstName),
                        "last_name": .string(known.lastName), "status": .string(known.status.rawValue),
                        "created_at": .string(known.createdAt.iso8601),
                    ])
            }
        }
    }
}

extension People {
    /// To whom an invitation went; nil where it opens no more.
    package func address(in box: [UInt8], of id: Invitation.ID) -> String? {
        (try? sealer.open(box, context: Self.mailContext(id))).map { String(decoding: $0, as: UTF8.self) }
    }
}
