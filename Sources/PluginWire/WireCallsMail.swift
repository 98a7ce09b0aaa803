import Foundation
import PluginKit

extension ToChild {
    /// For a notification channel.
    package static let sendMail = WireCall<OutgoingMail, [MailResult]>(80)
    package static let readReports = WireCall<WebhookDelivery, [MailReport]>(81)
}

/// A plugin's connections: the child knows each by a number.
extension ToHost {
    package struct Reading: Codable, Sendable {
        package var stream: UInt64
        package var max: Int
        package init(stream: UInt64, max: Int) {
            self.stream = stream
            self.max = max
        }
    }
    package struct Writing: Codable, Sendable {
        package var stream: UInt64
        package var data: Data
        package init(stream: UInt64, data: Data) {
            self.stream = stream
            self.data = data
        }
    }

    package static let streamConnect = WireCall<StreamTarget, UInt64>(140)
    package static let streamRead = WireCall<Reading, Data>(141)
    package static let streamWrite = WireCall<Writing, Nothing>(142)
    package static let streamTLS = WireCall<UInt64, Nothing>(143)
    package static let streamClose = WireNote<UInt64>(144)
    package static let verifyBytes = WireCall<SignedBytes, Nothing>(145)
}
