import Store
import Tenancy
import Vocabulary

extension Identity {
    /// What is known of a person here. Proofs of who it is (passwords, codes, keys) are named, never given.
    package var personRecords: RoomRecords {
        let fields = fields
        return RoomRecords(
            "identity", store: store,
            [
                PersonTable(
                    "user_account", .kernel,
                    shows: [
                        "user_id", "region", "mail_box", "first_name_box", "last_name_box", "status", "platform_role", "home_tenant_id",
                        "chosen_tier", "verified_at", "created_at", "changed_at",
                    ], .erased),
                PersonTable("password_credential", .kernel, shows: ["set_at"], .erased),
                PersonTable(
                    "auth_session", .kernel,
                    shows: [
                        "session_id", "tenant_id", "kind", "status", "device_box", "address_box", "factor", "created_at", "last_used_at",
                        "expires_at", "revoked_at", "revoked_because",
                    ], .erased),
                PersonTable("known_network", .kernel, shows: ["proved_at"], .erased),
                PersonTable(
                    "api_key", .kernel,
                    shows: [
                        "key_id", "tenant_id", "name", "prefix", "permissions", "created_at", "expires_at", "last_used_at", "revoked_at",
                    ],
                    .erased),
                PersonTable("identity_link", .kernel, shows: ["link_id", "plugin", "label", "created_at", "last_used_at"], .erased),
                PersonTable("pending_link", .kernel, shows: ["plugin", "label", "created_at", "expires_at"], .erased),
                PersonTable("passkey", .kernel, shows: ["passkey_id", "label_box", "created_at", "last_used_at"], .erased),
                PersonTable("totp_factor", .kernel, shows: ["created_at"], .erased),
                PersonTable("totp_enrolment", .kernel, shows: ["expires_at"], .erased),
                PersonTable("recovery_code", .kernel, shows: ["created_at", "used_at"], .erased),
                PersonTable("link_token", .kernel, shows: ["purpose", "created_at", "expires_at", "used_at"], .erased),
                PersonTable("sign_in_step", .kernel, shows: ["kind", "factor", "created_at"], .erased),
                PersonTable("impersonation", .kernel, shows: ["tenant_id", "reason", "created_at", "expires_at"], .erased),
                PersonTable("account_closing", .kernel, shows: ["closed_by", "closed_at"], .erased),
                PersonTable("processing_restriction", .kernel, shows: ["since"], .erased),
            ]
        ) { person, column, row, box in
            let field = String(column.dropLast(4))
            switch column {
            case "device_box", "address_box": return try fields.open(box, person, "\(field):\(row["session_id"]?.string ?? "")")
            case "label_box": return try fields.open(box, person, "passkey:\(row["passkey_id"]?.string ?? "")")
            default: return try fields.open(box, person, field)
            }
        }
    }
}
