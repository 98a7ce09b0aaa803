import HTTPEdge
import Vocabulary

/// Decides permissions for the edge.
package struct AccessAuthorizer: Authorizer {
    private let access: Access
    package init(_ access: Access) { self.access = access }

    package func require(_ permission: Permission, of principal: Principal, act: Act) async throws {
        try await access.require(permission, of: principal, act)
    }
}
