import Foundation

/// The timestamped webhook signature that Stripe made common: the header `t=SECONDS,v1=HEX[,v1=HEX…]`, where each `v1` is
/// HMAC-SHA-256 over `SECONDS.BODY` under one secret.
///
/// Any `v1` may match any secret, so that both sides can roll. Other schemes (`v0`) never count. The time may lie `tolerance`
/// away in both directions. The body's exact bytes are signed: never parse and print before this.
public struct WebhookSignature: Sendable {
    public let secrets: [[UInt8]]
    public let tolerance: Duration

    /// Throws where no secret is left: without one nothing can be verified, so there is no provider.
    public init(secrets: [String], tolerance: Duration = .seconds(300)) throws {
        let usable = secrets.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        guard !usable.isEmpty else { throw PluginRefusal("There is no webhook secret: an unverified webhook is never accepted.") }
        self.secrets = usable.map { Array($0.utf8) }
        self.tolerance = tolerance
    }

    /// The header that a sender writes, under every secret.
    public func header(body: Data, at moment: Timestamp) -> String {
        let marks = secrets.map { "v1=" + Self.mark(body, seconds: String(moment.seconds), secret: $0) }
        return (["t=\(moment.seconds)"] + marks).joined(separator: ",")
    }

    /// Throws `PaymentProviderError.forged` or `.stale`. Returns the signed time.
    @discardableResult
    public func verify(header: String?, body: Data, receivedAt: Timestamp) throws -> Timestamp {
        guard let header, !header.isEmpty else { throw PaymentProviderError.forged("The signature header is missing.") }
        guard header.utf8.count <= Self.maxHeaderBytes else { throw PaymentProviderError.forged("The signature header is too long.") }
        var stamps: [String] = []
        var marks: [[UInt8]] = []
        for part in header.split(separator: ",", omittingEmptySubsequences: true) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { continue }
            if pair[0] == "t" { stamps.append(String(pair[1])) }
            if pair[0] == "v1" { marks.append(Array(pair[1].utf8)) }
        }
        guard stamps.count == 1, let stamp = stamps.first, (1...12).contains(stamp.utf8.count),
            stamp.utf8.allSatisfy({ (48...57).contains($0) }), let seconds = Int64(stamp)
        else { throw PaymentProviderError.forged("The signature header has no single timestamp.") }
        guard !marks.isEmpty, marks.count <= Self.maxMarks else {
            throw PaymentProviderError.forged("The signature header has no v1 signature, or too many.")
        }
        var isGenuine = false
        for secret in secrets {
            let expected = Array(Self.mark(body, seconds: stamp, secret: secret).utf8)
            for mark in marks where PluginDigest.isEqual(mark, expected) { isGenuine = true }
        }
        guard isGenuine else { throw PaymentProviderError.forged("No signature matches the body under any known secret.") }
        let signed = Timestamp(seconds: seconds)
        let distance = signed.microseconds > receivedAt.microseconds ? signed - receivedAt : receivedAt - signed
        guard distance <= tolerance else {
            throw PaymentProviderError.stale(
                "The signature is \(distance.wholeSeconds) s away from now; \(tolerance.wholeSeconds) s are allowed.")
        }
        return signed
    }

    static let maxHeaderBytes = 4_096
    static let maxMarks = 16

    private static func mark(_ body: Data, seconds: String, secret: [UInt8]) -> String {
        PluginDigest.hex(PluginDigest.hmacSHA256(key: secret, Data("\(seconds).".utf8) + body))
    }
}
