import Foundation
import PluginKit

/// Paddle's webhook signature: the header `ts=SECONDS;h1=HEX[;h1=HEX…]`, each `h1` HMAC-SHA-256 over `SECONDS:BODY` under one secret.
/// While a secret rotates Paddle sends several. Schemes of tomorrow (`h2`) never count and do no harm.
struct PaddleSignature: Sendable {
    let secrets: [[UInt8]]
    /// Paddle's own SDKs allow 5 s; deliveries that waited at us for longer are genuine all the same.
    static let tolerance = Duration.seconds(300)
    static let maxHeaderBytes = 4_096
    static let maxMarks = 16

    init(secrets: [String]) throws {
        let usable = secrets.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        guard !usable.isEmpty else { throw PluginRefusal("There is no webhook secret: an unverified webhook is never accepted.") }
        self.secrets = usable.map { Array($0.utf8) }
    }

    /// Throws `PaymentProviderError.forged` or `.stale`.
    func verify(header: String?, body: Data, receivedAt: Timestamp) throws {
        guard let header, !header.isEmpty else { throw PaymentProviderError.forged("The signature header is missing.") }
        guard header.utf8.count <= Self.maxHeaderBytes else { throw PaymentProviderError.forged("The signature header is too long.") }
        var stamps: [String] = []
        var marks: [[UInt8]] = []
        for part in header.split(separator: ";", omittingEmptySubsequences: true) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { continue }
            guard !pair[1].contains("=") else { throw PaymentProviderError.forged("The signature header is no list of pairs.") }
            if pair[0] == "ts" { stamps.append(String(pair[1])) }
            if pair[0] == "h1" { marks.append(Array(pair[1].utf8)) }
        }
        guard stamps.count == 1, let stamp = stamps.first, (1...12).contains(stamp.utf8.count), !stamp.hasPrefix("0"),
            stamp.utf8.allSatisfy({ (48...57).contains($0) }), let seconds = Int64(stamp)
        else { throw PaymentProviderError.forged("The signature header has no single timestamp.") }
        guard !marks.isEmpty, marks.count <= Self.maxMarks else {
            throw PaymentProviderError.forged("The signature header has no h1 signature, or too many.")
        }
        var isGenuine = false
        for secret in secrets {
            let expected = Array(PluginDigest.hex(PluginDigest.hmacSHA256(key: secret, Data("\(stamp):".utf8) + body)).utf8)
            for mark in marks where PluginDigest.isEqual(mark, expected) { isGenuine = true }
        }
        guard isGenuine else { throw PaymentProviderError.forged("No signature matches the body under any known secret.") }
        let signed = Timestamp(seconds: seconds)
        let distance = signed > receivedAt ? signed - receivedAt : receivedAt - signed
        guard distance <= Self.tolerance else {
            throw PaymentProviderError.stale(
                "The signature is \(distance.wholeSeconds) s away from now; \(Self.tolerance.wholeSeconds) s are allowed.")
        }
    }
}
