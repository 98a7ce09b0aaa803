// since 1.2
import Foundation

/// For the kind `identity_provider`: people come back from somewhere that knows them, with an assertion that the plugin has verified.
///
/// The kernel makes `state`, `nonce` and `verifier`, binds them to the browser, uses them once and keeps what the plugin wants kept; it decides
/// whom an assertion signs in. A plugin holds nothing between the two calls, which may reach two processes.
public protocol IdentityProvider: Sendable {
    /// What it can do, what a connection needs, what the operator has set up. Constant while the plugin runs.
    var profile: IdentityDescription { get }

    /// Where to send the browser. No secret, no verifier in it.
    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture
    /// Verifies what the browser brought back. Throws `IdentityProviderError` for everything that is not proved.
    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion

    /// Asks the other side whether this connection can work, without a person: discovery, keys, a bind.
    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection

    /// For the capability `directory`: the password is checked by the directory itself.
    func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion
    /// For the capability `document`: what the other side is to know of us. The kernel publishes it beside `redirectAddress`, for a draft too: nothing of
    /// the other side is needed for it, and no secret is in it.
    func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument
}

extension IdentityProvider {
    public func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture {
        throw IdentityProviderError.notSupported(.browser)
    }
    public func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion {
        throw IdentityProviderError.notSupported(.browser)
    }
    public func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion {
        throw IdentityProviderError.notSupported(.directory)
    }
    public func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument {
        throw IdentityProviderError.notSupported(.document)
    }
}

/// What a provider can do; the raw value is what the API shows.
public struct IdentityCapability: RawRepresentable, Sendable, Hashable, Codable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// Sends a browser away and takes it back.
    public static let browser = IdentityCapability(rawValue: "browser")
    /// Checks a name and password itself.
    public static let directory = IdentityCapability(rawValue: "directory")
    /// Tenants may set up connections of their own.
    public static let tenantConnections = IdentityCapability(rawValue: "tenant_connections")
    /// Has something to publish about us, such as metadata.
    public static let document = IdentityCapability(rawValue: "document")
}

public struct IdentityDescription: Sendable, Hashable, Codable {
    public var capabilities: Set<IdentityCapability>
    /// What somebody who sets up a connection fills in.
    public var fields: [IdentityField]
    /// What the operator's own settings make available to everybody: shown on the sign-in page.
    public var offered: [OfferedConnection]
    public init(capabilities: Set<IdentityCapability>, fields: [IdentityField] = [], offered: [OfferedConnection] = []) {
        self.capabilities = capabilities
        self.fields = fields
        self.offered = offered
    }
}

public struct OfferedConnection: Sendable, Hashable, Codable {
    /// Part of addresses: `google`. Lower-case letters, digits and hyphens; never changes.
    public var id: String
    /// `Google`
    public var label: String
    public init(id: String, label: String) {
        self.id = id
        self.label = label
    }
}

/// One thing to fill in for a connection.
public struct IdentityField: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable {
        case text, url, choice
        /// Shown to nobody again.
        case secret
    }
    /// Lower-case letters, digits and underscores.
    public var name: String
    public var label: String
    public var summary: String
    public var kind: Kind
    public var isRequired: Bool
    public var choices: [String]
    public var maxBytes: Int
    public init(
        name: String, label: String, summary: String, kind: Kind, isRequired: Bool = true, choices: [String] = [], maxBytes: Int = 500
    ) {
        self.name = name
        self.label = label
        self.summary = summary
        self.kind = kind
        self.isRequired = isRequired
        self.choices = choices
        self.maxBytes = maxBytes
    }
}

/// Whom to ask, as the operator or a tenant set it up.
public struct IdentityConnection: Sendable, Hashable, Codable {
    /// The kernel's id of a tenant's connection, or the id of an offered one.
    public var id: String
    /// One of `IdentityDescription.offered`: its settings are the plugin's own, and those below are empty.
    public var isOffered: Bool
    /// By the names of `IdentityDescription.fields`; checked for kind and size, not for sense.
    public var settings: [String: String]
    public var secrets: PluginSecrets
    public init(id: String, isOffered: Bool, settings: [String: String] = [:], secrets: PluginSecrets = PluginSecrets()) {
        self.id = id
        self.isOffered = isOffered
        self.settings = settings
        self.secrets = secrets
    }
}

/// What an inspection found.
public struct IdentityInspection: Sendable, Hashable, Codable {
    /// Who will sign: the issuer or entity id as the other side states it.
    public var issuer: String
    /// Ids of the keys with which it signs now; empty where it signs nothing.
    public var keys: [String]
    /// Worth telling whoever sets it up; none stops the connection from working.
    public var warnings: [String]
    /// What the other side must be given about us, such as metadata; nil where the redirect address is all.
    public var document: String?
    public init(issuer: String, keys: [String] = [], warnings: [String] = [], document: String? = nil) {
        self.issuer = issuer
        self.keys = keys
        self.warnings = warnings
        self.document = document
    }
}

/// What the other side reads about us.
public struct IdentityDocument: Sendable, Hashable, Codable {
    /// `application/samlmetadata+xml`: type and subtype, nothing behind them.
    public var mediaType: String
    /// At most `IdentityLimits.maxDocumentBytes`.
    public var text: String
    public init(mediaType: String, text: String) {
        self.mediaType = mediaType
        self.text = text
    }
}

extension PluginKind {
    public static let identityProvider = PluginKind(rawValue: "identity_provider")
}
// end of 1.2
