import Foundation
import Signing
import Vocabulary

/// Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`, one signature for each secret in force.
package enum MessageSignature {
    static let secretBytes = 32
    static let prefix = "whsec_"

    static func text(_ secret: [UInt8]) -> String { prefix + Data(secret).base64EncodedString() }

    package static func headers(id: String, at: Timestamp, body: String, secrets: [[UInt8]]) -> [(String, String)] {
        let message = Data("\(id).\(at.seconds).\(body)".utf8)
        let signatures = secrets.map { "v1,\(Data(HMAC.sha256(message, key: $0)).base64EncodedString())" }
        return [
            ("webhook-id", id), ("webhook-timestamp", String(at.seconds)), ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }
}
