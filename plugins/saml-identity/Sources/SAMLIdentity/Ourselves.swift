import Foundation
import PluginKit

/// What we are to a provider: a service provider with one assertion consumer service.
struct Ourselves: Sendable {
    /// Where answers are posted.
    let consumer: String
    let entityID: String
    let keys: OwnKeys

    init(_ entityID: String?, redirectAddress: String, keys: OwnKeys) {
        consumer = redirectAddress
        self.entityID = entityID ?? Self.document(redirectAddress)
        self.keys = keys
    }
    /// The kernel publishes our document beside the address to which answers come.
    private static func document(_ redirectAddress: String) -> String {
        let suffix = "/callback"
        return redirectAddress.hasSuffix(suffix) ? "\(redirectAddress.dropLast(suffix.count))/metadata" : redirectAddress
    }

    static let post = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"

    /// SAML 2.0 Metadata, 2.4.4.
    func metadata() -> String {
        var out = "<md:EntityDescriptor xmlns:md=\"\(Element.Space.metadata)\" entityID=\"\(Words.xml(entityID))\">"
        out += "<md:SPSSODescriptor AuthnRequestsSigned=\"\(keys.canSign)\" WantAssertionsSigned=\"true\""
        out += " protocolSupportEnumeration=\"\(Element.Space.response)\">"
        for (index, certificate) in keys.certificates.enumerated() {
            let info =
                "<ds:KeyInfo xmlns:ds=\"\(Element.Space.signature)\"><ds:X509Data><ds:X509Certificate>\(certificate)"
                + "</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            out += "<md:KeyDescriptor use=\"signing\">\(info)</md:KeyDescriptor>"
            // What is new is encrypted for the first key; those that go out are only there to read what was on its way.
            guard index == 0 else { continue }
            out += "<md:KeyDescriptor use=\"encryption\">\(info)"
            for method in [
                "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes128-gcm",
                "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            ] {
                out += "<md:EncryptionMethod Algorithm=\"\(method)\"/>"
            }
            out += "</md:KeyDescriptor>"
        }
        out += "<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>"
        out += "<md:AssertionConsumerService Binding=\"\(Self.post)\" Location=\"\(Words.xml(consumer))\" index=\"0\" isDefault=\"true\"/>"
        return out + "</md:SPSSODescriptor></md:EntityDescriptor>"
    }

    /// The id of the request that a flow sends: an XML name whatever the nonce begins with.
    static func requestID(_ nonce: String) -> String { "_\(nonce)" }

    /// SAML 2.0 Core, 3.4.1. `signature`: an empty one for the key to fill.
    func request(_ beginning: IdentityBeginning, to address: String, at now: Timestamp, signature: Bool) -> String {
        let id = Self.requestID(beginning.nonce)
        let instant = Timestamp(seconds: now.seconds).iso8601
        var out =
            "<samlp:AuthnRequest xmlns:samlp=\"\(Element.Space.response)\" xmlns:saml=\"\(Element.Space.assertion)\" ID=\"\(id)\" Version=\"2.0\""
        out += " IssueInstant=\"\(instant)\" Destination=\"\(Words.xml(address))\" AssertionConsumerServiceURL=\"\(Words.xml(consumer))\""
        out += " ProtocolBinding=\"\(Self.post)\"\(beginning.isFresh ? " ForceAuthn=\"true\"" : "")>"
        out += "<saml:Issuer>\(Words.xml(entityID))</saml:Issuer>"
        if signature { out += Self.emptySignature(id) }
        return out + "<samlp:NameIDPolicy AllowCreate=\"true\"/></samlp:AuthnRequest>"
    }

    private static func emptySignature(_ id: String) -> String {
        """
        <ds:Signature xmlns:ds="\(Element.Space.signature)"><ds:SignedInfo>\
        <ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>\
        <ds:SignatureMethod Algorithm="\(algorithm)"/><ds:Reference URI="#\(id)"><ds:Transforms>\
        <ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>\
        <ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>\
        <ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue></ds:DigestValue></ds:Reference>\
        </ds:SignedInfo><ds:SignatureValue></ds:SignatureValue></ds:Signature>
        """
    }
    static let algorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

    /// How the browser leaves: by query (SAML 2.0 Bindings, 3.4) or by form (3.5), signed if there is a key.
    func departure(_ beginning: IdentityBeginning, to metadata: ProviderMetadata, by binding: Party.Binding, at now: Timestamp) throws -> (
        address: String, form: [String: String]
    ) {
        let isByQuery = binding == .redirect || (binding == .auto && metadata.redirect != nil)
        guard let address = isByQuery ? metadata.redirect : metadata.post else {
            throw IdentityProviderError.misconfigured(
                "the provider's metadata has no SingleSignOnService for requests by \(binding.rawValue)")
        }
        guard isByQuery else {
            var text = request(beginning, to: address, at: now, signature: keys.canSign)
            if keys.canSign { text = try keys.sign(document: text) }
            return (address, ["SAMLRequest": Data(text.utf8).base64EncodedString(), "RelayState": beginning.state])
        }
        let text = request(beginning, to: address, at: now, signature: false)
        var query = [("SAMLRequest", Words.deflated(Data(text.utf8)).base64EncodedString()), ("RelayState", beginning.state)]
        if keys.canSign {
            query.append(("SigAlg", Self.algorithm))
            // The signature is over the very characters that are sent.
            query.append(("Signature", try keys.sign(Data(Words.form(query).utf8)).base64EncodedString()))
        }
        return (address + (address.contains("?") ? "&" : "?") + Words.form(query), [:])
    }
}
