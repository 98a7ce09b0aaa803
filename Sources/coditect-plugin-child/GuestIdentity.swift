import Foundation
import PluginKit
import PluginWire

extension Guest {
    private func identity() throws -> any IdentityProvider {
        guard let provider = try working().identityProvider else { throw NothingThere() }
        return provider
    }
    /// Every call of the kit's `IdentityProvider`.
    func addIdentity(_ desk: inout WireDesk) {
        desk.on(ToChild.beginIdentity) { [self] in try await identity().begin($0) }
        desk.on(ToChild.completeIdentity) { [self] in try await identity().complete($0) }
        desk.on(ToChild.inspectIdentity) { [self] in
            try await identity().inspect($0.connection, redirectAddress: $0.redirectAddress)
        }
        desk.on(ToChild.documentIdentity) { [self] in
            try await identity().document($0.connection, redirectAddress: $0.redirectAddress)
        }
        desk.on(ToChild.authenticate) { [self] in try await identity().authenticate($0) }
    }
}
