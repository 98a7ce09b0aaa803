import PluginKit

/// What is special about a provider.
enum Preset: String, CaseIterable {
    case generic, google, linkedin, okta, microsoft

    /// Nil where whoever sets it up must say.
    func issuer(microsoftTenant: String) -> String? {
        switch self {
        case .google: "https://accounts.google.com"
        case .linkedin: "https://www.linkedin.com/oauth"
        case .microsoft: "https://login.microsoftonline.com/\(microsoftTenant)/v2.0"
        case .generic, .okta: nil
        }
    }
    var label: String {
        switch self {
        case .generic: "Single sign-on"
        case .google: "Google"
        case .linkedin: "LinkedIn"
        case .okta: "Okta"
        case .microsoft: "Microsoft"
        }
    }
    var scopes: String { "openid profile email" }
    /// LinkedIn's tokens carry no nonce; the code is bound by PKCE and by the browser's state all the same.
    var requiresNonce: Bool { self != .linkedin }
    /// LinkedIn refuses a PKCE challenge of a confidential web client.
    var sendsChallenge: Bool { self != .linkedin }
    /// Microsoft says of an address that its domain's owner was verified in a claim of its own, and `email_verified` never.
    var verifiedClaim: String { self == .microsoft ? "xms_edov" : "email_verified" }

    /// A word of Microsoft's for many directories, or the id of one.
    static func isDirectory(_ text: String) -> Bool { ["organizations", "common", "consumers"].contains(text) || isGUID(text) }
    static func isGUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12]
            && parts.allSatisfy { $0.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) || (65...70).contains($0) } }
    }
}

/// One client at one provider.
struct Client: Hashable {
    var preset: Preset
    /// As its discovery document is addressed; Microsoft's may stand for many directories.
    var issuer: String
    var id: String
    /// Nil for a public client, whom PKCE alone binds.
    var secret: String?
    var scopes: String
    var groupsClaim: String?
}

extension Client {
    static let fields = [
        IdentityField(
            name: "preset", label: "Provider", summary: "What is special about it.", kind: .choice,
            choices: Preset.allCases.map(\.rawValue)),
        IdentityField(
            name: "issuer", label: "Issuer", summary: "https://login.example.com; not needed for Google and LinkedIn.", kind: .url,
            isRequired: false),
        IdentityField(
            name: "directory", label: "Directory", summary: "For Microsoft: the id of your directory (tenant).", kind: .text,
            isRequired: false,
            maxBytes: 80),
        IdentityField(name: "client_id", label: "Client id", summary: "As the provider shows it.", kind: .text, maxBytes: 200),
        IdentityField(
            name: "client_secret", label: "Client secret", summary: "Left out for a public client.", kind: .secret, isRequired: false),
        IdentityField(
            name: "groups_claim", label: "Groups claim", summary: "Which claim lists the person's groups, for roles by group.", kind: .text,
            isRequired: false, maxBytes: 80),
    ]

    /// Of a tenant's connection. Throws `misconfigured` with a sentence for whoever fills it in.
    init(_ connection: IdentityConnection) throws {
        let settings = connection.settings
        guard let preset = Preset(rawValue: settings["preset"] ?? "generic") else {
            throw IdentityProviderError.misconfigured("preset is unknown")
        }
        if preset == .microsoft {
            // A tenant lets in the people of its own directory, never those of any.
            guard let directory = settings["directory"], Preset.isGUID(directory) else {
                throw IdentityProviderError.misconfigured("directory is not the id of a directory at Microsoft")
            }
            issuer = preset.issuer(microsoftTenant: directory.lowercased()) ?? ""
        } else {
            issuer = preset.issuer(microsoftTenant: "") ?? settings["issuer"] ?? ""
        }
        guard WebOrigin(issuer) != nil, issuer.utf8.count <= 500 else {
            throw IdentityProviderError.misconfigured("issuer is not an https address without query and fragment")
        }
        guard let id = settings["client_id"], !id.isEmpty else { throw IdentityProviderError.misconfigured("client_id is missing") }
        self.preset = preset
        self.id = id
        secret = connection.secrets.list("client_secret").first
        scopes = preset.scopes
        groupsClaim = settings["groups_claim"].flatMap { $0.isEmpty ? nil : $0 }
    }

    init(preset: Preset, issuer: String, id: String, secret: String?) {
        self.preset = preset
        self.issuer = issuer
        self.id = id
        self.secret = secret
        scopes = preset.scopes
        groupsClaim = nil
    }

    /// What the operator's settings offer, by the id under which it is offered.
    static func offered(_ settings: PluginSettings, _ secrets: PluginSecrets) throws -> [(connection: OfferedConnection, client: Client)] {
        var found: [(OfferedConnection, Client)] = []
        func offer(_ preset: Preset, _ issuer: String?, _ setting: String, _ secret: String, id: String, label: String) {
            guard let client = settings[setting]?.string, let issuer else { return }
            found.append(
                (
                    OfferedConnection(id: id, label: label),
                    Client(preset: preset, issuer: issuer, id: client, secret: secrets.list(secret).first)
                ))
        }
        let directory = try settings.text("microsoft_tenant")
        for (preset, setting, secret) in [
            (Preset.google, "google_client_id", "GOOGLE_CLIENT_SECRET"), (.linkedin, "linkedin_client_id", "LINKEDIN_CLIENT_SECRET"),
            (.microsoft, "microsoft_client_id", "MICROSOFT_CLIENT_SECRET"),
        ] { offer(preset, preset.issuer(microsoftTenant: directory), setting, secret, id: preset.rawValue, label: preset.label) }
        offer(.okta, settings["okta_issuer"]?.string, "okta_client_id", "OKTA_CLIENT_SECRET", id: "okta", label: "Okta")
        offer(.generic, settings["issuer"]?.string, "client_id", "OIDC_CLIENT_SECRET", id: "sso", label: try settings.text("label"))
        return found
    }
}
