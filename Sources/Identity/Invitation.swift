import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// An offer of membership to a mail address.
package struct Invitation: Sendable, Hashable {
    package typealias ID = InvitationID
    package enum Status: String, Sendable, Hashable, CaseIterable { case pending, accepted, revoked, expired }

    package let id: ID
    package let tenant: TenantID
    package let role: Role
    package let scope: [String]?
    /// Of the membership that it offers.
    package let endsAt: Timestamp?
    let storedStatus: Status
    package let sends: Int
    package let sentAt: Timestamp
    package let expiresAt: Timestamp
    package let invitedBy: UserID
    package let createdAt: Timestamp
    let mailDigest: [UInt8]
    let mailBox: [UInt8]
    let tokenDigest: [UInt8]

    /// Expires by itself, whether or not anything has swept; the membership that it offers may end before it.
    package func status(at now: Timestamp) -> Status {
        guard storedStatus == .pending else { return storedStatus }
        return now < expiresAt && (endsAt.map { now < $0 } ?? true) ? .pending : .expired
    }

    init(_ row: Row, _ tenant: TenantID) throws {
        id = try row.id(0)
        self.tenant = tenant
        mailDigest = try row.blob(1)
        mailBox = try row.blob(2)
        role = Role(rawValue: try row.text(3))
        scope = try row.optional(4, row.text).map { try JSONCoding.decode([String].self, Data($0.utf8)) }
        endsAt = try row.optional(5, row.time)
        guard let status = Status(rawValue: try row.text(6)) else { throw StoreFault.corrupt("invitation.status") }
        storedStatus = status
        tokenDigest = try row.blob(7)
        sends = try row.int(8)
        sentAt = try row.time(9)
        expiresAt = try row.time(10)
        invitedBy = try row.id(11)
        createdAt = try row.time(12)
    }
}

/// The secret of an invitation's link: where it is found, and what proves it.
struct InvitationToken: Sendable, Hashable {
    let tenant: TenantID
    let invitation: Invitation.ID
    let secret: [UInt8]

    init(tenant: TenantID, invitation: Invitation.ID, secret: [UInt8]) {
        self.tenant = tenant
        self.invitation = invitation
        self.secret = secret
    }
    init?(_ text: String) {
        guard text.utf8.count <= 128, let raw = Base64URL.decode(text), raw.count == 64 else { return nil }
        tenant = TenantID(UUID(bytes: Array(raw[..<16])))
        invitation = Invitation.ID(UUID(bytes: Array(raw[16..<32])))
        secret = Array(raw[32...])
    }
    var text: String { Base64URL.encode(tenant.uuid.bytes + invitation.uuid.bytes + secret) }
    func digest(_ sealer: any Sealer) -> [UInt8] {
        sealer.digest(tenant.uuid.bytes + invitation.uuid.bytes + secret, purpose: "identity.invitation")
    }
}

/// Every statement about invitations. Tenant scope.
enum InvitationTable {
    private static let columns =
        """
        invitation_id, mail_digest, mail_box, role, scope, ends_at, status, token_digest, sends, sent_at, expires_at, invited_by, created_at
        """
    static let insert = SQL(
        "identity.insert_invitation",
        """
        INSERT INTO invitation
            (tenant_id, invitation_id, mail_digest, mail_box, role, scope, ends_at, status, token_digest, sends, sent_at, expires_at,
             invited_by, decision_id, created_at, settled_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, 1, $9, $10, $11, $12, $9, NULL)
        """)
    static let one = SQL("identity.invitation", "SELECT \(columns) FROM invitation WHERE invitation_id = $1")
    static let page = SQL(
        "identity.invitations", "SELECT \(columns) FROM invitation WHERE invitation_id > $1 ORDER BY invitation_id LIMIT $2")
    static let pendingFor = SQL(
        "identity.pending_invitation", "SELECT \(columns) FROM invitation WHERE mail_digest = $1 AND status = 'pending'")
    static let countPending = SQL(
        "identity.count_invitations", "SELECT count(*) FROM invitation WHERE status = 'pending' AND expires_at > $1")
    static let renew = SQL(
        "identity.renew_invitation",
        """
        UPDATE invitation SET token_digest = $2, sends = sends + 1, sent_at = $3, expires_at = $4
        WHERE invitation_id = $1 AND status = 'pending' RETURNING invitation_id
        """)
    /// One step: of two racing answers one gets the row.
    static let settle = SQL(
        "identity.settle_invitation",
        "UPDATE invitation SET status = $2, settled_at = $3 WHERE invitation_id = $1 AND status = 'pending' RETURNING invitation_id")
    static let ofInviter = SQL(
        "identity.invitations_of", "SELECT \(columns) FROM invitation WHERE invited_by = $1 AND status = 'pending'")
}
