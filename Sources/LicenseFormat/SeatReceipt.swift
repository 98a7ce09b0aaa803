import Signing
import Vocabulary

/// What happened to a seat, as its holder and the customer can prove it later with the public key alone.
package struct SeatReceipt: Sendable, Hashable {
    package enum Act: String, Sendable, CaseIterable {
        /// A seat was given, or the same device asked again.
        case granted, repeated
        /// A seat was given beyond the licence's, because policy allowed it.
        case overdraft
        /// An expired lease came back by a late heartbeat.
        case resurrected
        /// No seat was free.
        case refused
        /// Policy said no.
        case denied
        /// An operator ended the lease.
        case forced
        /// A seat was lent for use without the network.
        case borrowed
    }
    package var act: Act
    package var tenant: TenantID
    package var license: LicenseID
    /// Nil where no lease came to be.
    package var session: String?
    package var epoch: Int64?
    /// Grows by one with each receipt of the licence: a gap is a receipt that somebody keeps back.
    package var sequence: Int64
    package var seatsUsed: Int
    package var seatsTotal: Int
    package var at: Timestamp
    package var reason: String?
    /// Lower-case hexadecimal SHA-256 of the RFC 8785 form of what was asked of policy; nil where none was asked.
    package var inputHash: String?
    /// Of the policy set that answered.
    package var policyHash: String?
    /// Of the tenant's own policies, where it had some for the question.
    package var tenantPolicyHash: String?
    package var decision: DecisionID?

    package init(
        _ act: Act, tenant: TenantID, license: LicenseID, session: String? = nil, epoch: Int64? = nil, sequence: Int64, seatsUsed: Int,
        seatsTotal: Int, at: Timestamp
    ) {
        self.act = act
        self.tenant = tenant
        self.license = license
        self.session = session
        self.epoch = epoch
        self.sequence = sequence
        self.seatsUsed = seatsUsed
        self.seatsTotal = seatsTotal
        self.at = at
    }

    package var json: JSONValue {
        func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        return [
            "kind": .string(TypedMessage.Kind.seatReceipt.name), "act": .string(act.rawValue), "tenant_id": .string(tenant.description),
            "license_id": .string(license.description), "session_id": text(session), "epoch": epoch.map(JSONValue.int) ?? .null,
            "sequence": .int(sequence), "seats_used": .int(Int64(seatsUsed)), "seats_total": .int(Int64(seatsTotal)),
            "at": .string(at.iso8601), "reason": text(reason), "input_hash": text(inputHash), "policy_hash": text(policyHash),
            "tenant_policy_hash": text(tenantPolicyHash), "decision_id": text(decision?.description),
        ]
    }
    package func message() throws -> [UInt8] { try TypedMessage(.seatReceipt, json: json).bytes }
}

/// A seat that may be used without the network until its end, on one device.
package struct BorrowedSeat: Sendable, Hashable {
    package var license: LicenseID
    package var session: String
    package var epoch: Int64
    /// SHA-256 of the hardware id.
    package var hardwareHash: String
    package var issuedAt: Timestamp
    package var expiresAt: Timestamp
    package init(license: LicenseID, session: String, epoch: Int64, hardwareHash: String, issuedAt: Timestamp, expiresAt: Timestamp) {
        self.license = license
        self.session = session
        self.epoch = epoch
        self.hardwareHash = hardwareHash
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
    }

    package var json: JSONValue {
        [
            "kind": .string(TypedMessage.Kind.borrowedSeat.name), "license_id": .string(license.description),
            "session_id": .string(session), "epoch": .int(epoch), "hardware_id_sha256": .string(hardwareHash),
            "issued_at": .string(issuedAt.iso8601), "expires_at": .string(expiresAt.iso8601),
        ]
    }
    package func message() throws -> [UInt8] { try TypedMessage(.borrowedSeat, json: json).bytes }
}

/// A typed document as it travels: its members in clear and a signature over `coditect:KIND`, NUL and their RFC 8785 form.
package struct SignedDocument: Sendable, Hashable {
    package var document: JSONValue
    package var mark: SignedLicenseFile.Mark
    package init(document: JSONValue, mark: SignedLicenseFile.Mark) {
        self.document = document
        self.mark = mark
    }
    package var json: JSONValue {
        [
            "document": document,
            "signature": [
                "key_id": .string(mark.keyID), "algorithm": .string(mark.algorithm), "signature": .string(Hex.encode(mark.bytes)),
            ],
        ]
    }

    /// The document's members, if one of `keys` signed them as this kind.
    package static func check(
        _ bytes: [UInt8], as kind: TypedMessage.Kind, keys: LicensePublicKeys
    ) throws(LicenseFileFault) -> JSONValue {
        guard let json = try? StrictJSON.parse(bytes, maxBytes: 65_536), let document = json["document"], document.object != nil,
            let mark = json["signature"], let keyID = mark["key_id"]?.string, let algorithm = mark["algorithm"]?.string,
            let signature = mark["signature"]?.string.flatMap(Hex.decode)
        else { throw .malformed("it has no document and signature") }
        guard let body = try? CanonicalJSON.encode(document) else { throw .malformed("it has no canonical form") }
        guard keys.verify(TypedMessage(kind, body).bytes, .init(keyID: keyID, algorithm: algorithm, bytes: signature)) else {
            throw .notSigned
        }
        guard let said = document["kind"]?.string, said == kind.name else { throw .otherKind(document["kind"]?.string ?? "none") }
        return document
    }

    /// A borrowed seat that is in force on this hardware at `now`. Pure; needs no network.
    package static func checkBorrowed(
        _ bytes: [UInt8], keys: LicensePublicKeys, hardwareID: String, now: Timestamp
    ) throws(LicenseFileFault) -> BorrowedSeat {
        let document = try check(bytes, as: .borrowedSeat, keys: keys)
        guard let license = document["license_id"]?.string.flatMap(LicenseID.init), let session = document["session_id"]?.string,
            let epoch = document["epoch"]?.int, let hash = document["hardware_id_sha256"]?.string,
            let issued = document["issued_at"]?.string.flatMap(Timestamp.init(iso8601:)),
            let expires = document["expires_at"]?.string.flatMap(Timestamp.init(iso8601:))
        else { throw .malformed("a member of the borrowed seat is missing") }
        guard hash == LicenseFile.hash(hardwareID: hardwareID) else { throw .otherDevice }
        guard now + LicenseFile.tolerance >= issued else { throw .clockBehind(issuedAt: issued) }
        guard now < expires else { throw .expired(expires) }
        return BorrowedSeat(license: license, session: session, epoch: epoch, hardwareHash: hash, issuedAt: issued, expiresAt: expires)
    }
}
