import Foundation
import PluginKit

@testable import SAMLIdentity

/// One cheat of an answer: what it is refused as, a word of the reason, and what it changes.
struct Cheat: Sendable {
    typealias Change = @Sendable (inout StandIn.State) -> Void
    let name: String
    let doubt: IdentityDoubt
    let reason: String
    let arm: Change

    static func said(_ change: @escaping @Sendable (inout Said) -> Void) -> Change { { $0.said = change } }
    static func mangled(_ change: @escaping @Sendable (String, String) -> String) -> Change { { $0.mangle = change } }
    /// Both at once.
    static func both(_ said: @escaping @Sendable (inout Said) -> Void, _ mangle: @escaping @Sendable (String, String) -> String) -> Change {
        {
            $0.said = said
            $0.mangle = mangle
        }
    }

    // MARK: Parts of an answer

    static let evilName = "1666"
    static func signature(of xml: String) -> String {
        guard let start = xml.range(of: "<ds:Signature "), let end = xml.range(of: "</ds:Signature>") else { return "" }
        return String(xml[start.lowerBound..<end.upperBound])
    }
    static func unsigned(_ xml: String) -> String { xml.replacing(signature(of: xml), with: "") }
    /// The same about somebody else, under another id.
    static func evil(_ xml: String) -> String {
        xml.replacing("persistent\">1001<", with: "persistent\">\(evilName)<").replacing("ID=\"_assertion", with: "ID=\"_evil")
            .replacing("ID=\"_response-1\"", with: "ID=\"_evil-response\"")
    }
    static func inside(_ parent: String, _ child: String, before end: String) -> String {
        parent.replacing(end, with: child + end, maxReplacements: 1)
    }

    /// Signature wrapping in its eight ways (Somorovsky et al., "On Breaking SAML", 2012; numbered as the tool SAML Raider does).
    static let wrappings: [Cheat] = [
        Cheat(
            name: "XSW1: the signed response inside of the evil one's signature", doubt: .malformed,
            reason: "response inside of the response",
            arm: both({ $0.signed = .response }) { response, _ in
                let inner = response
                return evil(unsigned(response)).replacing(
                    "<samlp:Status>",
                    with: inside(signature(of: response), "<ds:Object>\(inner)</ds:Object>", before: "</ds:Signature>") + "<samlp:Status>",
                    maxReplacements: 1)
            }),
        Cheat(
            name: "XSW2: the signed response before the evil one's signature", doubt: .malformed, reason: "response inside of the response",
            arm: both({ $0.signed = .response }) { response, _ in
                evil(unsigned(response)).replacing(
                    "<samlp:Status>", with: unsigned(response) + signature(of: response) + "<samlp:Status>", maxReplacements: 1)
            }),
        Cheat(
            name: "XSW3: the evil assertion before the signed one", doubt: .malformed, reason: "several assertions",
            arm: mangled { response, assertion in response.replacing(assertion, with: evil(unsigned(assertion)) + assertion) }),
        Cheat(
            name: "XSW4: the signed assertion inside of the evil one", doubt: .malformed, reason: "several assertions",
            arm: mangled { response, assertion in
                response.replacing(assertion, with: inside(evil(unsigned(assertion)), assertion, before: "</saml:Assertion>"))
            }),
        Cheat(
            name: "XSW5: the evil assertion bears the signature, the signed one stands behind", doubt: .malformed,
            reason: "several assertions",
            arm: mangled { response, assertion in response.replacing(assertion, with: evil(assertion) + unsigned(assertion)) }),
        Cheat(
            name: "XSW6: the signed assertion inside of the evil one's signature", doubt: .malformed, reason: "several assertions",
            arm: mangled { response, assertion in
                response.replacing(
                    assertion,
                    with: evil(unsigned(assertion)).replacing(
                        "<saml:Subject>",
                        with: inside(signature(of: assertion), unsigned(assertion), before: "</ds:Signature>") + "<saml:Subject>",
                        maxReplacements: 1))
            }),
        Cheat(
            name: "XSW7: the evil assertion inside of extensions", doubt: .malformed, reason: "several assertions",
            arm: mangled { response, assertion in
                response.replacing(
                    "<samlp:Status>", with: "<samlp:Extensions>\(evil(unsigned(assertion)))</samlp:Extensions><samlp:Status>",
                    maxReplacements: 1)
            }),
        Cheat(
            name: "XSW8: the signed assertion inside of an object of the signature", doubt: .malformed, reason: "several assertions",
            arm: mangled { response, assertion in
                response.replacing(
                    assertion,
                    with: evil(unsigned(assertion)).replacing(
                        "<saml:Subject>",
                        with: inside(signature(of: assertion), "<ds:Object>\(unsigned(assertion))</ds:Object>", before: "</ds:Signature>")
                            + "<saml:Subject>",
                        maxReplacements: 1))
            }),
    ]

    static let signatures: [Cheat] = [
        Cheat(name: "nothing signed", doubt: .signature, reason: "nothing in the answer is signed", arm: said { $0.signed = .nothing }),
        Cheat(
            name: "the signature stripped", doubt: .signature, reason: "nothing in the answer is signed",
            arm: mangled { response, _ in unsigned(response) }),
        Cheat(
            name: "another's key, its certificate in KeyInfo", doubt: .signature, reason: "any certificate",
            arm: said {
                $0.signer = .other
                $0.keyInfo =
                    "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>\(TestKey.other.certificate())</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            }),
        Cheat(
            name: "the person changed after signing", doubt: .signature, reason: "any certificate",
            arm: mangled { response, _ in response.replacing(">1001<", with: ">1666<") }),
        Cheat(
            name: "the signed response changed", doubt: .signature, reason: "any certificate",
            arm: both({ $0.signed = .response }) { response, _ in response.replacing(">1001<", with: ">1666<") }),
        Cheat(
            name: "SHA-1 in the signature", doubt: .signature, reason: "algorithm is not accepted",
            arm: said { $0.signatureMethod = "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }),
        Cheat(
            name: "SHA-1 in the digest", doubt: .signature, reason: "digest is not accepted",
            arm: said { $0.digestMethod = "http://www.w3.org/2000/09/xmldsig#sha1" }),
        Cheat(
            name: "a shared secret for a signature", doubt: .signature, reason: "algorithm is not accepted",
            arm: mangled { response, _ in
                response.replacing("xmldsig-more#rsa-sha256", with: "xmldsig-more#hmac-sha256")
            }),
        Cheat(
            name: "comments signed along", doubt: .signature, reason: "canonicalised",
            arm: said { $0.canonical = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments" }),
        Cheat(
            name: "a transform more", doubt: .signature, reason: "transforms",
            arm: mangled { response, _ in
                response.replacing(
                    "</ds:Transforms>", with: "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"/></ds:Transforms>")
            }),
        Cheat(
            name: "an endless list of prefixes to keep", doubt: .signature, reason: "transforms",
            arm: mangled { response, _ in
                let prefixes = (0..<300).map { "p\($0)" }.joined(separator: " ")
                let told = "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"\(prefixes)\"/>"
                return response.replacing(
                    "xml-exc-c14n#\"/></ds:Transforms>", with: "xml-exc-c14n#\">\(told)</ds:Transform></ds:Transforms>")
            }),
        Cheat(
            name: "a second reference", doubt: .signature, reason: "one Reference",
            arm: mangled { response, _ in
                guard let start = response.range(of: "<ds:Reference "), let end = response.range(of: "</ds:Reference>") else {
                    return response
                }
                return response.replacing("</ds:SignedInfo>", with: response[start.lowerBound..<end.upperBound] + "</ds:SignedInfo>")
            }),
        Cheat(
            name: "a reference to the whole document", doubt: .signature, reason: "refers to another element",
            arm: mangled { response, _ in response.replacing("URI=\"#_assertion", with: "URI=\"\" Id=\"x") }),
        Cheat(
            name: "two elements of one ID", doubt: .signature, reason: "two elements have the ID",
            arm: said { $0.assertionID = $0.responseID }),
        Cheat(
            name: "the assertion's ID once more, as another attribute", doubt: .signature, reason: "two elements have the ID",
            arm: both({ $0.assertionID = "_assertion-x" }) { response, _ in
                response.replacing("<samlp:Status>", with: "<samlp:Status xml:id=\"_assertion-x\">", maxReplacements: 1)
            }),
        Cheat(
            name: "two signatures", doubt: .signature, reason: "does not hold one signature",
            arm: mangled { response, _ in response.replacing("<saml:Subject>", with: signature(of: response) + "<saml:Subject>") }),
        Cheat(
            name: "a signature in a place of its own", doubt: .signature, reason: "place of its own",
            arm: mangled { response, _ in response.replacing("<samlp:StatusCode", with: signature(of: response) + "<samlp:StatusCode") }),
    ]

    static let documents: [Cheat] = [
        Cheat(
            name: "a document type", doubt: .malformed, reason: "document type",
            arm: mangled { response, _ in "<!DOCTYPE Response>" + response }),
        Cheat(
            name: "an entity from a file", doubt: .malformed, reason: "document type",
            arm: mangled { response, _ in
                "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>" + response.replacing(">Ada<", with: ">&e;<")
            }),
        Cheat(
            name: "a billion laughs", doubt: .malformed, reason: "document type",
            arm: mangled { response, _ in
                let more = (1...9).map { "<!ENTITY l\($0) \"\(String(repeating: "&l\($0 - 1);", count: 10))\">" }.joined()
                return "<!DOCTYPE r [<!ENTITY l0 \"lol\">\(more)]>" + response.replacing(">Ada<", with: ">&l9;<")
            }),
        Cheat(
            name: "a comment in the name", doubt: .malformed, reason: "comment",
            arm: mangled { response, _ in response.replacing(">1001<", with: ">1001<!-- -->.evil<") }),
        Cheat(
            name: "a comment anywhere", doubt: .malformed, reason: "comment", arm: mangled { response, _ in response + "<!-- -->" }),
        Cheat(
            name: "a processing instruction", doubt: .malformed, reason: "processing instruction",
            arm: mangled { response, _ in response.replacing(">1001<", with: ">1001<?x?><") }),
        Cheat(
            name: "too deep", doubt: .malformed, reason: "nested too deeply",
            arm: mangled { response, _ in
                response.replacing(
                    "<samlp:Status>", with: String(repeating: "<a>", count: 60) + String(repeating: "</a>", count: 60) + "<samlp:Status>",
                    maxReplacements: 1)
            }),
        Cheat(
            name: "too many elements", doubt: .malformed, reason: "too many",
            arm: mangled { response, _ in
                response.replacing("<samlp:Status>", with: String(repeating: "<a/>", count: 20_001) + "<samlp:Status>", maxReplacements: 1)
            }),
        Cheat(
            name: "too many attributes", doubt: .malformed, reason: "too many",
            arm: mangled { response, _ in
                response.replacing(
                    "<samlp:Status>", with: "<samlp:Status \((0..<300).map { "a\($0)=\"\"" }.joined(separator: " "))>", maxReplacements: 1)
            }),
        Cheat(
            name: "too many namespaces in scope", doubt: .malformed, reason: "namespaces in one place",
            arm: mangled { response, _ in
                let (open, close) = ((0..<41).map { "<a xmlns:n\($0)=\"urn:\($0)\">" }.joined(), String(repeating: "</a>", count: 41))
                return response.replacing("<samlp:Status>", with: open + close + "<samlp:Status>", maxReplacements: 1)
            }),
        Cheat(
            name: "another encoding", doubt: .malformed, reason: "not well-formed",
            arm: mangled { response, _ in response.replacing(">Ada<", with: ">\u{1}<") }),
        Cheat(
            name: "the assertion in another place", doubt: .malformed, reason: "right below",
            arm: mangled { response, assertion in
                response.replacing(assertion, with: "<samlp:Extensions>\(assertion)</samlp:Extensions>")
            }),
        Cheat(
            name: "another root", doubt: .type, reason: "no response",
            arm: mangled { response, _ in response.replacing("samlp:Response", with: "samlp:LogoutResponse") }),
    ]

    static let statements: [Cheat] = [
        Cheat(name: "another audience", doubt: .audience, reason: "another audience", arm: said { $0.audience = "https://evil.example" }),
        Cheat(name: "no audience", doubt: .audience, reason: "no audience", arm: said { $0.audience = nil }),
        Cheat(
            name: "a second audience that is not ours", doubt: .audience, reason: "another audience",
            arm: said { $0.moreConditions = "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>" }),
        Cheat(
            name: "a condition that nobody knows", doubt: .malformed, reason: "condition",
            arm: said { $0.moreConditions = "<saml:Condition/>" }),
        Cheat(
            name: "another recipient", doubt: .audience, reason: "another recipient",
            arm: said { $0.recipient = "https://evil.example/callback" }),
        Cheat(name: "no recipient", doubt: .audience, reason: "another recipient", arm: said { $0.recipient = nil }),
        Cheat(
            name: "another destination", doubt: .audience, reason: "another address",
            arm: said { $0.destination = "https://evil.example/callback" }),
        Cheat(
            name: "signed and for no address", doubt: .audience, reason: "for which address",
            arm: said {
                $0.signed = .response
                $0.destination = nil
            }),
        Cheat(name: "another request", doubt: .binding, reason: "another request", arm: said { $0.inResponseTo = "_other" }),
        Cheat(name: "a response to another request", doubt: .binding, reason: "another request", arm: said { $0.responseTo = "_other" }),
        Cheat(
            name: "nobody asked", doubt: .binding, reason: "nobody here asked",
            arm: said {
                $0.inResponseTo = nil
                $0.responseTo = nil
            }),
        Cheat(
            name: "an assertion that nobody asked for", doubt: .binding, reason: "nobody here asked", arm: said { $0.inResponseTo = nil }),
        Cheat(name: "expired", doubt: .time, reason: "has expired", arm: said { $0.notAfter = moment - .seconds(61) }),
        Cheat(name: "not yet", doubt: .time, reason: "does not hold yet", arm: said { $0.notBefore = moment + .seconds(61) }),
        Cheat(name: "came too late", doubt: .time, reason: "came too late", arm: said { $0.confirmedUntil = moment - .seconds(61) }),
        Cheat(name: "for ever", doubt: .time, reason: "until when", arm: said { $0.confirmedUntil = nil }),
        Cheat(name: "made in the future", doubt: .time, reason: "in the future", arm: said { $0.issued = moment + .seconds(61) }),
        Cheat(name: "made long ago", doubt: .time, reason: "long ago", arm: said { $0.issued = moment - .seconds(7_200) }),
        Cheat(
            name: "a session that ended", doubt: .time, reason: "session at the provider",
            arm: said { $0.sessionEnds = moment - .seconds(1) }),
        Cheat(
            name: "another issuer", doubt: .issuer, reason: "another issuer", arm: said { $0.issuer = "https://login.other.example/saml" }),
        Cheat(
            name: "a response of another issuer", doubt: .issuer, reason: "another issuer",
            arm: said { $0.responseIssuer = "https://login.other.example/saml" }),
        Cheat(
            name: "not for its bearer", doubt: .type, reason: "bears it",
            arm: said { $0.method = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches" }),
        Cheat(name: "nobody signed in", doubt: .type, reason: "signed in", arm: said { $0.hasStatement = false }),
        Cheat(name: "an element in the name", doubt: .malformed, reason: "no plain text", arm: said { $0.nameID = "1001<saml:x/>" }),
    ]

    static let encryptions: [Cheat] = [
        Cheat(
            name: "encrypted with nothing signed inside", doubt: .signature, reason: "nothing in the answer is signed",
            arm: said {
                $0.encryption = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
                $0.signed = .nothing
            }),
        Cheat(
            name: "encrypted, and signed by another inside", doubt: .signature, reason: "any certificate",
            arm: said {
                $0.encryption = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
                $0.signer = .other
            }),
        Cheat(
            name: "encrypted by Triple DES", doubt: .malformed, reason: "otherwise than by AES",
            arm: both({ $0.encryption = "http://www.w3.org/2001/04/xmlenc#aes256-cbc" }) { response, _ in
                response.replacing("xmlenc#aes256-cbc", with: "xmlenc#tripledes-cbc")
            }),
        Cheat(
            name: "a key under PKCS #1 v1.5", doubt: .malformed, reason: "otherwise than by RSA-OAEP",
            arm: said {
                $0.encryption = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
                $0.transport = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
            }),
        Cheat(
            name: "ciphertext changed on its way", doubt: .malformed, reason: "cannot be decrypted",
            arm: both({ $0.encryption = "http://www.w3.org/2009/xmlenc11#aes128-gcm" }) { response, _ in
                guard let place = response.range(of: "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>") else { return response }
                let at = response.index(place.lowerBound, offsetBy: -60)
                return response.replacingCharacters(in: at...at, with: response[at] == "A" ? "B" : "A")
            }),
        Cheat(
            name: "two encrypted assertions", doubt: .malformed, reason: "several assertions",
            arm: both({ $0.encryption = "http://www.w3.org/2009/xmlenc11#aes128-gcm" }) { response, _ in
                guard let start = response.range(of: "<saml:EncryptedAssertion"), let end = response.range(of: "</saml:EncryptedAssertion>")
                else { return response }
                let one = response[start.lowerBound..<end.upperBound]
                return response.replacing("</samlp:Response>", with: one + "</samlp:Response>")
            }),
    ]
    static let all = wrappings + signatures + documents + statements + encryptions
}
