import Signing
import Vocabulary

/// Codes of authenticator apps: TOTP (RFC 6238) as they all read it, with SHA-1, six digits and steps of 30 seconds.
struct OneTimeCode: Sendable {
    static let digits = 6
    static let stepSeconds: Int64 = 30
    /// 160 bits, as RFC 4226 recommends.
    static let secretBytes = 20
    /// Clocks of telephones are off by so many steps, either way.
    static let window: Int64 = 1

    let secret: [UInt8]

    static func step(_ now: Timestamp) -> Int64 { now.seconds / stepSeconds }

    /// The code of one step (RFC 4226, 5.3).
    func code(_ step: Int64) -> String {
        let hash = HMAC.sha1(withUnsafeBytes(of: step.bigEndian) { Array($0) }, key: secret)
        let offset = Int(hash[19] & 15)
        let number = hash[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let text = String(number % 1_000_000)
        return String(repeating: "0", count: Self.digits - text.count) + text
    }

    /// The step whose code this is, within the window around `now`. Every step of the window is looked at, found or not.
    func step(of code: String, now: Timestamp) -> Int64? {
        let (given, current) = (Array(code.utf8), Self.step(now))
        var found: Int64?
        for step in (current - Self.window)...(current + Self.window) where ConstantTime.equal(Array(self.code(step).utf8), given) {
            found = step
        }
        return found
    }

    /// As a person types it: spaces do not count. Nil for what is no code.
    static func read(_ text: String) -> String? {
        guard text.utf8.count <= 32 else { return nil }
        let code = text.filter { $0 != " " && $0 != "\t" }
        return code.utf8.count == digits && code.utf8.allSatisfy { (48...57).contains($0) } ? code : nil
    }

    /// What an app is set up by, typed or as a QR code. The label is percent-encoded; issuer and account hold no colon.
    func address(issuer: String, account: String) -> String {
        func plain(_ text: String) -> String {
            text.utf8.reduce(into: "") { out, byte in
                let isUnreserved =
                    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95, 126].contains(byte)
                out += isUnreserved ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        let (issuer, account) = (plain(issuer.replacing(":", with: " ")), plain(account.replacing(":", with: " ")))
        return "otpauth://totp/\(issuer):\(account)?secret=\(Base32.encode(secret))&issuer=\(issuer)&algorithm=SHA1&digits=6&period=30"
    }
}

/// RFC 4648, 6, without padding.
enum Base32 {
    private static let signs = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

    static func encode(_ bytes: [UInt8]) -> String {
        var (out, held, bits) = ("", 0, 0)
        for byte in bytes {
            held = held << 8 | Int(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                out.append(signs[held >> bits & 31])
            }
            held &= (1 << bits) - 1
        }
        if bits > 0 { out.append(signs[held << (5 - bits) & 31]) }
        return out
    }
}

/// Codes on paper, for when the second factor is lost: 80 random bits, one use each.
enum RecoveryCode {
    static let count = 10
    /// Without I, L, O and U: nothing that is read wrong.
    private static let signs = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    private static let length = 16

    /// `8H3K-72QX-…`, four groups of four.
    static func draw(_ entropy: any Entropy) -> String {
        let code = entropy.bytes(length).map { signs[Int($0) & 31] }
        return stride(from: 0, to: length, by: 4).map { String(code[$0..<$0 + 4]) }.joined(separator: "-")
    }
    /// As a person types it: case, spaces and hyphens do not count, and what looks alike is one. Nil for what is no code.
    static func read(_ text: String) -> String? {
        guard text.utf8.count <= 64 else { return nil }
        let alike: [Character: Character] = ["O": "0", "I": "1", "L": "1"]
        let code = text.uppercased().filter { $0 != "-" && $0 != " " }.map { alike[$0] ?? $0 }
        return code.count == length && code.allSatisfy(signs.contains) ? String(code) : nil
    }
    static func digest(_ code: String, of user: UserID, _ vault: Vault) -> [UInt8] {
        vault.sealer.digest(user.uuid.bytes + Array(code.utf8), purpose: "identity.recovery_code")
    }
}
