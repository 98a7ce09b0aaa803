import Foundation
import Signing
import Store
import Vocabulary

/// What the room seals with and draws secrets from.
package struct Vault: Sendable {
    package let sealer: any Sealer
    package let entropy: any Entropy
    /// How secrets say in which region they open something.
    package let mark: RegionMark
    package init(sealer: any Sealer, entropy: any Entropy, mark: RegionMark = .none) {
        self.sealer = sealer
        self.entropy = entropy
        self.mark = mark
    }

    /// The secret of a mailed or printed link, and the digest under which it is stored.
    func drawLink(_ purpose: LinkPurpose) -> (text: String, digest: [UInt8]) {
        let text = Base64URL.encode(entropy.bytes(32))
        return (mark.marked(text), digest(link: text, purpose))
    }
    /// A link of one purpose is nothing under another.
    func digest(link text: String, _ purpose: LinkPurpose) -> [UInt8] {
        sealer.digest(Array(mark.bare(text).utf8), purpose: "identity.link.\(purpose.rawValue)")
    }
}

/// What a single-use link is good for.
package enum LinkPurpose: String, Sendable, CaseIterable, Codable {
    case verifyEmail = "verify_email"
    case resetPassword = "reset_password"
    case firstAdministrator = "first_administrator"
}

/// A refresh token in the clear: session, generation, secret, and our own mark over the three.
///
/// The mark tells a token that we issued from one that somebody made up around a known session id: only the former can count as
/// reuse and end the session, so nobody ends a stranger's session by guessing. The successor's secret follows from the predecessor's by
/// HMAC, so that a lost answer can be given again without the secret having been stored.
struct RefreshToken: Sendable, Hashable {
    static let prefix = "crt_"
    let session: AuthSessionID
    let generation: Int64
    let secret: [UInt8]

    private static let bytes = 16 + 8 + 32 + 16

    func text(_ sealer: any Sealer) -> String { Self.prefix + Base64URL.encode(body + Self.mark(body, sealer)) }

    private var body: [UInt8] {
        session.uuid.bytes + withUnsafeBytes(of: generation.bigEndian) { Array($0) } + secret
    }
    private static func mark(_ body: [UInt8], _ sealer: any Sealer) -> [UInt8] {
        Array(sealer.digest(body, purpose: "identity.refresh_mark").prefix(16))
    }

    init(session: AuthSessionID, generation: Int64, secret: [UInt8]) {
        self.session = session
        self.generation = generation
        self.secret = secret
    }

    /// Nil for everything that this installation did not issue.
    init?(_ text: String, _ sealer: any Sealer) {
        guard text.utf8.count <= 256, text.hasPrefix(Self.prefix), let raw = Base64URL.decode(String(text.dropFirst(Self.prefix.count))),
            raw.count == Self.bytes, ConstantTime.equal(Array(raw[56...]), Self.mark(Array(raw[..<56]), sealer))
        else { return nil }
        session = AuthSessionID(UUID(bytes: Array(raw[..<16])))
        generation = raw[16..<24].reduce(0) { $0 << 8 | Int64($1) }
        secret = Array(raw[24..<56])
    }

    func successor(_ sealer: any Sealer) -> RefreshToken {
        RefreshToken(session: session, generation: generation + 1, secret: sealer.digest(body, purpose: "identity.refresh_successor"))
    }
    /// What is stored in the secret's place.
    func digest(_ sealer: any Sealer) -> [UInt8] { sealer.digest(body, purpose: "identity.refresh_secret") }
}

/// The value of a browser's session cookie: session and secret.
struct PageCookie: Sendable, Hashable {
    let session: AuthSessionID
    let secret: [UInt8]

    init(session: AuthSessionID, secret: [UInt8]) {
        self.session = session
        self.secret = secret
    }
    init?(_ text: String) {
        guard text.utf8.count <= 128, let raw = Base64URL.decode(text), raw.count == 48 else { return nil }
        session = AuthSessionID(UUID(bytes: Array(raw[..<16])))
        secret = Array(raw[16...])
    }
    var text: String { Base64URL.encode(session.uuid.bytes + secret) }
    func digest(_ sealer: any Sealer) -> [UInt8] { sealer.digest(session.uuid.bytes + secret, purpose: "identity.page_cookie") }
}
