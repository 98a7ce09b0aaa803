import Foundation
import PluginKit

/// A response as it came, and how what is believed of it is found: nothing is read for who somebody is but what a signature covers.
struct Answer {
    private let document: Document
    private let metadata: ProviderMetadata

    struct Believed {
        let assertion: Element
        let certificate: SigningCertificate
    }
    private static let dsig = Element.Space.signature
    static let maxBytes = 196_608

    private static func doubt(_ doubt: IdentityDoubt, _ reason: String) -> IdentityProviderError { .notBelieved(doubt, reason: reason) }

    init(_ text: String?, _ metadata: ProviderMetadata) throws {
        guard let text, !text.isEmpty else { throw Self.doubt(.malformed, "there is no SAMLResponse") }
        let packed = text.filter { !$0.isWhitespace }
        guard packed.utf8.count <= Self.maxBytes * 4 / 3 + 4, let bytes = Data(base64Encoded: packed), !bytes.isEmpty,
            bytes.count <= Self.maxBytes
        else {
            throw Self.doubt(.malformed, "SAMLResponse is not base64, or too large")
        }
        do { document = try Document(bytes) } catch { throw Self.doubt(.malformed, error.reason) }
        self.metadata = metadata
        try Self.checkShape(document.root)
    }

    /// One response, one assertion right below it, signatures nowhere but in these two. Where everything has one place, nothing can be wrapped into another.
    private static func checkShape(_ root: Element) throws {
        guard root.isNamed("Response", Element.Space.response), root["Version"] == "2.0" else {
            throw doubt(.type, "it is no response of SAML 2.0")
        }
        let kinds = ["Assertion", "EncryptedAssertion"]
        func isAssertion(_ element: Element) -> Bool { kinds.contains { element.isNamed($0, Element.Space.assertion) } }
        guard root.count(where: { $0.isNamed("Response", Element.Space.response) }) == 1 else {
            throw doubt(.malformed, "there is a response inside of the response")
        }
        let below = root.children.filter(isAssertion)
        let all = root.count(where: isAssertion)
        guard all <= 1 else { throw doubt(.malformed, "there are several assertions") }
        guard all == below.count else { throw doubt(.malformed, "the assertion does not stand right below the response") }
        let signatures = root.all("Signature", dsig).count + below.reduce(0) { $0 + $1.all("Signature", dsig).count }
        guard root.count(where: { $0.isNamed("Signature", dsig) }) == signatures else {
            throw doubt(.signature, "there is a signature in a place of its own")
        }
    }

    /// The assertion, and what of the response must fit. Throws for everything that is not proved.
    func believed(_ ourselves: Ourselves, requestID: String, acceptingCBC: Bool) throws -> Believed {
        let certificates = metadata.certificates.map(\.der)
        var covered: (root: Element, certificate: SigningCertificate)?
        if !document.root.all("Signature", Self.dsig).isEmpty { covered = try verified(document, "", certificates, "response") }
        let response = covered?.root ?? document.root
        try checkResponse(response, isSigned: covered != nil, ourselves, requestID)
        if response.all("EncryptedAssertion").count == 1 {
            guard ourselves.keys.canSign else {
                throw IdentityProviderError.misconfigured("the assertion is encrypted, and there is no SAML_KEY to decrypt it")
            }
            let inside: Document
            do throws(Document.Refusal) { inside = try document.decrypted(with: ourselves.keys.pems, acceptingCBC: acceptingCBC) } catch {
                throw Self.doubt(.malformed, error.reason)
            }
            return try assertion(in: inside, path: "", inside.root, covered, certificates)
        }
        guard let bare = response.only("Assertion") else { throw Self.doubt(.malformed, "there is no assertion") }
        return try assertion(in: document, path: "Assertion", bare, covered, certificates)
    }

    /// What signed the assertion itself, or, where nothing did, the response around it.
    private func assertion(
        in document: Document, path: String, _ bare: Element, _ around: (root: Element, certificate: SigningCertificate)?,
        _ certificates: [Data]
    ) throws -> Believed {
        let signatures = bare.count { $0.isNamed("Signature", Self.dsig) }
        let assertions = bare.count {
            $0.isNamed("Assertion", Element.Space.assertion) || $0.isNamed("EncryptedAssertion", Element.Space.assertion)
        }
        guard assertions == 1, signatures == bare.all("Signature", Self.dsig).count else {
            throw Self.doubt(.malformed, "there are several assertions")
        }
        if signatures > 0 {
            let (root, certificate) = try verified(document, path, certificates, "assertion")
            return Believed(assertion: root, certificate: certificate)
        }
        guard let around else { throw Self.doubt(.signature, "nothing in the answer is signed") }
        return Believed(assertion: bare, certificate: around.certificate)
    }

    private func verified(_ document: Document, _ path: String, _ certificates: [Data], _ what: String) throws -> (
        Element, SigningCertificate
    ) {
        do throws(Document.Refusal) {
            let (covered, index) = try document.verified(path, under: certificates)
            return (covered.root, metadata.certificates[index])
        } catch { throw Self.doubt(.signature, "the \(what): \(error.reason)") }
    }

    private func checkResponse(_ response: Element, isSigned: Bool, _ ourselves: Ourselves, _ requestID: String) throws {
        if let issuer = response.all("Issuer").first, issuer.trimmed != metadata.entityID {
            throw Self.doubt(.issuer, "the response is of another issuer")
        }
        if let destination = response["Destination"] {
            guard destination == ourselves.consumer else { throw Self.doubt(.audience, "the response was made for another address") }
        } else if isSigned {
            throw Self.doubt(.audience, "the response is signed and does not say for which address")
        }
        guard let request = response["InResponseTo"] else {
            throw Self.doubt(.binding, "the response answers no request: nobody here asked for it")
        }
        guard request == requestID else { throw Self.doubt(.binding, "the response answers another request") }
        guard let code = response.only("Status", Element.Space.response)?.only("StatusCode", Element.Space.response),
            let value = code["Value"]
        else {
            throw Self.doubt(.malformed, "the response has no status")
        }
        guard value != "urn:oasis:names:tc:SAML:2.0:status:Success" else { return }
        throw IdentityProviderError.declined(code: Words.code(code.only("StatusCode", Element.Space.response)?["Value"] ?? value))
    }
}
