import Foundation
import PluginKit

/// What is special about a provider: under which names it sends what.
enum Preset: String, CaseIterable, Sendable {
    case generic, okta, entra, adfs, google, keycloak

    private static let claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
    private static let microsoft = "http://schemas.microsoft.com/"

    /// Names the person for good where the NameID by default does not.
    var subject: String? { self == .entra ? Self.microsoft + "identity/claims/objectidentifier" : nil }
    /// Google sends mail addresses as NameID and knows nothing else that every directory there has.
    var takesMailAsName: Bool { self == .google }
    var mail: [String] { ["mail", "email", "urn:oid:0.9.2342.19200300.100.1.3", Self.claims + "emailaddress", "emailAddress"] }
    var givenName: [String] { ["givenName", "firstName", "first_name", "urn:oid:2.5.4.42", Self.claims + "givenname"] }
    var familyName: [String] { ["sn", "surname", "lastName", "last_name", "urn:oid:2.5.4.4", Self.claims + "surname"] }
    var displayName: [String] {
        ["displayName", "urn:oid:2.16.840.1.113730.3.1.241", "cn", Self.microsoft + "identity/claims/displayname"]
    }
    var groups: [String] {
        switch self {
        case .entra, .adfs:
            [
                Self.microsoft + "ws/2008/06/identity/claims/groups", "http://schemas.xmlsoap.org/claims/Group",
                Self.microsoft + "ws/2008/06/identity/claims/role",
            ]
        case .keycloak: ["groups", "member", "Role"]
        case .generic, .okta, .google: ["groups", "memberOf"]
        }
    }
    static let methods = microsoft + "claims/authnmethodsreferences"
    /// Contexts and methods that stand for more than one factor.
    static let factors: Set<String> = [
        microsoft + "claims/multipleauthn", "https://refeds.org/profile/mfa",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
    ]
}

/// One provider, as the operator or a tenant set it up.
struct Party: Sendable, Hashable {
    enum Source: Sendable, Hashable {
        case address(String)
        case text(String)
        case file(String)
    }
    enum Binding: String, CaseIterable, Sendable { case auto, redirect, post }

    var preset = Preset.generic
    var source: Source
    /// Which of several in the metadata.
    var providerID: String?
    /// What we call ourselves; nil: the address of our metadata.
    var entityID: String?
    var subjectAttribute: String?
    var takesMailAsName = false
    var mailAttribute: String?
    var verifiedAttribute: String?
    var groupsAttribute: String?
    var binding = Binding.auto
    var isMailVerified = false
}

extension Party {
    static let fields = [
        IdentityField(
            name: "preset", label: "Provider", summary: "What it is, for the names of what it sends.", kind: .choice,
            choices: Preset.allCases.map(\.rawValue)),
        IdentityField(
            name: "metadata_url", label: "Metadata address",
            summary: "Where the provider's metadata is: new keys are then found by themselves.",
            kind: .text, isRequired: false, maxBytes: 1_000),
        IdentityField(
            name: "metadata", label: "Metadata", summary: "The metadata itself, where there is no address: from <EntityDescriptor on.",
            kind: .text,
            isRequired: false, maxBytes: 16_384),
        IdentityField(
            name: "provider_id", label: "Entity id of the provider", summary: "Only where the metadata holds several providers.",
            kind: .text,
            isRequired: false),
        IdentityField(
            name: "name_id", label: "NameID",
            summary: "mail: addresses there are never given to somebody else, so a NameID that is one may stand for the person.",
            kind: .choice,
            isRequired: false, choices: ["persistent", "mail"]),
        IdentityField(
            name: "subject_attribute", label: "Subject attribute",
            summary: "Which attribute names the person for good, instead of the NameID.",
            kind: .text, isRequired: false, maxBytes: 200),
        IdentityField(
            name: "mail_attribute", label: "Mail attribute", summary: "Which attribute is the mail address, where it is not a usual one.",
            kind: .text,
            isRequired: false, maxBytes: 200),
        IdentityField(
            name: "mail_verified_attribute", label: "Verified attribute",
            summary: "Which attribute says true where the mail address was verified.",
            kind: .text, isRequired: false, maxBytes: 200),
        IdentityField(
            name: "groups_attribute", label: "Groups attribute", summary: "Which attribute lists the person's groups, for roles by group.",
            kind: .text,
            isRequired: false, maxBytes: 200),
        IdentityField(
            name: "binding", label: "Requests by", summary: "How the browser carries requests there; auto: as the metadata says.",
            kind: .choice,
            isRequired: false, choices: Binding.allCases.map(\.rawValue)),
        IdentityField(
            name: "entity_id", label: "Our entity id",
            summary: "What the provider knows us by, where it is not the address of our metadata.", kind: .text,
            isRequired: false),
    ]

    /// What a connection calls us, whatever else it lacks.
    static func entityID(_ connection: IdentityConnection) -> String? {
        connection.settings["entity_id"].flatMap { ProviderMetadata.isEntityID($0) ? $0 : nil }
    }

    /// Of a tenant's connection. Throws `misconfigured` with a sentence for whoever fills it in.
    init(_ connection: IdentityConnection) throws {
        func text(_ name: String) -> String? { connection.settings[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard let preset = Preset(rawValue: text("preset") ?? "generic") else {
            throw IdentityProviderError.misconfigured("preset is unknown")
        }
        switch (text("metadata_url"), text("metadata")) {
        case (let address?, nil):
            guard let origin = WebOrigin(address, allowingQuery: true), !address.contains("#"),
                origin.scheme == "https" || origin.isLoopback
            else {
                throw IdentityProviderError.misconfigured("metadata_url is no https address")
            }
            source = .address(address)
        case (nil, let text?): source = .text(text)
        case (nil, nil): throw IdentityProviderError.misconfigured("the provider's metadata is missing: give metadata_url or metadata")
        default: throw IdentityProviderError.misconfigured("metadata_url and metadata are given; one of them must go")
        }
        guard let binding = Binding(rawValue: text("binding") ?? "auto") else {
            throw IdentityProviderError.misconfigured("binding is unknown")
        }
        self.preset = preset
        self.binding = binding
        providerID = text("provider_id")
        entityID = text("entity_id")
        subjectAttribute = text("subject_attribute") ?? preset.subject
        takesMailAsName = text("name_id").map { $0 == "mail" } ?? preset.takesMailAsName
        mailAttribute = text("mail_attribute")
        verifiedAttribute = text("mail_verified_attribute")
        groupsAttribute = text("groups_attribute")
        if let entityID, !ProviderMetadata.isEntityID(entityID) {
            throw IdentityProviderError.misconfigured("entity_id is not an address or a name without spaces")
        }
    }

    /// What the operator's settings offer; nil for none.
    init?(_ settings: PluginSettings) {
        if let address = settings["metadata_url"]?.string {
            source = .address(address)
        } else if let path = settings["metadata_file"]?.string {
            source = .file(path)
        } else {
            return nil
        }
        preset = settings["preset"]?.string.flatMap(Preset.init) ?? .generic
        providerID = settings["provider_id"]?.string
        subjectAttribute = settings["subject_attribute"]?.string ?? preset.subject
        takesMailAsName = preset.takesMailAsName
        isMailVerified = settings["mail_is_verified"]?.bool ?? false
    }
}
