import Foundation
import HTTPEdge
import Signing
import Vocabulary

/// The bodies of second factors, and how they are read.
enum FactorSchema {
    static let code = Schema.string(min: 6, max: 32)
    static let codeList = Schema.array(.string(max: 40), max: 20)
    static let codes = Schema.object([SchemaField("recovery_codes", codeList, "Each is good once.")])
    static let enrolment = Schema.object([
        SchemaField("secret", .string(max: 64), "Base32, for typing."),
        SchemaField("otpauth_uri", .string(max: 2_000), "For a QR code."), SchemaField("expires_at", IdentitySchema.time),
    ])
    static let options = Schema.object([SchemaField("public_key", .any)])
    static let overview = Schema.named(
        "SecondFactors",
        .object([
            SchemaField("totp", .boolean, "There is an authenticator app."), SchemaField("recovery_codes_left", .integer(0...100)),
            SchemaField(
                "passkeys",
                .array(
                    .object([
                        SchemaField("id", IdentitySchema.id), SchemaField("label", .string(max: 80)),
                        SchemaField("is_suspect", .boolean, "Its counter went back: it proves nothing any more."),
                        SchemaField("created_at", IdentitySchema.time), SchemaField("last_used_at", .nullable(IdentitySchema.time)),
                    ]), max: 100)),
            SchemaField("required_from", .nullable(IdentitySchema.time), "Since when the tenant requires one of its members."),
        ]))

    private static func coded(_ bytes: Int) -> Schema { .string(min: 1, max: (bytes * 4 + 2) / 3) }
    private static func credential(_ response: [SchemaField]) -> Schema {
        .object([
            SchemaField("id", coded(WebAuthn.maxCredentialIDBytes)), SchemaField("rawId", coded(WebAuthn.maxCredentialIDBytes)),
            SchemaField("type", .choice(["public-key"])), SchemaField("response", .object(response)),
            SchemaField("authenticatorAttachment", .nullable(.string(max: 40)), optional: true),
            SchemaField("clientExtensionResults", .any, optional: true),
        ])
    }
    static let birth = Schema.named(
        "PasskeyRegistration",
        credential([
            SchemaField("clientDataJSON", coded(WebAuthn.maxClientDataBytes)), SchemaField("attestationObject", coded(CBOR.maxBytes)),
            SchemaField("authenticatorData", coded(CBOR.maxBytes), optional: true),
            SchemaField("publicKey", .nullable(coded(CBOR.maxBytes)), optional: true),
            SchemaField("publicKeyAlgorithm", .integer(-65_536...65_536), optional: true),
            SchemaField("transports", .array(.string(max: 40), max: 20), optional: true),
        ]))
    static let passkey = Schema.named(
        "PasskeyAssertion",
        credential([
            SchemaField("clientDataJSON", coded(WebAuthn.maxClientDataBytes)),
            SchemaField("authenticatorData", coded(WebAuthn.maxAuthenticatorDataBytes)),
            SchemaField("signature", coded(WebAuthn.maxSignatureBytes)),
            SchemaField("userHandle", .nullable(coded(64)), optional: true),
        ]))
    static let answer = [
        SchemaField("code", code, "Of the authenticator app.", optional: true),
        SchemaField("recovery_code", .string(min: 16, max: 64), optional: true),
        SchemaField("passkey", passkey, "AuthenticationResponseJSON.", optional: true),
    ]

    // MARK: Reading

    static func answer(_ json: JSONValue?) throws(Problem) -> FactorAnswer {
        let (code, recovery, key) = (json?["code"]?.string, json?["recovery_code"]?.string, json?["passkey"])
        switch (code, recovery, key) {
        case (let code?, nil, nil): return .code(code)
        case (nil, let recovery?, nil): return .recovery(recovery)
        case (nil, nil, let key?): return .passkey(try passkey(key))
        default: throw CommonProblems.invalid("code", "or recovery_code or passkey, one of them, must be there")
        }
    }
    private static func bytes(_ json: JSONValue?, _ name: String) throws(Problem) -> [UInt8] {
        guard let bytes = json?[name]?.string.flatMap(Base64URL.decode) else { throw CommonProblems.invalid(name, "must be base64url") }
        return bytes
    }
    static func passkey(_ json: JSONValue?) throws(Problem) -> PasskeyAnswer {
        let response = json?["response"]
        let handle: [UInt8]? = response?["userHandle"]?.string == nil ? nil : try bytes(response, "userHandle")
        return PasskeyAnswer(
            credential: try bytes(json, "rawId"), clientData: try bytes(response, "clientDataJSON"),
            authenticatorData: try bytes(response, "authenticatorData"), signature: try bytes(response, "signature"), userHandle: handle)
    }
    static func birth(_ json: JSONValue?) throws(Problem) -> PasskeyBirth {
        let response = json?["response"]
        return PasskeyBirth(
            clientData: try bytes(response, "clientDataJSON"), attestation: try bytes(response, "attestationObject"))
    }

    // MARK: Writing

    static func list(_ codes: [String]) -> JSONValue { .array(codes.map { .string($0) }) }
    static func json(_ overview: Factors.Overview) -> JSONValue {
        [
            "totp": .bool(overview.totpSince != nil), "recovery_codes_left": .int(Int64(overview.recoveryCodesLeft)),
            "passkeys": .array(
                overview.passkeys.map {
                    [
                        "id": .string($0.id.description), "label": .string($0.label), "is_suspect": .bool($0.isSuspect),
                        "created_at": .string($0.createdAt.iso8601), "last_used_at": $0.lastUsedAt.map { .string($0.iso8601) } ?? .null,
                    ]
                }), "required_from": overview.requiredFrom.map { .string($0.iso8601) } ?? .null,
        ]
    }
}

extension Factors {
    /// What a page's script put into its form: a `PublicKeyCredential` as JSON.
    package static func passkey(fromForm text: String) throws(Problem) -> PasskeyAnswer {
        try FactorSchema.passkey(try json(fromForm: text))
    }
    package static func birth(fromForm text: String) throws(Problem) -> PasskeyBirth { try FactorSchema.birth(try json(fromForm: text)) }
    private static func json(fromForm text: String) throws(Problem) -> JSONValue {
        guard text.utf8.count <= 60_000, let json = try? JSONReader.read(Data(text.utf8)) else { throw FactorProblems.passkeyInvalid }
        return json
    }
}
