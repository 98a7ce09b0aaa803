import Catalog
import Licensing
import Store
import Usage
import Vocabulary

/// A tenant's tier as its licences say, under the contract that it has.
struct TiersInForce: UsageTerms {
    let store: any Store
    let licenses: Licenses
    let catalog: Catalog
    func tier(of tenant: TenantID, now: Timestamp) async throws -> Tier? {
        guard let name = try await licenses.tier(of: tenant, now: now) else { return nil }
        return try await store.tenantRead(tenant) { [catalog] db in try catalog.inForce(in: db, at: now)[name] }
    }
}
