import Foundation
import PluginKit

/// What an assertion must say (SAML 2.0 Profiles, 4.1.4.3) once its signature holds. It is read as its signature covers it.
struct AssertionRules {
    let issuer: String
    let ourselves: Ourselves
    let requestID: String
    /// Seconds; nil where any session of the provider will do.
    let freshSince: Int64?
    let now: Timestamp
    let leeway: Duration

    /// Made for a flow that lasts minutes.
    static let mostAge = Duration.seconds(3_600)

    /// What the rest needs of an assertion that holds.
    struct Held: Sendable {
        let id: String
        /// Until when it could be used again.
        let endsAt: Timestamp
        let statement: Element
        let authenticatedAt: Timestamp
        let sessionEndsAt: Timestamp?
    }

    private func doubt(_ doubt: IdentityDoubt, _ reason: String) -> IdentityProviderError { .notBelieved(doubt, reason: reason) }
    private func time(_ text: String, _ name: String) throws -> Timestamp {
        guard let time = Words.time(text) else { throw doubt(.malformed, "\(name) is no time in UTC") }
        return time
    }

    func check(_ assertion: Element) throws -> Held {
        guard assertion.isNamed("Assertion", Element.Space.assertion), assertion["Version"] == "2.0" else {
            throw doubt(.type, "what was signed is no assertion of SAML 2.0")
        }
        guard let id = assertion["ID"], Words.plain(id) != nil else { throw doubt(.malformed, "the assertion has no ID") }
        guard assertion.only("Issuer")?.trimmed == issuer else { throw doubt(.issuer, "the assertion is of another issuer") }
        guard let issued = assertion["IssueInstant"] else { throw doubt(.malformed, "the assertion does not say when it was made") }
        let instant = try time(issued, "IssueInstant")
        guard instant <= now + leeway else { throw doubt(.time, "the assertion was made in the future") }
        guard instant >= now - Self.mostAge - leeway else { throw doubt(.time, "the assertion was made long ago") }
        let conditions = try checkConditions(assertion)
        let confirmation = try checkConfirmation(assertion)
        let (statement, authenticated, sessionEnds) = try checkStatement(assertion)
        let ends = [conditions, confirmation].compactMap { $0 }.min() ?? confirmation
        return Held(
            id: id, endsAt: min(ends, instant + Self.mostAge) + leeway + .seconds(1), statement: statement, authenticatedAt: authenticated,
            sessionEndsAt: sessionEnds)
    }

    /// Answers the end, if there is one.
    private func checkConditions(_ assertion: Element) throws -> Timestamp? {
        guard let conditions = assertion.only("Conditions") else {
            throw doubt(.audience, "the assertion has no Conditions, so it is for everybody")
        }
        if let text = conditions["NotBefore"], try time(text, "NotBefore") > now + leeway {
            throw doubt(.time, "the assertion does not hold yet")
        }
        let end = try conditions["NotOnOrAfter"].map { try time($0, "NotOnOrAfter") }
        if let end, now >= end + leeway { throw doubt(.time, "the assertion has expired") }
        let known = ["AudienceRestriction", "OneTimeUse", "ProxyRestriction"]
        guard conditions.children.allSatisfy({ child in known.contains { child.isNamed($0, Element.Space.assertion) } }) else {
            throw doubt(.malformed, "the assertion has a condition that is not known")
        }
        let restrictions = conditions.all("AudienceRestriction")
        guard !restrictions.isEmpty else { throw doubt(.audience, "the assertion names no audience") }
        // Each restriction stands for itself: all of them must name us.
        guard restrictions.allSatisfy({ $0.all("Audience").contains { $0.trimmed == ourselves.entityID } }) else {
            throw doubt(.audience, "the assertion is for another audience than \(ourselves.entityID.prefix(200))")
        }
        return end
    }

    /// Bearer: whoever brings it, here, now, for this very request. Answers its end.
    private func checkConfirmation(_ assertion: Element) throws -> Timestamp {
        guard let subject = assertion.only("Subject") else { throw doubt(.malformed, "the assertion has no Subject") }
        let bearers = subject.all("SubjectConfirmation").filter { $0["Method"] == "urn:oasis:names:tc:SAML:2.0:cm:bearer" }
        guard !bearers.isEmpty else { throw doubt(.type, "the assertion is not for whoever bears it") }
        var first: (any Error)?
        for bearer in bearers.prefix(8) {
            do { return try checkBearer(bearer) } catch { first = first ?? error }
        }
        throw first ?? doubt(.malformed, "the assertion has no SubjectConfirmation")
    }
    private func checkBearer(_ bearer: Element) throws -> Timestamp {
        guard let data = bearer.only("SubjectConfirmationData") else {
            throw doubt(.malformed, "the assertion has no SubjectConfirmationData")
        }
        guard data["Recipient"] == ourselves.consumer else { throw doubt(.audience, "the assertion is for another recipient") }
        guard let request = data["InResponseTo"] else {
            throw doubt(.binding, "the assertion answers no request: nobody here asked for it")
        }
        guard request == requestID else { throw doubt(.binding, "the assertion answers another request") }
        if let text = data["NotBefore"], try time(text, "NotBefore") > now + leeway {
            throw doubt(.time, "the assertion may not be used yet")
        }
        guard let text = data["NotOnOrAfter"] else { throw doubt(.time, "the assertion does not say until when it may be used") }
        let end = try time(text, "NotOnOrAfter")
        guard now < end + leeway else { throw doubt(.time, "the assertion came too late") }
        return end
    }

    private func checkStatement(_ assertion: Element) throws -> (Element, Timestamp, Timestamp?) {
        guard let statement = assertion.all("AuthnStatement").first else {
            throw doubt(.type, "the assertion does not say that anybody signed in")
        }
        guard let text = statement["AuthnInstant"] else { throw doubt(.malformed, "the assertion does not say when the person signed in") }
        let authenticated = try time(text, "AuthnInstant")
        guard authenticated <= now + leeway else { throw doubt(.time, "the person will have signed in in the future") }
        if let freshSince, authenticated.seconds < freshSince - leeway.components.seconds {
            throw doubt(.time, "the person was to sign in anew and did not")
        }
        let ends = try assertion.all("AuthnStatement").compactMap { $0["SessionNotOnOrAfter"] }.map { try time($0, "SessionNotOnOrAfter") }
            .min()
        if let ends, now >= ends { throw doubt(.time, "the person's session at the provider has ended") }
        return (statement, authenticated, ends)
    }
}

/// What of a person's attributes is used, under whatever name they come.
struct PersonReading {
    let party: Party
    let assertion: Element
    let held: AssertionRules.Held
    /// By name and by friendly name; the texts of all values.
    private let attributes: [String: [String]]

    init(_ party: Party, _ assertion: Element, _ held: AssertionRules.Held) {
        self.party = party
        self.assertion = assertion
        self.held = held
        var found: [String: [String]] = [:]
        for attribute in assertion.all("AttributeStatement").flatMap({ $0.all("Attribute") }) {
            let values = attribute.all("AttributeValue").filter(\.children.isEmpty).compactMap { Words.plain($0.trimmed) }
            if let name = attribute["Name"] { found[name, default: []] += values }
        }
        // A friendly name never stands for more than what no attribute is really called.
        for attribute in assertion.all("AttributeStatement").flatMap({ $0.all("Attribute") }) {
            guard let friendly = attribute["FriendlyName"], found[friendly] == nil, let name = attribute["Name"] else { continue }
            found[friendly] = found[name]
        }
        attributes = found
    }
    private func first(_ names: [String]) -> String? { names.lazy.compactMap { attributes[$0]?.first }.first }

    func asserted(issuer: String, keyID: String) throws -> IdentityAssertion {
        let name = try nameID()
        let subject = try subject(name)
        let mail = party.mailAttribute.map { first([$0]) } ?? first(party.preset.mail) ?? (name.isMail ? name.text : nil)
        let isVerified =
            party.isMailVerified
            || party.verifiedAttribute.flatMap { first([$0]) }.map { ["true", "1"].contains($0.lowercased()) } ?? false
        let context = held.statement.only("AuthnContext")?.only("AuthnContextClassRef").flatMap { Words.plain($0.trimmed) }
        let methods = attributes[Preset.methods] ?? []
        let isStrong = ([context].compactMap { $0 } + methods).contains(where: Preset.factors.contains)
        return IdentityAssertion(
            issuer: issuer, subject: subject, addresses: mail.map { [IdentityAddress($0, isVerified: isVerified)] } ?? [],
            givenName: first(party.preset.givenName), familyName: first(party.preset.familyName),
            displayName: first(party.preset.displayName),
            groups: Array(
                (party.groupsAttribute.map { attributes[$0] ?? [] } ?? party.preset.groups.flatMap { attributes[$0] ?? [] }).prefix(
                    IdentityLimits.maxGroups)),
            authenticatedAt: held.authenticatedAt, contextClass: context, methods: Array((isStrong ? ["mfa"] : []) + methods.prefix(30)),
            keyID: keyID,
            sessionEndsAt: held.sessionEndsAt)
    }

    private struct NameID {
        let text: String
        let format: String
        var isMail: Bool { format.hasSuffix(":emailAddress") || (text.contains("@") && !format.hasSuffix(":persistent")) }
    }
    private func nameID() throws -> NameID {
        guard let subject = assertion.only("Subject") else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "the assertion has no Subject")
        }
        if !subject.all("EncryptedID").isEmpty {
            throw IdentityProviderError.notBelieved(
                .type, reason: "the person's name is encrypted by itself, which is not taken: encrypt the assertion")
        }
        let names = subject.all("NameID")
        guard names.count <= 1 else { throw IdentityProviderError.notBelieved(.malformed, reason: "the assertion names two people") }
        guard let name = names.first else { return NameID(text: "", format: "") }
        // An element inside would make one name to one reader and another to the next.
        guard name.children.isEmpty, let text = Words.plain(name.trimmed) else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "the person's name is no plain text")
        }
        return NameID(text: text, format: name["Format"] ?? "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")
    }

    /// What stays with one person for good.
    private func subject(_ name: NameID) throws -> String {
        if let attribute = party.subjectAttribute {
            let values = attributes[attribute] ?? []
            guard values.count == 1 else {
                throw IdentityProviderError.misconfigured(
                    "the provider sends \(values.isEmpty ? "no" : "more than one") \(attribute.prefix(120)) (subject_attribute)")
            }
            return values[0]
        }
        guard !name.text.isEmpty else { throw IdentityProviderError.notBelieved(.malformed, reason: "the assertion names nobody") }
        if name.format.hasSuffix(":transient") {
            throw IdentityProviderError.misconfigured(
                "the NameID is transient, another one each time: let the provider send a persistent one, or name a subject_attribute")
        }
        guard !name.isMail || party.takesMailAsName else {
            throw IdentityProviderError.misconfigured(
                "the NameID is a mail address, which may pass on to somebody else: let the provider send a persistent one, name a subject_attribute, "
                    + "or set name_id to mail where addresses are never given away")
        }
        return name.text
    }
}
