import Store
import Vocabulary

extension Tenancy {
    /// The last to go: who belonged to the tenant, and its name. Its id stays, so that nothing ever takes it again.
    package var closure: RoomClosure {
        RoomClosure(
            "tenancy", store: store,
            rows: [
                TenantRows("address_rule_all", by: "tenant_id"), TenantRows("team_member_all", by: "membership_id"),
                TenantRows("team_all", by: "team_id"),
                TenantRows("membership_all", by: "membership_id"), TenantRows("member_directory", by: "user_id"),
            ],
            clearing: { [self] tenant, act in
                defer { standings.forgetAll() }
                let name = try sealer.seal([], context: Self.nameContext(tenant))
                try await store.kernel(Self.purging, .flushed) { db in try db.run(TenantTable.blank, tenant, name, act.now) }
                return [
                    ClosureRemainder(
                        what: "the organisation's id and region, marked as purged", why: "so that no other organisation ever gets this id",
                        until: nil)
                ]
            })
    }
    private static let purging = KernelReason("tenancy.blank_tenant")

    /// Everybody who ever was a member.
    package func everybody(of tenant: TenantID) async throws -> [UserID] {
        try await store.tenantRead(tenant) { db in try db.rows(TenantTable.members).map { try $0.id(1) } }
    }
    /// The tenants that the user belongs or belonged to.
    package func routes(of user: UserID, in db: any KernelScope) throws -> [TenantID] {
        try db.rows(TenantTable.tenantsOf, user).map { try $0.id(0) }
    }
    /// The address leads to nobody any more.
    package func forgetMail(of user: UserID, in db: any KernelScope, _ act: Act) throws {
        try claims?.release(user, in: db, act)
        try db.run(TenantTable.unrouteMail, user)
        try db.run(TenantTable.unrouteUser, user)
    }
}
