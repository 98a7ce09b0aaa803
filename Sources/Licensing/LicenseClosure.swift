import Foundation
import Store
import Tenancy
import Vocabulary

extension Licenses {
    private static let closing = KernelReason("licensing.close")

    /// Licences of a tenant that leaves are suspended, whatever billing says meanwhile; if it comes back, each is what billing said last.
    package var closure: RoomClosure {
        RoomClosure(
            "licensing", store: store,
            rows: [
                TenantRows("activation_part_all", by: "digest"), TenantRows("activation_all", by: "device"),
                TenantRows("license_key_directory", by: "digest"), TenantRows("license_all", by: "license_id"),
                TenantRows("license_standing_all", by: "subscription_id"), TenantRows("license_closure_all", by: "tenant_id"),
            ],
            revoking: { [self] tenant, act in
                try await store.tenant(tenant, .flushed) { db in
                    if try db.row(LicenseTable.closed) == nil { try db.run(LicenseTable.close, tenant, act.now) }
                    for license in try licenses(in: db) where license.terms.standing == .active || license.terms.standing == .grace {
                        var terms = license.terms
                        terms.standing = .suspended
                        try write(license, terms: terms, details: ["reason": "tenant_leaving"], in: db, act)
                    }
                }
            },
            restoring: { [self] tenant, act in
                try await store.tenant(tenant, .flushed) { db in
                    guard try db.row(LicenseTable.closed) != nil else { return }
                    try db.run(LicenseTable.reopen)
                    for license in try licenses(in: db) { try restore(license, in: db, act) }
                }
            })
    }

    private func restore(_ license: License, in db: any TenantScope, _ act: Act) throws {
        guard license.terms.revokedAt == nil, license.terms.standing == .suspended else { return }
        var terms = license.terms
        switch license.origin {
        case .free: terms.standing = .active
        case .subscription(let id):
            guard let row = try db.row(LicenseTable.standing, id) else { return }
            terms = try JSONCoding.decode(StandingChanged.Snapshot.self, Data(try row.text(2).utf8)).terms
            terms.heldAt = license.terms.heldAt
        }
        guard terms.standing != .suspended else { return }
        try write(license, terms: terms, details: ["reason": "tenant_reactivated"], in: db, act)
    }
}
