import Foundation
import Signing
import Synchronization
import Vocabulary

/// Cookies of pages. Names carry `__Host-` under TLS, which binds them to this very host, to `/` and to TLS.
package enum Cookies {
    static let maxCookies = 64

    /// The session cookie: `coditect_session`.
    package static func session(isSecure: Bool) -> String { isSecure ? "__Host-coditect_session" : "coditect_session" }
    /// What the forms of a visitor without a session are bound to: `coditect_csrf`.
    package static func csrf(isSecure: Bool) -> String { isSecure ? "__Host-coditect_csrf" : "coditect_csrf" }

    /// The first cookie of this name in a Cookie header.
    package static func value(_ name: String, in header: String) -> String? {
        for pair in header.split(separator: ";", maxSplits: maxCookies).prefix(maxCookies) {
            let trimmed = pair.drop { $0 == " " || $0 == "\t" }
            guard trimmed.utf8.starts(with: name.utf8) else { continue }
            let rest = Substring(trimmed.utf8.dropFirst(name.utf8.count))
            guard rest.utf8.first == UInt8(ascii: "=") else { continue }
            let value = rest.dropFirst()
            return String(value.hasPrefix("\"") && value.hasSuffix("\"") && value.count > 1 ? value.dropFirst().dropLast() : value)
        }
        return nil
    }
}

/// One `Set-Cookie`: HttpOnly, SameSite=Lax, Path=/, Secure under TLS.
package struct SetCookie: Sendable, Hashable {
    package let text: String

    /// `maxAge` nil: until the browser closes. A value with anything but visible ASCII without `" , ; \` is a mistake of the code.
    package init(_ name: String, _ value: String, maxAge: Duration? = nil, isSecure: Bool) {
        precondition(
            value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && ![0x22, 0x2C, 0x3B, 0x5C].contains($0) },
            "a cookie's value is not cookie text")
        var text = "\(name)=\(value); Path=/; HttpOnly; SameSite=Lax"
        if isSecure { text += "; Secure" }
        if let maxAge { text += "; Max-Age=\(maxAge.wholeSeconds)" }
        self.text = text
    }
    /// Takes the cookie back.
    package static func removal(of name: String, isSecure: Bool) -> SetCookie { SetCookie(name, "", maxAge: .zero, isSecure: isSecure) }
}

/// Tokens that prove that a form came from our own page: a nonce and its HMAC with what the browser holds as a cookie.
package struct CSRF: Sendable {
    package static let field = "csrf_token"
    private static let nonceBytes = 16
    private let key: [UInt8]
    private let entropy: any Entropy

    package init(key: [UInt8], entropy: any Entropy) {
        self.key = key
        self.entropy = entropy
    }
    /// A token for the browser that holds `binding`. Two tokens differ, so that compression of the page tells nothing of either.
    package func token(for binding: String) -> String {
        let nonce = entropy.bytes(Self.nonceBytes)
        return Base64URL.encode(nonce + code(nonce, binding))
    }
    package func isValid(_ token: String, for binding: String) -> Bool {
        guard token.utf8.count <= 128, let raw = Base64URL.decode(token), raw.count == Self.nonceBytes + 32 else { return false }
        return ConstantTime.equal(Array(raw[Self.nonceBytes...]), code(Array(raw[..<Self.nonceBytes]), binding))
    }
    func freshBinding() -> String { Base64URL.encode(entropy.bytes(16)) }
    private func code(_ nonce: [UInt8], _ binding: String) -> [UInt8] { HMAC.sha256(nonce + Array(binding.utf8), key: key) }
}

/// What the forms of one browser are bound to: its session cookie, or a cookie made for a visitor without one. That cookie is
/// sent only if the page asked for a token.
final class FormBinding: Sendable {
    let text: String
    let isFresh: Bool
    let isUsed = Atomic<Bool>(false)
    init(_ text: String, isFresh: Bool = false) {
        self.text = text
        self.isFresh = isFresh
    }
}

/// The fields of an `application/x-www-form-urlencoded` body: at most 128, each once, valid UTF-8, no NUL.
package struct FormBody: Sendable {
    package static let maxFields = 128
    package let fields: [String: String]

    package init(_ body: Data) throws(Problem) {
        guard let text = String(validating: body, as: UTF8.self) else { throw HTTPProblems.malformedForm }
        var fields: [String: String] = [:]
        for pair in text.split(separator: "&", maxSplits: Self.maxFields) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Percent.decode(parts[0], plusIsSpace: true),
                let value = Percent.decode(parts.count > 1 ? parts[1] : "", plusIsSpace: true),
                fields.count < Self.maxFields, fields.updateValue(value, forKey: name) == nil
            else { throw HTTPProblems.malformedForm }
        }
        self.fields = fields
    }
    package subscript(name: String) -> String? { fields[name] }
}
