import Billing
import Catalog
import Foundation
import HTTPEdge
import Store
import Vocabulary

/// Choose and pay.
extension Console {
    var planRoutes: [Route] { [plansForm, choosePlan] }

    private var plansForm: Route {
        route(.get, "/plans", "plans", "Choose a plan.") { call in
            _ = try call.caller()
            return try await plans(call, chosen: call.query["tier"], quantity: "1", problem: nil)
        }
    }

    private func plans(_ call: Call, chosen: String?, quantity: String, problem: Problem?) async throws -> Reply {
        let caller = try call.caller()
        let held = Billing.main(try await services.billing.subscriptions(of: caller.tenant, now: call.act.now))
        let current = held.flatMap { view in
            view.standing.state == .cancelled ? nil : services.catalog.current[view.standing.tier]?.name
        }
        let buyable = services.catalog.current.offered.filter { !$0.isByContract && !$0.isFree }
        let plans = buyable.enumerated().map { index, tier -> [String: Any] in
            [
                "id": tier.id.name, "name": tier.name, "price": PlanWords.price(tier),
                "summary": (PlanWords.points(tier) + [PlanWords.yearly(tier)]).filter { !$0.isEmpty }.joined(separator: " · "),
                "isChosen": chosen.map { $0 == tier.id.name } ?? (index == 0),
            ]
        }
        // The same form sent twice is one checkout; a form asked for again is another.
        let request: TenantID = entropy.id(call.act.now)
        return try page(
            "plans", frame("Choose a plan", call, problem: problem), call,
            ["plans": plans, "quantity": quantity, "request": request.description, "current": current ?? false])
    }

    private var choosePlan: Route {
        route(.post, "/plans", "choose_plan", "On to the payment provider's page.") { call in
            let caller = try call.caller()
            let form = try SentForm(call)
            do {
                try await authorizer.require(BillingPermissions.write, of: caller, act: call.act)
                guard let quantity = Int(form["quantity"]), quantity >= 1 else { throw CommonProblems.invalid("quantity", "is a whole number from 1") }
                guard let interval = BillingInterval(rawValue: form["interval"]) else { throw CommonProblems.invalid("interval", "is month or year") }
                let order = CheckoutOrder(tier: form["tier"], interval: interval, priceID: nil, quantity: quantity, provider: nil)
                let answer = try await services.billing.checkout(order, tenant: caller.tenant, origin: call.origin, claimed(call, caller, form))
                return .redirect(to: answer.url)
            } catch let problem as Problem where problem.status != 401 {
                return try await plans(call, chosen: form["tier"], quantity: form["quantity"], problem: problem)
            }
        }
    }

    /// The act with the form's own key, so that a double press opens one checkout.
    private func claimed(_ call: Call, _ caller: Principal, _ form: SentForm) -> Act {
        guard let request = TenantID(form["request"]) else { return call.act }
        let fingerprint = Array("\(form["tier"])|\(form["interval"])|\(form["quantity"])".utf8)
        let claim = IdempotencyClaim(key: request.description, scope: "pages.choose_plan:\(caller.user)", fingerprint: fingerprint)
        return Act(actor: call.act.actor, requestID: call.act.requestID, now: call.act.now, address: call.act.address, idempotency: claim)
    }
}
