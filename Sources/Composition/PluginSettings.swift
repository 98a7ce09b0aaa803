import Foundation
import PluginHost
import Signing
import Vocabulary

/// What the platform itself wants of plugins, whatever they are.
package enum PluginPlatformSettings {
    package static let trustedPublishers = Setting<[String]>(
        "plugins.trusted_publishers", default: [], range: "name=key, the key in Base64 as openssl pkey -pubout writes it",
        accepts: { $0.count <= 100 && $0.allSatisfy { PluginPublishers.entry($0) != nil } },
        reason: "Whose Ed25519 signatures in plugin.sig count. None: no signature does.")
    package static let requireSigned = Setting(
        "plugins.require_signed", default: false, range: "true or false", accepts: { _ in true },
        reason: "Refuses every plugin that none of the trusted publishers signed. Off: the folder's rights are the guard.")
    package static let canaryFailures = Setting(
        "plugins.canary_failures", default: 3, in: 1...10_000,
        reason: "A new version beside the old is judged once so many of its calls failed; a refusal by the provider is no failure.")
    package static let canaryExcess = Setting(
        "plugins.canary_excess_basis_points", default: 500, in: 0...10_000,
        reason: "It is taken back when it fails in so many more of ten thousand calls than the old one in the same time: "
            + "a provider that is down fails both.")
    package static let all: [AnySetting] = [trustedPublishers.erased, requireSigned.erased, canaryFailures.erased, canaryExcess.erased]
}

/// Whom the operator trusts to publish plugins.
struct PluginPublishers: Sendable {
    private let keys: [(name: String, key: PublisherKey)]

    init(_ entries: [String]) { keys = entries.compactMap(Self.entry) }

    /// `acme=MCowBQYDK2VwAyEA…`
    static func entry(_ text: String) -> (name: String, key: PublisherKey)? {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, (1...60).contains(parts[0].utf8.count), parts[0].utf8.allSatisfy({ $0 > 32 && $0 < 127 }),
            let key = PublisherKey(base64: parts[1])
        else { return nil }
        return (parts[0], key)
    }

    func publisher(of message: Data, signature: Data) -> String? {
        keys.first { $0.key.verifies([UInt8](message), [UInt8](signature)) }?.name
    }
}

extension CanaryLimits {
    init(_ settings: Settings) {
        self.init(
            failures: settings[PluginPlatformSettings.canaryFailures],
            excessBasisPoints: settings[PluginPlatformSettings.canaryExcess])
    }
}
