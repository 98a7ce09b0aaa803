import Billing
import Catalog
import Foundation
import HTTPEdge
import Store
import Vocabulary

/// Choose and pay, and on to the provider's own page afterwards.
extension Console {
    var planRoutes: [Route] {
        [
            plansForm, choosePlan, portal, withdrawQuantity,
            // Where a payment provider sends the browser back to.
            route(.get, "/billing/success", "paid", "Back from the payment provider, having paid.") { _ in .redirect(to: "/licence?paid=1")
            },
            route(.get, "/billing/cancelled", "not_paid", "Back from the payment provider, without having paid.") { _ in
                .redirect(to: "/plans")
            },
            route(.get, "/billing", "billing", "Back from the provider's own page.") { _ in .redirect(to: "/licence") },
        ]
    }

    private var plansForm: Route {
        route(.get, "/plans", "plans", "Choose a plan.") { call in
            let caller = try call.caller()
            guard try await may(BillingPermissions.write, caller, call) else {
                return try message("Plans", ["Only an owner of \(PlanWords.yourTenant) can choose and pay. Ask one of them."], call)
            }
            return try await plans(call, caller, chosen: call.query["tier"])
        }
    }

    private func plans(
        _ call: Call, _ caller: Principal, chosen: String?, sent: SentForm? = nil, problem: Problem? = nil
    ) async throws -> Reply {
        let held = Billing.main(try await services.billing.subscriptions(of: caller.tenant, now: call.act.now))
        let catalog = try await services.billing.catalog(of: caller.tenant, now: call.act.now)
        let current = held.flatMap { view in view.standing.state == .cancelled ? nil : catalog[view.standing.tier] }
        let buyable = catalog.offered.filter { !$0.isByContract && !$0.isFree }
        let selected = buyable.first { $0.id.name == chosen } ?? buyable.first { $0.id == current?.id } ?? buyable.first
        let plans = buyable.map { tier -> [String: Any] in
            [
                "id": tier.id.name, "name": tier.name, "price": PlanWords.price(tier),
                "summary": ((catalog.isAgreed(tier.id) ? ["As agreed with you"] : []) + PlanWords.points(tier) + [PlanWords.yearly(tier)])
                    .filter { !$0.isEmpty }.joined(separator: " · "),
                "isChosen": tier.id == selected?.id,
            ]
        }
        let intervals = [("month", "Every month"), ("year", "Every year")].map { interval in
            ["id": interval.0, "words": interval.1, "isChosen": interval.0 == (sent?["interval"] == "year" ? "year" : "month")]
                as [String: Any]
        }
        // The same form sent twice is one checkout; a form asked for again is another.
        let request: TenantID = entropy.id(call.act.now)
        var frame = frame("Choose a plan", call, problem: problem)
        frame.fields = [Self.quantity, Self.coupon]
        return try page(
            "plans", frame,
            [
                "plans": plans, "intervals": intervals,
                "quantity": [Self.quantity.shown(sent, problem).merging(sent == nil ? ["value": "1"] : [:]) { $1 }],
                "coupon": [Self.coupon.shown(sent, problem)], "request": request.description, "current": current?.name ?? false,
            ])
    }

    private static let quantity = FormField(
        name: "quantity", label: "Quantity", type: "number",
        hint: "How many of the plan. Where the price is for each user, the number of seats.", maxLength: 6)

    private static let coupon = FormField(
        name: "coupon", label: "Coupon code", hint: "Leave it empty if you have none.", maxLength: 64, isOptional: true)

    private var choosePlan: Route {
        route(.post, "/plans", "choose_plan", "On to the payment provider's page.", proof: RouteProof(isSensitive: true)) { call in
            let caller = try call.caller()
            let sent = try SentForm(call)
            do {
                try await authorizer.require(BillingPermissions.write, of: caller, act: call.act)
                guard let quantity = Int(sent["quantity"]), (1...100_000).contains(quantity) else {
                    throw CommonProblems.invalid("quantity", "is a whole number from 1 to 100000")
                }
                guard let interval = BillingInterval(rawValue: sent["interval"]) else {
                    throw CommonProblems.invalid("interval", "is month or year")
                }
                let order = CheckoutOrder(
                    tier: sent["tier"], interval: interval, priceID: nil, quantity: quantity, provider: nil, coupon: sent.optional("coupon")
                )
                let answer = try await services.billing.checkout(
                    order, tenant: caller.tenant, origin: call.origin, claimed(call, caller, sent))
                return .redirect(to: answer.url)
            } catch let problem as Problem where problem.status != 401 {
                return try await plans(call, caller, chosen: sent["tier"], sent: sent, problem: problem)
            }
        }
    }

    private var portal: Route {
        route(
            .post, "/billing/portal", "portal", "On to the provider's page for card, invoices and cancelling.",
            proof: RouteProof(isSensitive: true, back: "/licence")
        ) { call in
            let caller = try call.caller()
            try await authorizer.require(BillingPermissions.write, of: caller, act: call.act)
            return .redirect(to: try await services.billing.portal(provider: nil, tenant: caller.tenant, origin: call.origin, call.act))
        }
    }

    private var withdrawQuantity: Route {
        route(
            .post, "/billing/withdraw", "withdraw_quantity", "Takes back a change of quantity that waits.",
            proof: RouteProof(isSensitive: true, back: "/licence")
        ) { call in
            let caller = try call.caller()
            try await authorizer.require(BillingPermissions.write, of: caller, act: call.act)
            guard let subscription = SubscriptionID(try SentForm(call)["subscription"]) else { throw CommonProblems.notFound }
            do {
                _ = try await services.billing.withdrawQuantity(subscription, tenant: caller.tenant, call.act)
            } catch let problem as Problem
                where [BillingProblems.noQuantityWish, BillingProblems.operationOpen].map(\.code).contains(problem.code)
            {
                // It was carried out meanwhile: the page shows how it stands.
            }
            return .redirect(to: "/licence")
        }
    }

    /// The act with the form's own key, so that a double press opens one checkout.
    private func claimed(_ call: Call, _ caller: Principal, _ form: SentForm) -> Act {
        guard let request = TenantID(form["request"]) else { return call.act }
        let fingerprint = Array("\(form["tier"])|\(form["interval"])|\(form["quantity"])|\(form["coupon"])".utf8)
        let claim = IdempotencyClaim(key: request.description, scope: "pages.choose_plan:\(caller.user)", fingerprint: fingerprint)
        return Act(actor: call.act.actor, requestID: call.act.requestID, now: call.act.now, address: call.act.address, idempotency: claim)
    }
}

/// A tier in words.
enum PlanWords {
    static let yourTenant = "your organization"

    static func price(_ tier: Tier) -> String {
        guard !tier.isByContract else { return "By contract" }
        guard let money = tier.prices[.month] ?? tier.prices[.year] else { return "By contract" }
        if money.amountMinor == 0 { return "Free" }
        let interval = tier.prices[.month] == nil ? "year" : "month"
        return "\(money.display) / \(tier.unit.map { "\($0) and " } ?? "")\(interval)"
    }
    static func yearly(_ tier: Tier) -> String {
        guard let money = tier.prices[.year], money.amountMinor > 0, tier.prices[.month] != nil else {
            return tier.isInvoiced ? "By invoice" : ""
        }
        return "or \(money.display) a year"
    }
    static func points(_ tier: Tier) -> [String] {
        let seats = tier.seats(quantity: 1)
        var points = [seats == 1 ? "1 seat" + (tier.unit == nil ? "" : " per \(tier.unit ?? "")") : "\(seats) seats"]
        switch tier.devices(quantity: 1) {
        case nil: points.append("Devices without limit")
        case 1: points.append("1 device")
        case let count?: points.append("\(count) devices")
        }
        if tier.trialDays > 0 { points.append("\(tier.trialDays) days to try") }
        return points
    }
}
