import Billing
import Offboarding
import Store
import Tenancy
import Vocabulary

/// What a tenant has bought, as Offboarding asks for it.
struct LeavingDesk: LeavingContract {
    let billing: Billing
    /// What is said of a subscription, as it is said of leaving.
    private static let reasons: [String: LeavingTenant.Reason] = [
        "too_expensive": .price, "missing_features": .missingFeature, "unused": .noNeed, "quality": .quality,
    ]
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
            ageDays: since.map { max(0, Int((now - $0).wholeSeconds / 86_400)) } ?? 0, isLapsed: !all.isEmpty && !entitles,
            isBound: try await billing.contracts.isBound(tenant, from: now))
    }

    func outlook(in db: any TenantScope, now: Timestamp) throws -> ContractOutlook {
        switch try billing.outlook(in: db, now: now) {
        case .nothing: return .nothing
        case .goesOn: return .goesOn
        case .waits: return .waits
        case .ends(let end):
            if try billing.contracts.isBound(in: db, from: max(end.at, now)) { return .isBound }
            return .ends(
                ContractEnding(
                    subscription: end.subscription, version: end.version, at: end.at, isUnpaid: end.isUnpaid,
                    reason: end.reason.flatMap { Self.reasons[$0] } ?? .other))
        }
    }

    /// A pause is the provider's to make; a discount and a downgrade are agreed with a person.
    func take(_ offer: LeavingTenant.Offer, _ tenant: TenantID, _ act: Act) async throws -> Bool {
        guard offer.kind == "pause" else { return false }
        // The caller's key stands for the answer, not for one of the two things that it lets happen.
        let own = Act(actor: act.actor, requestID: act.requestID, now: act.now, address: act.address)
        do {
            // One that is cancelled goes on before it can pause.
            let main = Billing.main(try await billing.subscriptions(of: tenant, now: act.now))
            if main?.standing.cancelsAt != nil { _ = try await billing.resume(nil, tenant: tenant, own) }
        } catch is Problem { return false }
        do { _ = try await billing.pause(nil, until: act.now + Self.pause, tenant: tenant, act) } catch is Problem { return false }
        return true
    }
}
