import Foundation
import HTTPEdge
import LicenseFormat
import Store
import Vocabulary

extension Licenses {
    package func routes() -> [Route] { keyRoutes() + tenantRoutes() + revocationRoutes() + [searchRoute(), publicKeysRoute()] }

    /// Routes whose caller is proved by the key in the body.
    private func keyRoutes() -> [Route] {
        [
            Route(
                .post, "/api/v1/licenses/validate", name: "licenses.validate",
                summary: "Whether a key is good on a device. Always 200: `code` tells the first of its reasons that holds.", access: .proof,
                limit: .validate, request: Wire.validateRequest, answers: [RouteAnswer(200, "What the key is worth", Wire.validation)],
                clue: .licenseKey("license_key")
            ) { call in
                let body = try Wire.KeyBody(call)
                let validation = try await validate(key: body.key, body.hardware, from: call.act.address, now: call.act.now)
                return .json(value: Wire.json(validation, encrypted: try validation.file.flatMap { try encrypted($0, body) }))
            },
            Route(
                .post, "/api/v1/licenses/activate", name: "licenses.activate",
                summary: "Binds a licence to a device and gives the signed file for offline use. Repeating it is harmless.", access: .proof,
                limit: .activate, request: Wire.activateRequest, answers: [RouteAnswer(200, "Active on the device", Wire.activationChange)],
                problems: Wire.keyProblems + [
                    LicenseProblems.suspended, LicenseProblems.expired, LicenseProblems.revoked, LicenseProblems.activationLimit,
                    LicenseProblems.notActivated,
                ], creates: true, clue: .licenseKey("license_key")
            ) { call in
                let body = try Wire.KeyBody(call)
                let change = try await activate(key: body.key, body.hardware, machineName: body.machineName, call.act)
                return .json(value: Wire.json(change, encrypted: try change.file.flatMap { try encrypted($0, body) }))
            },
            Route(
                .post, "/api/v1/licenses/deactivate", name: "licenses.deactivate",
                summary: "Takes a licence off a device and frees its place.", access: .proof, limit: .activate,
                request: Wire.deactivateRequest, answers: [RouteAnswer(200, "No longer active on the device", Wire.activationChange)],
                problems: Wire.keyProblems + [LicenseProblems.notActivated], creates: true,
                clue: .licenseKey("license_key")
            ) { call in
                let body = try Wire.KeyBody(call)
                return .json(value: Wire.json(try await deactivate(key: body.key, body.hardware, call.act)))
            },
        ]
    }

    /// The file as its caller asked for it; nil: in clear.
    private func encrypted(_ file: SignedLicenseFile, _ body: Wire.KeyBody) throws -> EncryptedLicenseFile? {
        guard body.encrypts else { return nil }
        return try EncryptedLicenseFile(file, key: body.key, hardwareID: body.hardware.id, entropy: entropy)
    }

    private func tenantRoutes() -> [Route] {
        [
            Route(
                .get, "/api/v1/licenses/features", name: "licenses.features",
                summary: "What the tenant's usable licences grant together.", access: .session,
                answers: [RouteAnswer(200, "Features and limits", Wire.featuresAnswer)]
            ) { call in
                let granted = try await features(try call.caller().tenant, now: call.act.now)
                return .json(value: ["features": .object(granted.features), "limits": .object(granted.limits)])
            },
            Route(
                .get, "/api/v1/licenses", name: "licenses.list", summary: "The tenant's licences, the oldest first; without their keys.",
                access: .permission(LicensePermissions.read), query: QueryField.paging,
                answers: [RouteAnswer(200, "One page", .page("licenses", of: Wire.license))]
            ) { call in
                let (page, caller) = (try call.page(), try call.caller())
                let found = try await list(caller.tenant, after: page.after.flatMap(LicenseID.init), limit: page.limit)
                return call.reply(Page(found.licenses, next: found.next?.description), named: "licenses") {
                    Wire.json($0, now: call.act.now)
                }
            },
            Route(
                .get, "/api/v1/licenses/{id}", name: "licenses.get",
                summary: "One licence with its key and its first hundred devices; that the key was shown is journalled.",
                access: .permission(LicensePermissions.reveal), answers: [RouteAnswer(200, "The licence", Wire.detailAnswer)],
                problems: [CommonProblems.notFound]
            ) { call in
                let detail = try await reveal(try call.id("id"), tenant: try call.caller().tenant, call.act)
                var members = Wire.json(detail.license, now: call.act.now).object ?? [:]
                members["key"] = .string(detail.key)
                members["activations"] = .array(detail.activations.map { Wire.json($0, deactivatedAt: nil) })
                return .json(value: ["license": .object(members)])
            },
            Route(
                .get, "/api/v1/licenses/{id}/activations", name: "licenses.activations",
                summary: "The devices that a licence is active on, the oldest first.", access: .permission(LicensePermissions.read),
                query: QueryField.paging, answers: [RouteAnswer(200, "One page", .page("activations", of: Wire.activation))],
                problems: [CommonProblems.notFound]
            ) { call in
                let (page, caller) = (try call.page(), try call.caller())
                let found = try await activations(
                    of: try call.id("id"), tenant: caller.tenant, after: page.after.flatMap(Activation.ID.init), limit: page.limit + 1)
                guard let found else { throw CommonProblems.notFound }
                return call.reply(Page(reading: found, limit: page.limit) { $0.id.description }, named: "activations") {
                    Wire.json($0, deactivatedAt: nil)
                }
            },
        ]
    }

    private func publicKeysRoute() -> Route {
        Route(
            .get, "/.well-known/coditect/license-keys.json", name: "licenses.public_keys",
            summary: "The public keys that verify licence files and seat answers without the network.", access: .open,
            answers: [RouteAnswer(200, "Keys as JWK and PEM, with purpose and scheme", .map(.any))]
        ) { _ in
            var reply = Reply.json(value: publicKeys())
            reply.headers.append(("cache-control", "public, max-age=300"))
            return reply
        }
    }
}

/// How the room's nouns look on the wire.
enum Wire {
    /// What proves the holder of a key, as the edge has read and checked it.
    struct KeyBody {
        let key: String
        let hardware: Hardware
        let machineName: String?
        let encrypts: Bool
        init(_ call: Call) throws(Problem) {
            guard let key = call.json?["license_key"]?.string, let hardwareID = call.json?["hardware_id"]?.string else {
                throw CommonProblems.malformed
            }
            self.key = key
            if let components = call.json?["hardware"]?.object {
                hardware = try Hardware(id: hardwareID, components: components.compactMapValues(\.string))
            } else {
                hardware = Hardware(id: hardwareID)
            }
            machineName = call.json?["machine_name"]?.string
            encrypts = call.json?["encrypt"]?.bool ?? false
        }
    }

    static let keyProblems = [LicenseProblems.keyMalformed, LicenseProblems.keyUnknown, CommonProblems.addressNotAllowed]

    static func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
    static func count(_ number: Int?) -> JSONValue { number.map { .int(Int64($0)) } ?? .null }

    // MARK: Answers

    static func json(_ validation: Validation, encrypted: EncryptedLicenseFile?) -> JSONValue {
        file(
            [
                "valid": .bool(validation.code.isValid), "code": .string(validation.code.rawValue),
                "license": validation.license.map(json) ?? .null,
            ], validation.file, encrypted)
    }
    /// In clear under `file`, or encrypted under a name of its own: never both.
    private static func file(
        _ members: [String: JSONValue], _ file: SignedLicenseFile?, _ encrypted: EncryptedLicenseFile?
    ) -> JSONValue {
        var members = members
        members["file"] = encrypted == nil ? file?.json ?? .null : .null
        if let encrypted { members["encrypted_file"] = encrypted.json }
        return .object(members)
    }
    static func json(_ proven: ProvenLicense) -> JSONValue {
        [
            "id": .string(proven.license.id.description), "tier": .string(proven.license.tier), "status": .string(proven.status.rawValue),
            "expires_at": time(proven.expiresAt), "features": .object(proven.license.grant.features),
            "max_activations": count(proven.license.grant.devices), "activations": count(proven.activations),
            "offline_until": time(proven.offlineUntil),
        ]
    }
    static func json(_ change: ActivationChange, encrypted: EncryptedLicenseFile? = nil) -> JSONValue {
        file(
            ["activation": json(change.activation, deactivatedAt: change.deactivatedAt), "license": json(change.license)],
            change.file, encrypted)
    }
    static func json(_ activation: Activation, deactivatedAt: Timestamp?) -> JSONValue {
        [
            "id": .string(activation.id.description), "license_id": .string(activation.license.description),
            "machine_name": activation.machineName.map(JSONValue.string) ?? .null, "activated_at": time(activation.activatedAt),
            "deactivated_at": time(deactivatedAt),
        ]
    }
    static func json(_ license: License, now: Timestamp) -> JSONValue {
        [
            "id": .string(license.id.description), "tier": .string(license.tier), "tier_name": .string(license.grant.tierName),
            "status": .string(license.status(at: now).rawValue), "expires_at": time(license.expiresAt(at: now)),
            "features": .object(license.grant.features), "limits": .object(license.grant.limits), "seats": count(license.grant.seats),
            "max_activations": count(license.grant.devices), "issued_at": time(license.issuedAt),
        ]
    }

    // MARK: Schemas

    private static let key = SchemaField(
        "license_key", .string(min: 1, max: 128), "As shown or typed; case, spaces and dashes do not matter")
    private static let hardware = SchemaField("hardware_id", .string(min: 1, max: 256), "What identifies the device; opaque to the server")
    private static let components = SchemaField(
        "hardware", .map(.string(min: 1, max: Hardware.longestValue)),
        "2 to 8 components by name, as `cpu`, `board`, `disk`, `mac`: by these a device is known again whose hardware_id changed, as the tier's `hardware_match` says",
        optional: true)
    private static let encrypt = SchemaField(
        "encrypt", .boolean, "true: the file comes as `encrypted_file`, which licence key and hardware id together open", optional: true)
    private static let machineName = SchemaField(
        "machine_name", .string(max: 128), "What the owner calls the device", optional: true)
    static let validateRequest = Schema.object([
        key, hardware, components, encrypt, SchemaField("version", .string(max: 64), "The client's version", optional: true),
    ])
    static let activateRequest = Schema.object([key, hardware, components, encrypt, machineName])
    static let deactivateRequest = Schema.object([key, hardware, components, machineName])
    static let moment = Schema.string(max: 40, format: .dateTime)
    static let figure = Schema.integer(0...10_000_000)
    static let status = Schema.choice(LicenseStatus.allCases.map(\.rawValue))
    private static let features = Schema.map(.boolean)
    private static let limits = Schema.map(.nullable(.integer(Int64.min...Int64.max)))

    private static let file = Schema.named(
        "LicenseFile",
        .object([
            SchemaField("license", .map(.any), "What is signed, in RFC 8785 form after `coditect:license-file.v1` and NUL"),
            SchemaField(
                "signatures",
                .array(
                    .object([
                        SchemaField("key_id", .string(max: 64)), SchemaField("algorithm", .choice(["Ed25519", "RSA-4096-PSS-SHA256"])),
                        SchemaField("signature", .string(max: 1_024, format: .hex)),
                    ]), max: 8)),
        ]))
    private static let encryptedFile = SchemaField(
        "encrypted_file",
        .named(
            "EncryptedLicenseFile",
            .object([
                SchemaField("kind", .choice([EncryptedLicenseFile.kind.name])),
                SchemaField("cipher", .choice([EncryptedLicenseFile.cipher])),
                SchemaField("key_derivation", .choice([EncryptedLicenseFile.derivation])),
                SchemaField("salt", .string(max: 64, format: .hex)),
                SchemaField("box", .string(max: 131_072, format: .hex), "Nonce, ciphertext and tag of the file"),
            ])), "The file, where `encrypt` was asked for", optional: true)
    private static let proven = Schema.named(
        "ProvenLicense",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("tier", .string(max: 32)), SchemaField("status", status),
            SchemaField("expires_at", .nullable(moment), "The effective end, grace included; null: without end"),
            SchemaField("features", features), SchemaField("max_activations", .nullable(figure), "null: without limit"),
            SchemaField("activations", figure), SchemaField("offline_until", moment, "Until when a device may go without asking"),
        ]))
    static let activation = Schema.named(
        "Activation",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("license_id", .string(max: 36, format: .uuid)),
            SchemaField("machine_name", .nullable(.string(max: 128))), SchemaField("activated_at", moment),
            SchemaField("deactivated_at", .nullable(moment)),
        ]))
    static let validation = Schema.object([
        SchemaField("valid", .boolean, "Whether this device may use the licence"),
        SchemaField("code", .choice(ValidationCode.allCases.map(\.rawValue)), "The first that holds, in this order"),
        SchemaField("license", .nullable(proven), "null for a key that is no licence's"),
        SchemaField(
            "file", .nullable(file), "A fresh file, where the licence is good and active on the device; null if `encrypted_file` is there"),
        encryptedFile,
    ])
    static let activationChange = Schema.object([
        SchemaField("activation", activation), SchemaField("license", proven),
        SchemaField("file", .nullable(file), "null after a deactivation, and if `encrypted_file` is there"), encryptedFile,
    ])
    static let featuresAnswer = Schema.object([SchemaField("features", features), SchemaField("limits", limits, "null: without limit")])

    private static let listed: [SchemaField] = [
        SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("tier", .string(max: 32)),
        SchemaField("tier_name", .string(max: 80)),
        SchemaField("status", status), SchemaField("expires_at", .nullable(moment)), SchemaField("features", features),
        SchemaField("limits", limits), SchemaField("seats", figure), SchemaField("max_activations", .nullable(figure)),
        SchemaField("issued_at", moment),
    ]
    static let license = Schema.named("License", .object(listed))
    static let detailAnswer = Schema.object([
        SchemaField(
            "license",
            .named(
                "LicenseDetail",
                .object(
                    listed + [
                        SchemaField("key", .string(max: 128), "The licence key"),
                        SchemaField("activations", .array(activation, max: 100)),
                    ])))
    ])
}
