import Signing
import Vocabulary

/// The signed right to use the product on one device without the network: what stands in the file, and in its signed bytes.
package struct LicenseFile: Sendable, Hashable {
    package var license: LicenseID
    package var activation: String
    /// SHA-256 of the hardware id, so that the file alone does not tell it.
    package var hardwareHash: String
    package var tier: String
    package var tierName: String
    /// `active` or `grace`, when the file was made.
    package var status: String
    package var issuedAt: Timestamp
    /// The licence's effective end; nil: without end.
    package var expiresAt: Timestamp?
    /// Until when the file holds without a new one.
    package var offlineUntil: Timestamp
    package var seats: Int
    /// Nil: without limit.
    package var maxActivations: Int?
    package var features: [String: JSONValue]
    package var limits: [String: JSONValue]

    package init(
        license: LicenseID, activation: String, hardwareHash: String, tier: String, tierName: String, status: String, issuedAt: Timestamp,
        expiresAt: Timestamp?, offlineUntil: Timestamp, seats: Int, maxActivations: Int?, features: [String: JSONValue],
        limits: [String: JSONValue]
    ) {
        self.license = license
        self.activation = activation
        self.hardwareHash = hardwareHash
        self.tier = tier
        self.tierName = tierName
        self.status = status
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.offlineUntil = offlineUntil
        self.seats = seats
        self.maxActivations = maxActivations
        self.features = features
        self.limits = limits
    }

    /// How a hardware id stands in a file.
    package static func hash(hardwareID: String) -> String { Hex.encode(Digest.sha256(Array(hardwareID.utf8))) }

    package var json: JSONValue {
        [
            "kind": .string(TypedMessage.Kind.licenseFile.name), "license_id": .string(license.description),
            "activation_id": .string(activation), "hardware_id_sha256": .string(hardwareHash), "tier": .string(tier),
            "tier_name": .string(tierName), "status": .string(status), "issued_at": .string(issuedAt.iso8601),
            "expires_at": expiresAt.map { .string($0.iso8601) } ?? .null, "offline_until": .string(offlineUntil.iso8601),
            "seats": .int(Int64(seats)), "max_activations": maxActivations.map { .int(Int64($0)) } ?? .null, "features": .object(features),
            "limits": .object(limits),
        ]
    }

    /// From the members of a file whose signature was found good. Members that a newer platform added are ignored.
    init(signed json: JSONValue) throws(LicenseFileFault) {
        func text(_ name: String) throws(LicenseFileFault) -> String {
            guard let text = json[name]?.string else { throw .malformed("\(name) is missing") }
            return text
        }
        func time(_ name: String) throws(LicenseFileFault) -> Timestamp {
            guard let time = Timestamp(iso8601: try text(name)) else { throw .malformed("\(name) is not a time") }
            return time
        }
        guard try text("kind") == TypedMessage.Kind.licenseFile.name else { throw .otherKind(try text("kind")) }
        guard let id = LicenseID(try text("license_id")) else { throw .malformed("license_id is not an id") }
        guard let seats = json["seats"]?.int else { throw .malformed("seats is missing") }
        self.init(
            license: id, activation: try text("activation_id"), hardwareHash: try text("hardware_id_sha256"), tier: try text("tier"),
            tierName: try text("tier_name"), status: try text("status"), issuedAt: try time("issued_at"),
            expiresAt: json["expires_at"]?.isNull == false ? try time("expires_at") : nil, offlineUntil: try time("offline_until"),
            seats: Int(seats), maxActivations: json["max_activations"]?.int.map(Int.init), features: json["features"]?.object ?? [:],
            limits: json["limits"]?.object ?? [:])
    }

    /// What is signed: `coditect:license-file.v1`, NUL, and the members in RFC 8785 form.
    package func message() throws -> [UInt8] { try TypedMessage(.licenseFile, json: json).bytes }
}

/// A licence file as it travels: the members in clear and at least one signature over them.
package struct SignedLicenseFile: Sendable, Hashable {
    package struct Mark: Sendable, Hashable {
        package var keyID: String
        /// `Ed25519` or `RSA-4096-PSS-SHA256`.
        package var algorithm: String
        package var bytes: [UInt8]
        package init(keyID: String, algorithm: String, bytes: [UInt8]) {
            self.keyID = keyID
            self.algorithm = algorithm
            self.bytes = bytes
        }
    }
    package var license: JSONValue
    package var signatures: [Mark]
    package init(license: JSONValue, signatures: [Mark]) {
        self.license = license
        self.signatures = signatures
    }

    package var json: JSONValue {
        [
            "license": license,
            "signatures": .array(
                signatures.map {
                    [
                        "key_id": .string($0.keyID), "algorithm": .string($0.algorithm), "signature": .string(Hex.encode($0.bytes)),
                    ]
                }),
        ]
    }

    package init(_ json: JSONValue) throws(LicenseFileFault) {
        guard let license = json["license"], license.object != nil, let marks = json["signatures"]?.array, (1...8).contains(marks.count)
        else {
            throw .malformed("it has no license and signatures")
        }
        self.license = license
        signatures = []
        for mark in marks {
            guard let keyID = mark["key_id"]?.string, let algorithm = mark["algorithm"]?.string,
                let bytes = mark["signature"]?.string.flatMap(Hex.decode)
            else { throw .malformed("a signature is incomplete") }
            signatures.append(Mark(keyID: keyID, algorithm: algorithm, bytes: bytes))
        }
    }
}

package enum LicenseFileFault: Error, Sendable, Hashable {
    /// Not a licence file at all.
    case malformed(String)
    /// Signed, but something else.
    case otherKind(String)
    /// No signature of a key that was given matches.
    case notSigned
    /// Made for another device.
    case otherDevice
    /// The clock stands before the moment at which the file was made.
    case clockBehind(issuedAt: Timestamp)
    /// The licence ended.
    case expired(Timestamp)
    /// The offline grace is over: the platform must be asked again.
    case stale(Timestamp)
}

extension LicenseFile {
    /// How far the clock of a device may lag behind the platform's.
    package static let tolerance: Duration = .minutes(5)

    /// The file's content, if it is signed by one of `keys`, for this hardware and in force at `now`. Pure; needs no network.
    package static func check(
        _ bytes: [UInt8], keys: LicensePublicKeys, hardwareID: String, now: Timestamp
    ) throws(LicenseFileFault) -> LicenseFile {
        let file = try authentic(bytes, keys: keys)
        guard file.hardwareHash == hash(hardwareID: hardwareID) else { throw .otherDevice }
        guard now + tolerance >= file.issuedAt else { throw .clockBehind(issuedAt: file.issuedAt) }
        if let end = file.expiresAt, now >= end { throw .expired(end) }
        guard now < file.offlineUntil else { throw .stale(file.offlineUntil) }
        return file
    }

    /// The file's content, if it is signed by one of `keys`; whether it is in force is not asked.
    package static func authentic(_ bytes: [UInt8], keys: LicensePublicKeys) throws(LicenseFileFault) -> LicenseFile {
        guard let json = try? StrictJSON.parse(bytes, maxBytes: 65_536) else { throw .malformed("it is not JSON") }
        let signed = try SignedLicenseFile(json)
        guard let body = try? CanonicalJSON.encode(signed.license) else { throw .malformed("it has no canonical form") }
        let message = TypedMessage(.licenseFile, body).bytes
        guard signed.signatures.contains(where: { keys.verify(message, $0) }) else { throw .notSigned }
        return try LicenseFile(signed: signed.license)
    }
}
