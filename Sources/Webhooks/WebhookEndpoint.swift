import Foundation
import Vocabulary

/// Where a tenant wants to hear of what happens to it.
package struct WebhookEndpoint: Sendable, Hashable {
    package typealias ID = Identifier<WebhookEndpoint>
    package enum State: String, Sendable, CaseIterable { case enabled, disabled }
    package let id: ID
    package var url: String
    /// Names, `license.*`, or `*`.
    package var events: [String]
    package var description: String
    package var state: State
    package var disabledReason: String?
    /// Until when the secret before the present one signs too.
    package var previousUntil: Timestamp?
    package var failingSince: Timestamp?
    package let createdAt: Timestamp

    package static let mostPerTenant = 8
    package static let mostEvents = 32

    package func wants(_ type: String) -> Bool {
        state == .enabled
            && events.contains { pattern in
                pattern == "*" || pattern == type || (pattern.hasSuffix(".*") && type.hasPrefix(pattern.dropLast(1)))
            }
    }
}

/// One thing that happened, as it goes to every endpoint that wants it.
package struct WebhookMessage: Sendable, Hashable {
    package typealias ID = Identifier<WebhookMessage>
    package let id: ID
    package let type: String
    /// `license:018f…`: whose sequence it counts.
    package let object: String
    package let at: Timestamp
    package let data: JSONValue

    /// As it is sent and signed.
    func body(sequence: Int64) throws -> String {
        let whole: JSONValue = [
            "type": .string(type), "timestamp": .string(at.iso8601), "object": .string(object), "sequence": .int(sequence), "data": data,
        ]
        return String(decoding: try CanonicalText.encode(whole), as: UTF8.self)
    }
    /// In the header `webhook-id`; the same on every attempt, so that receivers know a repetition.
    static func name(_ id: ID) -> String { "msg_\(id.description)" }
    static func id(_ name: String) -> ID? { name.hasPrefix("msg_") ? ID(String(name.dropFirst(4))) : nil }
}

/// Sorted keys, so that one message has one text.
enum CanonicalText {
    static func encode(_ value: JSONValue) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }
}

/// One message to one endpoint.
package struct MessageDelivery: Sendable, Hashable {
    package enum State: String, Sendable, CaseIterable { case pending, delivered, failed }
    package let message: WebhookMessage.ID
    package let type: String
    package let state: State
    package let attempts: Int
    package let nextAt: Timestamp?
    package let createdAt: Timestamp
}

package struct WebhookAttempt: Sendable, Hashable {
    package let number: Int
    package let at: Timestamp
    package let milliseconds: Int
    package let status: Int?
    /// The beginning of what the endpoint answered.
    package let answer: String?
    package let failure: String?
}

/// What came of one request.
package struct WebhookOutcome: Sendable, Hashable {
    package enum Result: Sendable, Hashable {
        case answered(status: Int, retryAfterSeconds: Int64?, text: String)
        /// No answer: refused address, no connection, time-out, a broken answer.
        case failed(String)
    }
    package let result: Result
    package let milliseconds: Int
    package init(_ result: Result, milliseconds: Int) {
        self.result = result
        self.milliseconds = milliseconds
    }
}

/// Carries one request out. Follows no redirect, connects to no address that `PublicAddress` refuses, and to the very address that it looked at.
package protocol WebhookTransport: Sendable {
    func send(url: String, headers: [(String, String)], body: [UInt8], timeout: Duration) async -> WebhookOutcome
}
