import Billing
import Offboarding
import Tenancy
import Vocabulary

/// What a tenant has bought, as Offboarding asks for it.
struct LeavingDesk: LeavingContract {
    let billing: Billing
    /// How long a pause lasts that a tenant takes in place of leaving.
    private static let pause = Duration.days(90)

    func standing(_ tenant: TenantID, now: Timestamp) async throws -> ContractStanding {
        let all = try await billing.subscriptions(of: tenant, now: now)
        let main = Billing.main(all)
        let entitles = all.contains { [.active, .grace, .pending].contains($0.standing.state) }
        let isPaid = main.map { $0.standing.state == .active || $0.standing.state == .grace } ?? false
        let since = try await billing.customerSince(tenant)
        return ContractStanding(
            tier: main?.standing.tier, paidUntil: isPaid ? main?.standing.periodEnd : nil,
            ageDays: since.map { max(0, Int((now - $0).wholeSeconds / 86_400)) } ?? 0, isLapsed: !all.isEmpty && !entitles)
    }

    /// A pause is the provider's to make; a discount and a downgrade are agreed with a person.
    func take(_ offer: LeavingTenant.Offer, _ tenant: TenantID, _ act: Act) async throws -> Bool {
        guard offer.kind == "pause" else { return false }
        do { _ = try await billing.pause(nil, until: act.now + Self.pause, tenant: tenant, act) } catch is Problem { return false }
        return true
    }
}
