import Foundation
import PluginKit

// For a key service.
extension ToChild {
    package struct KeyListing: Codable, Sendable, Hashable {
        package var prefix: String
        package var after: String?
        package init(prefix: String, after: String?) {
            self.prefix = prefix
            self.after = after
        }
    }
    package static let makeKey = WireCall<KeyRequest, ServiceKey>(50)
    package static let readKey = WireCall<String, ServiceKey>(51)
    package static let listKeys = WireCall<KeyListing, [ServiceKey]>(52)
    package static let signWithKey = WireCall<SigningRequest, Data>(53)
    package static let probeKeys = WireCall<Nothing, Nothing>(54)
    package static let makeWrappingKey = WireCall<String, Nothing>(55)
    package static let wrapSecret = WireCall<WrappingRequest, Data>(56)
    package static let unwrapSecret = WireCall<WrappingRequest, Data>(57)
}
