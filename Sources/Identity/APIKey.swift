import Foundation
import Signing
import Store
import Vocabulary

/// A key that programs use in the place of its owner, for the permissions that it names and never for more than the owner may.
package struct APIKey: Sendable, Hashable {
    package typealias ID = APIKeyID

    package let id: ID
    package let tenant: TenantID
    package let owner: UserID
    package let name: String
    /// Shown wherever the key is; tells keys apart, opens nothing.
    package let prefix: String
    package let permissions: [String]
    package let createdAt: Timestamp
    package let expiresAt: Timestamp
    package let rotatedAt: Timestamp?
    package var lastUsedAt: Timestamp?
    package let revokedAt: Timestamp?
    /// Until when the key before the last rotation works.
    package let previousUntil: Timestamp?
    let secretDigest: [UInt8]
    let previousPrefix: String?
    let previousDigest: [UInt8]?

    package enum State: String, Sendable, CaseIterable { case active, expired, revoked }
    package func state(at now: Timestamp) -> State { revokedAt != nil ? .revoked : now < expiresAt ? .active : .expired }

    /// Whether this secret opens the key now: the present one, or the one before while the two overlap.
    func opens(_ secret: APIKeySecret, _ digest: [UInt8], now: Timestamp) -> Bool {
        guard state(at: now) == .active else { return false }
        if secret.prefix == prefix { return ConstantTime.equal(secretDigest, digest) }
        guard secret.prefix == previousPrefix, let previousDigest, let previousUntil, now < previousUntil else { return false }
        return ConstantTime.equal(previousDigest, digest)
    }

    init(_ row: Row) throws {
        id = try row.id(0)
        tenant = try row.id(1)
        owner = try row.id(2)
        name = try row.text(3)
        prefix = try row.text(4)
        secretDigest = try row.blob(5)
        previousPrefix = try row.optional(6, row.text)
        previousDigest = try row.optional(7, row.blob)
        previousUntil = try row.optional(8, row.time)
        permissions = try JSONCoding.decode([String].self, Data(try row.text(9).utf8))
        createdAt = try row.time(10)
        expiresAt = try row.time(11)
        rotatedAt = try row.optional(12, row.time)
        lastUsedAt = try row.optional(13, row.time)
        revokedAt = try row.optional(14, row.time)
    }
}

/// A key in the clear: `cok_` and eight signs that are shown, then the secret.
struct APIKeySecret: Sendable, Hashable {
    static let mark = "cok_"
    let prefix: String
    let secret: String

    init(_ entropy: any Entropy) {
        prefix = Self.mark + Base64URL.encode(entropy.bytes(6))
        secret = Base64URL.encode(entropy.bytes(32))
    }
    /// Nil for everything that is not of the form.
    init?(_ text: String) {
        guard text.utf8.count == 56, text.hasPrefix(Self.mark), text.utf8.allSatisfy(Self.isSign) else { return nil }
        prefix = String(text.prefix(12))
        let rest = text.dropFirst(12)
        guard rest.first == "." else { return nil }
        secret = String(rest.dropFirst())
    }
    var text: String { "\(prefix).\(secret)" }
    func digest(_ sealer: any Sealer) -> [UInt8] { sealer.digest(Array(text.utf8), purpose: "identity.api_key") }
    private static func isSign(_ byte: UInt8) -> Bool {
        switch byte {
        case 45, 46, 95, 48...57, 65...90, 97...122: true
        default: false
        }
    }
}

/// Every statement about API keys. Kernel scope; the tenant stands in each.
enum APIKeyTable {
    private static let columns =
        """
        key_id, tenant_id, user_id, name, prefix, secret_digest, previous_prefix, previous_digest, previous_until, permissions, created_at,
        expires_at, rotated_at, last_used_at, revoked_at
        """
    static let insert = SQL(
        "identity.insert_api_key",
        """
        INSERT INTO api_key
            (key_id, tenant_id, user_id, name, prefix, secret_digest, previous_prefix, previous_digest, previous_until, permissions,
             created_at, expires_at, rotated_at, last_used_at, revoked_at, revoked_because)
        VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL, NULL, $7, $8, $9, NULL, NULL, NULL, NULL)
        """)
    static let byPrefix = SQL(
        "identity.api_key_by_prefix",
        "SELECT \(columns) FROM api_key WHERE prefix = $1 UNION ALL SELECT \(columns) FROM api_key WHERE previous_prefix = $1")
    static let one = SQL("identity.api_key", "SELECT \(columns) FROM api_key WHERE key_id = $1 AND tenant_id = $2")
    static let page = SQL(
        "identity.api_keys",
        "SELECT \(columns) FROM api_key WHERE tenant_id = $1 AND user_id = COALESCE($2, user_id) AND key_id > $3 ORDER BY key_id LIMIT $4")
    static let countLive = SQL(
        "identity.count_api_keys",
        "SELECT count(*) FROM api_key WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3")
    /// Only over the rotation that was seen: of two racing ones one wins.
    static let rotate = SQL(
        "identity.rotate_api_key",
        """
        UPDATE api_key SET prefix = $3, secret_digest = $4, previous_prefix = prefix, previous_digest = secret_digest, previous_until = $5,
            rotated_at = $6
        WHERE key_id = $1 AND prefix = $2 AND revoked_at IS NULL AND expires_at > $6 RETURNING key_id
        """)
    static let touch = SQL(
        "identity.touch_api_key",
        "UPDATE api_key SET last_used_at = $2 WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at < $2) RETURNING key_id")
    static let revoke = SQL(
        "identity.revoke_api_key",
        "UPDATE api_key SET revoked_at = $2, revoked_because = $3 WHERE key_id = $1 AND revoked_at IS NULL RETURNING key_id")
    /// $2 null: in every tenant.
    static let revokeAll = SQL(
        "identity.revoke_api_keys_of",
        """
        UPDATE api_key SET revoked_at = $3, revoked_because = $4
        WHERE user_id = $1 AND tenant_id = COALESCE($2, tenant_id) AND revoked_at IS NULL RETURNING key_id, prefix, previous_prefix, tenant_id
        """)
}
