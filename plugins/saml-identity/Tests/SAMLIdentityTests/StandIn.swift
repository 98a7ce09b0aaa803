import CSAML
import CSAMLTesting
import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import SAMLIdentity

let moment = Timestamp(seconds: 1_800_000_000)

/// A key of somebody's. Making one takes a moment, so that there are few.
struct TestKey: Sendable {
    let pem: String
    init(bits: Int32 = 2_048) {
        // Without keys there is nothing to test.
        guard let made = csaml_testing_key(bits) else { preconditionFailure("no key could be made") }  // a broken library
        defer { free(made) }
        pem = String(cString: made)
    }
    func certificate(from begins: String = "20200101000000Z", until ends: String = "20400101000000Z") -> String {
        var der = [UInt8](repeating: 0, count: 8_192)
        let length = csaml_testing_certificate(pem, begins, ends, &der, der.count)
        return Data(der.prefix(length)).base64EncodedString()
    }
    static let home = TestKey()
    static let other = TestKey()
    static let second = TestKey()
    static let ours = TestKey()
    static let weak = TestKey(bits: 1_024)
}

/// What an answer says, before it is signed.
struct Said: Sendable {
    enum Signed: Sendable, Hashable { case assertion, response, both, nothing }
    var signed = Signed.assertion
    var signer = TestKey.home
    var signatureMethod = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    var digestMethod = "http://www.w3.org/2001/04/xmlenc#sha256"
    var canonical = "http://www.w3.org/2001/10/xml-exc-c14n#"
    /// Inside of the signature, after its value.
    var keyInfo = ""
    var issuer: String
    var responseIssuer: String
    var audience: String?
    var recipient: String?
    var destination: String?
    var inResponseTo: String?
    var responseTo: String?
    var issued = moment
    var notBefore: Timestamp? = moment - .seconds(30)
    var notAfter: Timestamp? = moment + .seconds(300)
    var confirmedUntil: Timestamp? = moment + .seconds(300)
    var authenticated = moment - .seconds(5)
    var sessionEnds: Timestamp?
    var format = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    var nameID: String
    var method = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
    var context = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    var attributes: [(String, [String])]
    var moreConditions = ""
    var hasStatement = true
    var status = "urn:oasis:names:tc:SAML:2.0:status:Success"
    var assertionID = "_assertion-1"
    var responseID = "_response-1"
    /// XML Encryption's names; nil: in the clear.
    var encryption: String?
    var transport = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
}

/// A SAML provider that a test moves by hand: it reads requests, signs truly, and lies where it is told to.
final class StandIn: Sendable {
    struct State {
        var isAway = false
        var babbles = false
        /// Changes what is said before it is signed.
        var said: @Sendable (inout Said) -> Void = { _ in }
        /// Changes the whole answer after it was signed: response, and the assertion as it stands in it.
        var mangle: @Sendable (String, String) -> String = { response, _ in response }
        var certificates: [String]
        var metadata: @Sendable (String) -> String = { $0 }
        var next = 0
        var fetches = 0
        var requests: [Element] = []
    }
    let entityID: String
    let key: TestKey
    let state: Mutex<State>

    init(_ entityID: String, _ key: TestKey) {
        self.entityID = entityID
        self.key = key
        state = Mutex(State(certificates: [key.certificate()]))
    }

    var origin: String { WebOrigin(entityID)?.description ?? "" }
    var metadata: String {
        let (certificates, change) = state.withLock { ($0.certificates, $0.metadata) }
        let keys = certificates.map {
            "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\($0)</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        }.joined()
        return change(
            """
            <md:EntityDescriptor xmlns:md="\(Element.Space.metadata)" xmlns:ds="\(Element.Space.signature)" entityID="\(entityID)">
            <md:IDPSSODescriptor protocolSupportEnumeration="\(Element.Space.response)">\(keys)
            <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="\(origin)/sso"/>
            <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="\(origin)/sso/post"/>
            </md:IDPSSODescriptor></md:EntityDescriptor>
            """)
    }

    func answer(_ request: OutboundRequest) throws -> OutboundResponse {
        let (isAway, babbles) = state.withLock { state in
            state.fetches += 1
            return (state.isAway, state.babbles)
        }
        if isAway { throw OutboundFailure.unanswered("The exchange broke off.") }
        if babbles { return OutboundResponse(status: 200, body: Data("<html>Welcome".utf8)) }
        guard request.url == "\(origin)/metadata" else { return OutboundResponse(status: 404) }
        return OutboundResponse(status: 200, headers: ["content-type": "application/samlmetadata+xml"], body: Data(metadata.utf8))
    }

    /// What the browser brings, unpacked.
    static func request(_ departure: IdentityDeparture) throws -> (xml: String, relayState: String) {
        if !departure.form.isEmpty {
            let bytes = Data(base64Encoded: departure.form["SAMLRequest"] ?? "") ?? Data()
            return (String(decoding: bytes, as: UTF8.self), departure.form["RelayState"] ?? "")
        }
        let query = Dictionary(
            (URLComponents(string: departure.address)?.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
        let packed = Data(base64Encoded: query["SAMLRequest"] ?? "") ?? Data()
        // One stored block, as RFC 1951 has it.
        let length = packed.count > 5 ? Int(packed[1]) | Int(packed[2]) << 8 : 0
        guard packed.count == length + 5, packed[0] == 1 else { throw PluginRefusal("the request is not deflated") }
        return (String(decoding: packed.dropFirst(5), as: UTF8.self), query["RelayState"] ?? "")
    }

    /// The person signs in and is sent back.
    func consent(_ departure: IdentityDeparture, _ person: StagePerson) throws -> [String: String] {
        let (text, relayState) = try Self.request(departure)
        let request = try Document(Data(text.utf8)).root
        let (number, change, mangle) = state.withLock { state in
            state.next += 1
            state.requests.append(request)
            return (state.next, state.said, state.mangle)
        }
        let consumer = request["AssertionConsumerServiceURL"]
        var said = Said(
            signer: key, issuer: entityID, responseIssuer: entityID, audience: request.only("Issuer")?.trimmed, recipient: consumer,
            destination: consumer, inResponseTo: request["ID"], responseTo: request["ID"], nameID: person.subject,
            attributes: [
                ("mail", [person.address]), ("mail_verified", [person.isVerified ? "true" : "false"]), ("givenName", ["Ada"]),
                ("sn", ["Lovelace"]),
                ("groups", ["engineers", "everybody"]),
            ])
        said.assertionID += "-\(number)-\(abs(entityID.hashValue))"
        change(&said)
        let (response, assertion) = try Made(said).response()
        return ["RelayState": relayState, "SAMLResponse": Data(mangle(response, assertion).utf8).base64EncodedString()]
    }
}

/// An answer, written and signed.
struct Made {
    let said: Said
    init(_ said: Said) { self.said = said }

    func signed(_ xml: String, _ id: String) throws -> String {
        let signature = """
            <ds:Signature xmlns:ds="\(Element.Space.signature)"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="\(said.canonical)"/>\
            <ds:SignatureMethod Algorithm="\(said.signatureMethod)"/><ds:Reference URI="#\(id)"><ds:Transforms>\
            <ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="\(said.canonical)"/>\
            </ds:Transforms><ds:DigestMethod Algorithm="\(said.digestMethod)"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>\
            <ds:SignatureValue></ds:SignatureValue>\(said.keyInfo)</ds:Signature>
            """
        guard let place = xml.range(of: "</saml:Issuer>") else { return xml }
        let template = xml.replacingCharacters(in: place, with: "</saml:Issuer>" + signature)
        var why = Why()
        let out = Bytes.withBytes([Data(said.signer.pem.utf8), Data(template.utf8)]) { csaml_sign_document($0[0], $0[1], &why.buffer) }
        guard let out else { throw PluginRefusal("not signed: \(why.text)") }
        defer { csaml_free_text(out) }
        return String(cString: out)
    }

    var assertion: String {
        func attribute(_ name: String, _ value: String?) -> String { value.map { " \(name)=\"\($0)\"" } ?? "" }
        var out =
            "<saml:Assertion xmlns:saml=\"\(Element.Space.assertion)\" ID=\"\(said.assertionID)\" IssueInstant=\"\(said.issued.iso8601)\" Version=\"2.0\">"
        out += "<saml:Issuer>\(said.issuer)</saml:Issuer><saml:Subject><saml:NameID Format=\"\(said.format)\">\(said.nameID)</saml:NameID>"
        out += "<saml:SubjectConfirmation Method=\"\(said.method)\"><saml:SubjectConfirmationData"
        out +=
            attribute("InResponseTo", said.inResponseTo) + attribute("NotOnOrAfter", said.confirmedUntil?.iso8601)
            + attribute("Recipient", said.recipient)
        out += "/></saml:SubjectConfirmation></saml:Subject>"
        out += "<saml:Conditions\(attribute("NotBefore", said.notBefore?.iso8601))\(attribute("NotOnOrAfter", said.notAfter?.iso8601))>"
        if let audience = said.audience {
            out += "<saml:AudienceRestriction><saml:Audience>\(audience)</saml:Audience></saml:AudienceRestriction>"
        }
        out += said.moreConditions + "</saml:Conditions>"
        if said.hasStatement {
            out +=
                "<saml:AuthnStatement AuthnInstant=\"\(said.authenticated.iso8601)\"\(attribute("SessionNotOnOrAfter", said.sessionEnds?.iso8601))>"
            out +=
                "<saml:AuthnContext><saml:AuthnContextClassRef>\(said.context)</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"
        }
        out += "<saml:AttributeStatement>"
        for (name, values) in said.attributes {
            out +=
                "<saml:Attribute Name=\"\(name)\">\(values.map { "<saml:AttributeValue>\($0)</saml:AttributeValue>" }.joined())</saml:Attribute>"
        }
        return out + "</saml:AttributeStatement></saml:Assertion>"
    }

    func response() throws -> (response: String, assertion: String) {
        var inner = assertion
        if [.assertion, .both].contains(said.signed) { inner = try signed(inner, said.assertionID) }
        let bare = inner
        if let encryption = said.encryption {
            guard let hidden = csaml_testing_encrypt(TestKey.ours.pem, inner, encryption, said.transport) else {
                throw PluginRefusal("not encrypted")
            }
            defer { free(hidden) }
            inner = String(cString: hidden)
        }
        func attribute(_ name: String, _ value: String?) -> String { value.map { " \(name)=\"\($0)\"" } ?? "" }
        var out = "<samlp:Response xmlns:samlp=\"\(Element.Space.response)\" xmlns:saml=\"\(Element.Space.assertion)\""
        out += attribute("Destination", said.destination) + " ID=\"\(said.responseID)\"" + attribute("InResponseTo", said.responseTo)
        out += " IssueInstant=\"\(said.issued.iso8601)\" Version=\"2.0\"><saml:Issuer>\(said.responseIssuer)</saml:Issuer>"
        out += "<samlp:Status><samlp:StatusCode Value=\"\(said.status)\"/></samlp:Status>"
        if said.status.hasSuffix(":Success") { out += inner }
        out += "</samlp:Response>"
        if [.response, .both].contains(said.signed) { out = try signed(out, said.responseID) }
        return (out, bare)
    }
}
