// since 1.2
import Foundation

/// A browser is about to be sent away.
public struct IdentityBeginning: Sendable, Hashable, Codable {
    public var connection: IdentityConnection
    /// Where it must come back to: the kernel's own address for this very connection. Registered with the provider, sent as it is.
    public var redirectAddress: String
    /// To be brought back unchanged. 43 characters of base64url, as are the next two.
    public var state: String
    /// For the assertion to carry; for SAML the id of the request.
    public var nonce: String
    /// The PKCE verifier: only its SHA-256 leaves with the browser.
    public var verifier: String
    /// Who it probably is, where the person said so already.
    public var loginHint: String?
    /// The person must prove anew who it is, however fresh the provider's own session.
    public var isFresh: Bool
    public init(
        connection: IdentityConnection, redirectAddress: String, state: String, nonce: String, verifier: String, loginHint: String? = nil,
        isFresh: Bool = false
    ) {
        self.connection = connection
        self.redirectAddress = redirectAddress
        self.state = state
        self.nonce = nonce
        self.verifier = verifier
        self.loginHint = loginHint
        self.isFresh = isFresh
    }
}

/// How the browser leaves.
public struct IdentityDeparture: Sendable, Hashable, Codable {
    /// Absolute, without a fragment.
    public var address: String
    /// Non-empty: the browser posts these fields to the address instead of following it (SAML's HTTP-POST binding).
    public var form: [String: String]
    /// For `complete` of this very flow; sealed by the kernel meanwhile. At most `IdentityLimits.maxKeptBytes`.
    public var kept: Data
    public init(address: String, form: [String: String] = [:], kept: Data = Data()) {
        self.address = address
        self.form = form
        self.kept = kept
    }
}

/// A browser came back: with a query (`GET`) or a form (`POST`). That `state` is this browser's and unused was seen to before.
public struct IdentityArrival: Sendable, Hashable, Codable {
    public var connection: IdentityConnection
    public var redirectAddress: String
    public var state: String
    public var nonce: String
    public var verifier: String
    public var kept: Data
    /// `GET` or `POST`.
    public var method: String
    /// As they came, decoded; each name once.
    public var parameters: [String: String]
    public init(
        connection: IdentityConnection, redirectAddress: String, state: String, nonce: String, verifier: String, kept: Data = Data(),
        method: String = "GET", parameters: [String: String]
    ) {
        self.connection = connection
        self.redirectAddress = redirectAddress
        self.state = state
        self.nonce = nonce
        self.verifier = verifier
        self.kept = kept
        self.method = method
        self.parameters = parameters
    }
}

/// For a directory. Printing it shows neither name nor password.
public struct DirectoryAttempt: Sendable, Hashable, Codable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var connection: IdentityConnection
    /// As the person typed it.
    public var user: String
    /// Never empty.
    public var password: String
    public init(connection: IdentityConnection, user: String, password: String) {
        self.connection = connection
        self.user = user
        self.password = password
    }
    public var description: String { "attempt at \(connection.id)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Who somebody is, as a provider says and the plugin has verified.
public struct IdentityAssertion: Sendable, Hashable, Codable {
    /// Who says so: exactly as the assertion names it.
    public var issuer: String
    /// Names the person at that issuer for good; never a mail address, which passes on.
    public var subject: String
    public var addresses: [IdentityAddress]
    public var givenName: String?
    public var familyName: String?
    public var displayName: String?
    public var groups: [String]
    /// When the person proved it to the provider; nil where that is not told.
    public var authenticatedAt: Timestamp?
    /// Authentication context, as told: `urn:…`, `1`.
    public var contextClass: String?
    /// Authentication methods, as told: `pwd`, `otp`, `mfa`.
    public var methods: [String]
    /// The provider's key that signed: sessions that it made can be found by it. Nil where nothing is signed (OAuth 2 over TLS).
    public var keyID: String?
    /// When the provider's own session ends: ours does not outlast it. Nil where that is not told.
    public var sessionEndsAt: Timestamp?
    public init(
        issuer: String, subject: String, addresses: [IdentityAddress] = [], givenName: String? = nil, familyName: String? = nil,
        displayName: String? = nil, groups: [String] = [], authenticatedAt: Timestamp? = nil, contextClass: String? = nil,
        methods: [String] = [], keyID: String? = nil, sessionEndsAt: Timestamp? = nil
    ) {
        self.issuer = issuer
        self.subject = subject
        self.addresses = addresses
        self.givenName = givenName
        self.familyName = familyName
        self.displayName = displayName
        self.groups = groups
        self.authenticatedAt = authenticatedAt
        self.contextClass = contextClass
        self.methods = methods
        self.keyID = keyID
        self.sessionEndsAt = sessionEndsAt
    }
}

public struct IdentityAddress: Sendable, Hashable, Codable {
    public var address: String
    /// The provider says that this person receives mail there. Said outright, never guessed: a missing word is no.
    public var isVerified: Bool
    /// The one that the person goes by.
    public var isPrimary: Bool
    public init(_ address: String, isVerified: Bool, isPrimary: Bool = true) {
        self.address = address
        self.isVerified = isVerified
        self.isPrimary = isPrimary
    }
}

public enum IdentityLimits {
    public static let maxKeptBytes = 8_192
    public static let maxAddressBytes = 8_192
    /// Of one posted field; a signed and encrypted SAML response is the largest there is.
    public static let maxFieldBytes = 262_144
    public static let maxParameters = 32
    public static let maxDocumentBytes = 65_536
    public static let maxGroups = 500
    public static let maxAddresses = 20
    /// Of an issuer, a subject, a name, a group, a key id.
    public static let maxTextBytes = 512

    /// Nil if the assertion keeps the limits, else what does not.
    public static func fault(in assertion: IdentityAssertion) -> String? {
        func isText(_ text: String) -> Bool {
            (1...maxTextBytes).contains(text.utf8.count) && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
        }
        if !isText(assertion.issuer) { return "issuer" }
        if !isText(assertion.subject) { return "subject" }
        if assertion.addresses.count > maxAddresses || !assertion.addresses.allSatisfy({ isText($0.address) }) { return "addresses" }
        if assertion.groups.count > maxGroups || !assertion.groups.allSatisfy(isText) { return "groups" }
        if assertion.methods.count > 32 || !assertion.methods.allSatisfy(isText) { return "methods" }
        let texts = [
            assertion.givenName, assertion.familyName, assertion.displayName, assertion.contextClass, assertion.keyID,
        ].compactMap { $0 }
        return texts.allSatisfy(isText) ? nil : "a text"
    }
}
// end of 1.2
