import Foundation
import PluginKit
import PluginWire

struct ConfinedKeys: KeyService {
    let plugin: ConfinedPlugin
    let algorithms: Set<SigningAlgorithm>
    let wrapsSecrets: Bool
    func makeKey(_ request: KeyRequest) async throws -> ServiceKey { try await plugin.call(ToChild.makeKey, request) }
    func readKey(_ name: String) async throws -> ServiceKey { try await plugin.call(ToChild.readKey, name) }
    func listKeys(prefix: String, after: String?) async throws -> [ServiceKey] {
        try await plugin.call(ToChild.listKeys, ToChild.KeyListing(prefix: prefix, after: after))
    }
    func sign(_ request: SigningRequest) async throws -> Data { try await plugin.call(ToChild.signWithKey, request) }
    func probe() async throws { _ = try await plugin.call(ToChild.probeKeys, Nothing()) }
    func makeWrappingKey(_ name: String) async throws { _ = try await plugin.call(ToChild.makeWrappingKey, name) }
    func wrap(_ request: WrappingRequest) async throws -> Data { try await plugin.call(ToChild.wrapSecret, request) }
    func unwrap(_ request: WrappingRequest) async throws -> Data { try await plugin.call(ToChild.unwrapSecret, request) }
}
