import CSAML
import Foundation
import PluginKit

/// A certificate with which a provider signs.
struct SigningCertificate: Sendable, Hashable {
    let der: Data
    /// SHA-256 of the public key, base64url: names the key itself, whatever certificate carries it.
    let thumbprint: String
    let endsAt: Timestamp

    /// Throws a sentence that says what is wrong with it.
    init(base64 text: String) throws(Document.Refusal) {
        guard text.utf8.count <= 24_000, let der = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
            throw Document.Refusal(reason: "what stands there is no X.509 certificate")
        }
        var why = Why()
        var key = csaml_key()
        guard Bytes.withBytes([der], { csaml_read_certificate($0[0], &key, &why.buffer) }) else { throw Document.Refusal(reason: why.text) }
        self.der = der
        thumbprint = withUnsafeBytes(of: key.thumbprint) { Words.base64url(Data($0)) }
        endsAt = Timestamp(seconds: key.ends_at)
    }
}

/// Our own keys: the first signs, all of them decrypt.
struct OwnKeys: Sendable {
    let pems: [Data]
    /// Base64 of the certificate that stands for each.
    let certificates: [String]

    var canSign: Bool { !pems.isEmpty }

    /// Each PEM block that stands in the secrets. Throws a sentence without anything of them.
    init(_ texts: [String]) throws {
        var (pems, certificates): ([Data], [String]) = ([], [])
        for text in texts {
            // Where a secret had to fit on one line, its line ends are written out.
            let pem = Data(text.replacing("\\n", with: "\n").utf8)
            var why = Why()
            var key = csaml_key()
            guard Bytes.withBytes([pem], { csaml_read_private_key($0[0], &key, &why.buffer) }) else {
                throw PluginRefusal("SAML_KEY: \(why.text).")
            }
            var der = [UInt8](repeating: 0, count: 8_192)
            let length = Bytes.withBytes([pem]) { csaml_own_certificate($0[0], &der, der.count, &why.buffer) }
            guard length > 0 else { throw PluginRefusal("SAML_KEY: \(why.text).") }
            pems.append(pem)
            certificates.append(Data(der.prefix(length)).base64EncodedString())
        }
        self.pems = pems
        self.certificates = certificates
    }

    /// RSA with SHA-256, by the first key.
    func sign(_ message: Data) throws -> Data {
        var why = Why()
        var signature = [UInt8](repeating: 0, count: 1_024)
        let length = Bytes.withBytes([pems.first ?? Data(), message]) { csaml_sign($0[0], $0[1], &signature, &why.buffer) }
        guard length > 0 else { throw IdentityProviderError.misconfigured(why.text) }
        return Data(signature.prefix(length))
    }
    /// A document of ours with an empty signature in its root, signed by the first key.
    func sign(document text: String) throws -> String {
        var why = Why()
        guard let signed = Bytes.withBytes([pems.first ?? Data(), Data(text.utf8)], { csaml_sign_document($0[0], $0[1], &why.buffer) })
        else {
            throw IdentityProviderError.misconfigured(why.text)
        }
        defer { csaml_free_text(signed) }
        return String(cString: signed)
    }
}
