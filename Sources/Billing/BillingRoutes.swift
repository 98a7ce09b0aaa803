import Catalog
import Foundation
import HTTPEdge
import Store
import Vocabulary

extension Billing {
    package func routes() -> [Route] {
        [checkoutRoute, portalRoute, subscriptionRoute, invoicesRoute, webhookRoute] + subscriptionRoutes() + staffRoutes()
            + contractRoutes() + [correctionsRoute]
    }

    private var checkoutRoute: Route {
        Route(
            .post, "/api/v1/billing/checkout", name: "billing.checkout", summary: "Opens a checkout on the payment provider's page.",
            access: .permission(BillingPermissions.write), request: BillingSchemas.checkout,
            answers: [RouteAnswer(200, "Where to pay", BillingSchemas.session)],
            problems: [
                CatalogProblems.unknownTier, BillingProblems.tierIsFree, BillingProblems.tierByContract, BillingProblems.tierNotOffered,
                BillingProblems.noSuchPrice, BillingProblems.quantityTooLarge, BillingProblems.cardNumberRefused,
                BillingProblems.providerUnknown, BillingProblems.providerUnavailable, BillingProblems.providerRefused,
                BillingProblems.providerUnreachable, CommonProblems.idempotencyKeyReused, CommonProblems.notFound,
                BillingProblems.stateWrong.with(["status": "cancelled"]), BillingProblems.moveNowhere, BillingProblems.moveChanges,
                BillingProblems.downgradeWaits, BillingProblems.quantityWishWaits,
                BillingProblems.providerCannot.with(["capability": "trials"]),
                BillingProblems.couponNotSupported, BillingProblems.couponInvalid.with(["reason": "unknown"]),
            ], creates: true,
            aliases: [
                "/api/v1/billing/checkout/session", "/api/v1/checkout/session", "/api/v1/stripe/create-checkout",
                "/api/stripe/create-checkout",
            ]
        ) { call in
            let caller = try call.caller()
            let order = try call.decode(CheckoutBody.self).order
            return try Reply.json(try await self.checkout(order, tenant: caller.tenant, origin: call.origin, call.act))
        }
    }

    private var portalRoute: Route {
        Route(
            .post, "/api/v1/billing/portal", name: "billing.portal",
            summary: "Opens the provider's page to change card, plan or to cancel.",
            access: .permission(BillingPermissions.write),
            answers: [RouteAnswer(200, "Where to go", .object([SchemaField("url", .string(max: 4_096, format: .uri))]))],
            problems: [
                BillingProblems.nothingBought, BillingProblems.providerUnknown, BillingProblems.providerUnavailable,
                BillingProblems.providerRefused, BillingProblems.providerUnreachable,
            ]
        ) { call in
            let caller = try call.caller()
            return try Reply.json(
                PortalWire(url: try await self.portal(provider: nil, tenant: caller.tenant, origin: call.origin, call.act)))
        }
    }

    private var subscriptionRoute: Route {
        Route(
            .get, "/api/v1/billing/subscription", name: "billing.subscription",
            summary: "What the tenant has bought and where it stands now.",
            access: .permission(BillingPermissions.read),
            answers: [RouteAnswer(200, "The subscription that counts most, and all of them", BillingSchemas.subscriptions)]
        ) { call in
            let views = try await self.subscriptions(of: try call.caller().tenant, now: call.act.now)
            return .json(value: ["subscription": Billing.main(views)?.json ?? .null, "subscriptions": .array(views.map(\.json))])
        }
    }

    private var invoicesRoute: Route {
        Route(
            .get, "/api/v1/billing/invoices", name: "billing.invoices", summary: "Invoices of the payment providers, newest first.",
            access: .permission(BillingPermissions.read),
            query: QueryField.paging, answers: [RouteAnswer(200, "One page", BillingSchemas.invoices)]
        ) { call in
            let wanted = try call.page()
            let listing = try await self.invoices(
                of: try call.caller().tenant, after: try PageCursor.wanted(wanted.after), limit: wanted.limit)
            return call.reply(Page(listing.items, next: listing.next?.text), named: "invoices", \.json)
        }
    }

    private var webhookRoute: Route {
        Route(
            .post, "/webhooks/{provider}", name: "billing.webhook",
            summary: "Takes an event of a payment provider; the signature proves it.",
            access: .proof, limit: .webhook,
            answers: [
                RouteAnswer(200, "Stored; a repetition answers the same", .object([SchemaField("received", .boolean, "Always true")]))
            ],
            problems: [
                BillingProblems.providerUnknown, BillingProblems.providerUnavailable, BillingProblems.webhookForged,
                BillingProblems.webhookStale, BillingProblems.webhookMalformed,
            ], maxBodyBytes: parts.settings[BillingSettings.webhookBodyBytes], aliases: ["/api/v1/webhooks/{provider}"]
        ) { call in
            guard let name = call.parameters["provider"], (1...64).contains(name.utf8.count) else { throw BillingProblems.providerUnknown }
            let delivery = WebhookDelivery(headers: call.headers, body: call.body, receivedAt: call.act.now)
            try await self.receive(delivery, provider: name, call.act)
            return try Reply.json(WebhookWire())
        }
    }
}

enum BillingSchemas {
    private static let interval = Schema.choice(BillingInterval.allCases.map(\.rawValue))
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let units = Schema.integer(0...1_000_000)

    static let checkout = Schema.object([
        SchemaField("tier", .string(min: 1, max: 64), "Name of a tier; with interval, or else price_id", optional: true),
        SchemaField("interval", interval, "How often to pay", optional: true),
        SchemaField("quantity", .integer(1...10_000), "Units; 1 if absent", optional: true),
        SchemaField("provider", .string(min: 1, max: 64), "Name of a payment provider; the default if absent", optional: true),
        SchemaField(
            "replaces", .string(max: 36, format: .uuid),
            "A subscription at another provider that goes on at this one: its licence stays, nothing is paid twice", optional: true),
        SchemaField(
            "coupon", .string(min: 1, max: CheckoutCoupon.mostBytes),
            "A code that takes something off from the first invoice on, where the provider has coupons", optional: true),
        SchemaField(
            "price_id", .string(min: 1, max: 255), "The provider's own name of a price, instead of tier and interval", optional: true),
    ])
    static let session = Schema.object([
        SchemaField("session_id", .string(min: 1, max: 255), "The provider's id of the checkout"),
        SchemaField("url", .string(min: 1, max: 4_096, format: .uri), "Where to pay"),
    ])
    private static let coupon = Schema.object([
        SchemaField("code", .string(max: 255)), SchemaField("name", .nullable(.string(max: 200))),
        SchemaField("basis_points_off", .nullable(.integer(1...10_000)), "A hundredth of a percent; or else amount_off"),
        SchemaField("amount_off", .nullable(OperationSchemas.money), "Of each invoice"),
        SchemaField("months", .nullable(.integer(0...1_200)), "For how long; 0: the first invoice; null: for ever"),
    ])
    static let subscription = Schema.named(
        "Subscription",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("provider", .string(max: 64)),
            SchemaField("status", .choice(Standing.State.allCases.map(\.rawValue))),
            SchemaField("reason", .string(max: 64), "Why it has this status"),
            SchemaField("tier", .string(max: 64), "What is in force; empty while unknown"), SchemaField("interval", interval),
            SchemaField("quantity", units), SchemaField("seats", .nullable(.integer(0...Int64(Tier.mostSeats)))),
            SchemaField("period_end", .nullable(time), "End of what is paid for"),
            SchemaField("grace_until", .nullable(time), "Everything works until then, though a payment is open"),
            SchemaField("cancels_at", .nullable(time), "When it ends, or ended"), SchemaField("trial_ends_at", .nullable(time)),
            SchemaField(
                "change",
                .nullable(.object([SchemaField("tier", .string(max: 64)), SchemaField("quantity", units), SchemaField("at", time)])),
                "A downgrade that waits for the period's end"),
            SchemaField(
                "quantity_wish", .nullable(OperationSchemas.quantityWish),
                "A change of quantity that waits, is under way, or was refused within the last week"),
            SchemaField("coupon", .nullable(coupon), "The code that it was bought with"), SchemaField("created_at", time),
        ]))
    static let subscriptions = Schema.object([
        SchemaField("subscription", .nullable(subscription), "The one that counts most"),
        SchemaField("subscriptions", .array(subscription, max: 100), "Newest first"),
    ])
    static let invoice = Schema.named(
        "Invoice",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("provider", .string(max: 64)),
            SchemaField("number", .string(max: 255), "The provider's id"),
            SchemaField("status", .choice(InvoiceView.Status.allCases.map(\.rawValue))),
            SchemaField("amount", .nullable(OperationSchemas.money)), SchemaField("period_start", .nullable(time)),
            SchemaField("period_end", .nullable(time)), SchemaField("paid_at", .nullable(time)),
            SchemaField("next_attempt_at", .nullable(time)), SchemaField("issued_at", time),
        ]))
    static let invoices = Schema.page("invoices", of: invoice)
}
