import Billing
import Licensing
import Seats
import Vocabulary

/// Licences and seats, as Billing asks for them.
struct BillingAccess: LiveAccess {
    let licenses: Licenses
    let ledger: any LeaseLedger

    func seatsUsed(_ tenant: TenantID, now: Timestamp) async throws -> Int {
        let nobody = licenses.device("", tenant: tenant)
        return try await ledger.survey(tenant, device: nobody, user: nil, now: now).standings.map(\.live).reduce(0, +)
    }

    func licenses(_ tenant: TenantID) async throws -> [SubscriptionID: ShownLicense] {
        var shown: [SubscriptionID: ShownLicense] = [:]
        var after: License.ID?
        repeat {
            let page = try await licenses.list(tenant, after: after)
            for license in page.licenses {
                guard case .subscription(let id) = license.origin else { continue }
                shown[id] = ShownLicense(
                    version: license.version, standing: license.terms.standing, tier: license.tier, quantity: license.quantity,
                    periodEnd: license.terms.periodEnd, isRevoked: license.terms.revokedAt != nil)
            }
            after = page.next
        } while after != nil
        return shown
    }

    func paid(after place: PaidLicense?, limit: Int) async throws -> [PaidLicense] {
        try await licenses.paid(after: place.map { ($0.tenant, License.ID($0.license)) }, limit: limit).map {
            PaidLicense(tenant: $0.tenant, license: $0.license.uuid, subscription: $0.subscription)
        }
    }
}
