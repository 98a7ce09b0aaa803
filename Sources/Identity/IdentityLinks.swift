import Store
import Vocabulary

/// The providers that sign a person in.
extension Federation {
    package struct Link: Sendable, Hashable {
        package let id: Identifier<IdentityLinkMark>
        package let label: String
        package let createdAt: Timestamp
        package let lastUsedAt: Timestamp
    }

    package func links(of user: UserID) async throws -> [Link] {
        try await store.kernelRead(KernelReason("identity.links")) { db in
            try db.rows(FederationTable.linksOf, user).map {
                Link(id: try $0.id(0), label: try $0.text(1), createdAt: try $0.time(2), lastUsedAt: try $0.time(3))
            }
        }
    }

    /// Refused for the only way in; throws `not_found` for anybody else's.
    package func unlink(_ id: Identifier<IdentityLinkMark>, of caller: Principal, _ act: Act) async throws {
        try await requireOwnProof(caller)
        try await store.kernel(KernelReason("identity.unlink")) { db in
            let hasPassword = try db.row(UserTable.credential, caller.user) != nil
            let count = try db.rows(FederationTable.linksOf, caller.user).count
            guard let row = try db.rows(FederationTable.dropLink, caller.user, id).first else { throw CommonProblems.notFound }
            guard hasPassword || count > 1 else { throw FederationProblems.lastWayIn }
            try identity.journal(
                "identity.unlinked", "user:\(caller.user)", .success, ["provider": .string(try row.text(0))], tenant: caller.tenant, in: db,
                act)
        }
    }
}
