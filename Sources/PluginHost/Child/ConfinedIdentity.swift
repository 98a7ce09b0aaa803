import Foundation
import PluginKit
import PluginWire

/// The identity provider of a plugin in a child process.
struct ConfinedIdentity: IdentityProvider {
    let plugin: ConfinedPlugin
    /// As the plugin said when it was made: constant while it runs.
    let profile: IdentityDescription

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture { try await plugin.call(ToChild.beginIdentity, beginning) }
    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion { try await plugin.call(ToChild.completeIdentity, arrival) }
    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        try await plugin.call(ToChild.inspectIdentity, ToChild.Inspection(connection: connection, redirectAddress: redirectAddress))
    }
    func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument {
        try await plugin.call(ToChild.documentIdentity, ToChild.Inspection(connection: connection, redirectAddress: redirectAddress))
    }
    func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion {
        try await plugin.call(ToChild.authenticate, attempt)
    }
}
