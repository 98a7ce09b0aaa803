import Foundation
import PluginKit

/// What a provider's metadata says (SAML 2.0 Metadata), as far as it is used.
struct ProviderMetadata: Sendable {
    let entityID: String
    /// Where requests go, by query.
    let redirect: String?
    /// Where requests go, by form.
    let post: String?
    /// Every key that signs now or soon: a provider that rolls its keys lists both.
    let certificates: [SigningCertificate]
    let wantsSigned: Bool
    let validUntil: Timestamp?
    /// Certificates that were left out, and why.
    let warnings: [String]

    static let maxCertificates = 8
    private static let bindings = "urn:oasis:names:tc:SAML:2.0:bindings:"

    /// Throws `misconfigured` with a sentence for whoever set the connection up.
    init(_ text: Data, entity: String?, now: Timestamp) throws {
        let document: Document
        do { document = try Document(text) } catch { throw Self.wrong(error.reason) }
        let (descriptor, ends) = try Self.descriptor(document.root, entity)
        guard let id = descriptor["entityID"], Self.isEntityID(id) else { throw Self.wrong("it names no entityID") }
        guard let role = descriptor.only("IDPSSODescriptor", Element.Space.metadata) else {
            throw Self.wrong("\(id.prefix(200)) is not one identity provider there")
        }
        guard (role["protocolSupportEnumeration"] ?? "").split(whereSeparator: \.isWhitespace).contains(Substring(Element.Space.response))
        else {
            throw Self.wrong("the provider does not speak SAML 2.0 there")
        }
        entityID = id
        validUntil = try (ends + [descriptor["validUntil"], role["validUntil"]].compactMap { $0 }).map {
            guard let time = Words.time($0) else { throw Self.wrong("validUntil is no time") }
            return time
        }.min()
        if let validUntil, validUntil <= now { throw Self.wrong("it has expired: validUntil is \(validUntil.iso8601)") }
        redirect = try Self.location("HTTP-Redirect", role)
        post = try Self.location("HTTP-POST", role)
        guard redirect != nil || post != nil else { throw Self.wrong("it has no SingleSignOnService by HTTP-Redirect or HTTP-POST") }
        (certificates, warnings) = try Self.certificates(role, now)
        wantsSigned = ["true", "1"].contains(role["WantAuthnRequestsSigned"])
    }

    static func wrong(_ reason: String) -> IdentityProviderError { .misconfigured("the provider's metadata cannot be used: \(reason)") }

    static func isEntityID(_ text: String) -> Bool {
        Words.plain(text) != nil && !text.contains(where: \.isWhitespace)
    }

    /// One provider out of a federation's list needs its name. What holds for the list holds for each.
    private static func descriptor(_ root: Element, _ entity: String?) throws -> (Element, ends: [String]) {
        if root.isNamed("EntityDescriptor", Element.Space.metadata) {
            if let entity, root["entityID"] != entity { throw wrong("it is of another provider than \(entity.prefix(200))") }
            return (root, [])
        }
        guard root.isNamed("EntitiesDescriptor", Element.Space.metadata) else { throw wrong("it is no SAML metadata") }
        let found = root.all("EntityDescriptor", Element.Space.metadata).filter {
            entity == nil ? !$0.all("IDPSSODescriptor", Element.Space.metadata).isEmpty : $0["entityID"] == entity
        }
        guard found.count == 1 else {
            throw wrong(entity == nil ? "it holds several providers: name one by its entity id" : "it does not hold that provider once")
        }
        return (found[0], [root["validUntil"]].compactMap { $0 })
    }

    private static func location(_ binding: String, _ role: Element) throws -> String? {
        let services = role.all("SingleSignOnService", Element.Space.metadata).filter { $0["Binding"] == bindings + binding }
        guard let address = services.first?["Location"] else { return nil }
        guard let origin = WebOrigin(address, allowingQuery: true), !address.contains("#"), origin.scheme == "https" || origin.isLoopback,
            address.utf8.count <= 2_000
        else { throw wrong("the SingleSignOnService by \(binding) is no https address") }
        return address
    }

    private static func certificates(_ role: Element, _ now: Timestamp) throws -> ([SigningCertificate], [String]) {
        var (found, warnings): ([SigningCertificate], [String]) = ([], [])
        for descriptor in role.all("KeyDescriptor", Element.Space.metadata) where descriptor["use"] ?? "signing" == "signing" {
            for data in descriptor.all("KeyInfo", Element.Space.signature).flatMap({ $0.all("X509Data", Element.Space.signature) }) {
                for text in data.all("X509Certificate", Element.Space.signature).prefix(maxCertificates) {
                    do throws(Document.Refusal) {
                        let certificate = try SigningCertificate(base64: text.text)
                        guard !found.contains(where: { $0.thumbprint == certificate.thumbprint }) else { continue }
                        found.append(certificate)
                        // As in every federation the certificate is a vessel of its key: the metadata's own end is what counts.
                        if certificate.endsAt <= now {
                            warnings.append("A certificate of the provider ended \(certificate.endsAt.iso8601).")
                        }
                    } catch { warnings.append("A certificate of the provider is left out: \(error.reason).") }
                }
            }
        }
        guard (1...maxCertificates).contains(found.count) else {
            throw wrong(
                "it has \(found.isEmpty ? "no usable" : "too many") signing certificates. \(warnings.prefix(2).joined(separator: " "))")
        }
        return (found, warnings)
    }
}
