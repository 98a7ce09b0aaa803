import Catalog
import HTTPEdge
import Vocabulary

/// Change, cancel, resume and pause from this side; what is under way; one invoice.
extension Billing {
    func subscriptionRoutes() -> [Route] {
        [
            previewRoute, changeRoute, withdrawRoute, cancelRoute, resumeRoute, pauseRoute, operationsRoute, operationRoute, invoiceRoute,
            invoicePDFRoute,
        ]
    }

    private static let path = "/api/v1/billing/subscription"
    private static let asked = [
        BillingProblems.nothingBought, BillingProblems.stateWrong.with(["status": "cancelled"]),
        BillingProblems.providerCannot.with(["capability": "pause"]), BillingProblems.providerUnknown, BillingProblems.providerUnavailable,
        BillingProblems.providerRefused, BillingProblems.providerUnreachable, CommonProblems.notFound,
    ]
    private static let written = [
        BillingProblems.operationOpen.with(["operation_id": "018f…"]), CommonProblems.idempotencyKeyReused,
    ]
    private static let changing = [
        CatalogProblems.unknownTier, BillingProblems.tierIsFree, BillingProblems.tierByContract, BillingProblems.tierNotOffered,
        BillingProblems.noSuchPrice, BillingProblems.quantityTooLarge, BillingProblems.cardNumberRefused, BillingProblems.nothingChanges,
        BillingProblems.intervalShortens, BillingProblems.downgradeWaits, BillingProblems.previewOver, CommonProblems.policyDenied,
    ]
    private static let outcomes = [
        RouteAnswer(200, "Done, and where the subscription stands", OperationSchemas.answer),
        RouteAnswer(202, "Asked for; nobody knows yet whether it was done, and a job finds out", OperationSchemas.answer),
    ]

    private var previewRoute: Route {
        Route(
            .post, "\(Self.path)/preview", name: "billing.subscription.preview",
            summary: "What another tier, interval or quantity would cost, and from when on it would hold. Changes nothing.",
            access: .permission(BillingPermissions.write), request: .object(OperationSchemas.wanted),
            answers: [RouteAnswer(200, "The money, before anybody agreed to it", OperationSchemas.quote)],
            problems: Self.asked + Self.changing
        ) { call in
            let quote = try await self.previewChange(try call.decode(ChangeBody.self).order(), try call.caller(), call.act)
            return .json(value: quote.json)
        }
    }

    private var changeRoute: Route {
        Route(
            .post, "\(Self.path)/change", name: "billing.subscription.change",
            summary:
                "Moves to another tier, interval or quantity: more at once, less at the period's end. Changes of the quantity alone are gathered for a moment, and the provider is asked once.",
            access: .permission(BillingPermissions.write),
            request: .object(OperationSchemas.wanted + OperationSchemas.agreed + [OperationSchemas.apply]),
            answers: [
                RouteAnswer(200, "Done, or taken back before anybody was asked", OperationSchemas.changed),
                RouteAnswer(
                    202, "Waits to be asked for, as quantity_wish says; or asked for, and nobody knows yet whether it was done",
                    OperationSchemas.changed),
            ],
            problems: Self.asked + Self.changing + Self.written + [
                BillingProblems.amountChanged.with(["due_now": ["amount_minor": 900, "currency": "USD"]])
            ], creates: true
        ) { call in
            let body = try call.decode(ChangeBody.self)
            return try await self.change(try body.order(), apply: body.apply, try call.caller(), call.act).reply
        }
    }

    private var withdrawRoute: Route {
        Route(
            .post, "\(Self.path)/withdraw", name: "billing.subscription.withdraw",
            summary: "Takes back a change of quantity that waits to be carried out; the provider hears of nothing.",
            access: .permission(BillingPermissions.write),
            request: .object([
                SchemaField(
                    "subscription_id", .string(max: 36, format: .uuid), "The one whose quantity was wished for last if absent",
                    optional: true)
            ]), answers: [RouteAnswer(200, "Where the subscription stands", OperationSchemas.changed)],
            problems: [
                BillingProblems.noQuantityWish, BillingProblems.operationOpen.with(["operation_id": "018f…"]), CommonProblems.notFound,
                CommonProblems.idempotencyKeyReused,
            ], creates: true
        ) { call in
            let id = try call.decode(CancelBody.self).subscription
            let view = try await self.withdrawQuantity(id, tenant: try call.caller().tenant, call.act)
            return .json(value: ["operation": .null, "subscription": view?.json ?? .null])
        }
    }

    private var cancelRoute: Route {
        Route(
            .post, "\(Self.path)/cancel", name: "billing.subscription.cancel",
            summary: "Ends the subscription with the paid period, or stops it now; what is paid for stays usable.",
            access: .permission(BillingPermissions.write),
            request: .object([
                OperationSchemas.subscription,
                SchemaField(
                    "when", .choice(SubscriptionCancellation.When.allCases.map(\.rawValue)), "period_end if absent", optional: true),
                SchemaField("reason", .choice(CancelBody.reasons), "Why, for the journal", optional: true),
            ]), answers: Self.outcomes, problems: Self.asked + Self.written, creates: true
        ) { call in
            let body = try call.decode(CancelBody.self)
            return try await self.cancel(
                body.subscription, body.when ?? .periodEnd, reason: body.reason, tenant: try call.caller().tenant, call.act
            ).reply
        }
    }

    private var resumeRoute: Route {
        Route(
            .post, "\(Self.path)/resume", name: "billing.subscription.resume",
            summary: "Takes back a cancellation that waits for the period's end, or ends a pause.",
            access: .permission(BillingPermissions.write), request: .object([OperationSchemas.subscription]), answers: Self.outcomes,
            problems: Self.asked + Self.written, creates: true
        ) { call in
            try await self.resume(
                try call.decode(CancelBody.self).subscription, tenant: try call.caller().tenant, call.act
            ).reply
        }
    }

    private var pauseRoute: Route {
        Route(
            .post, "\(Self.path)/pause", name: "billing.subscription.pause",
            summary: "Pauses the subscription where the provider can: nothing is collected and nothing may be used until it is resumed.",
            access: .permission(BillingPermissions.write),
            request: .object([
                OperationSchemas.subscription,
                SchemaField("resumes_at", OperationSchemas.time, "Until somebody resumes it, if absent", optional: true),
            ]), answers: Self.outcomes, problems: Self.asked + Self.written, creates: true
        ) { call in
            let body = try call.decode(PauseBody.self)
            return try await self.pause(body.subscription, until: body.resumesAt, tenant: try call.caller().tenant, call.act).reply
        }
    }

    private var operationsRoute: Route {
        Route(
            .get, "/api/v1/billing/operations", name: "billing.operations", summary: "What providers were asked to do, newest first.",
            access: .permission(BillingPermissions.read), query: QueryField.paging,
            answers: [RouteAnswer(200, "One page", .page("operations", of: OperationSchemas.operation))]
        ) { call in
            let wanted = try call.page()
            let listing = try await self.operations(
                of: try call.caller().tenant, after: try PageCursor.wanted(wanted.after), limit: wanted.limit)
            return call.reply(Page(listing.items, next: listing.next?.text), named: "operations", \.json)
        }
    }

    private var operationRoute: Route {
        Route(
            .get, "/api/v1/billing/operations/{id}", name: "billing.operation",
            summary: "What became of something that a provider was asked.",
            access: .permission(BillingPermissions.read), answers: [RouteAnswer(200, "The operation", OperationSchemas.operation)],
            problems: [CommonProblems.notFound]
        ) { call in .json(value: try await self.operation(try call.id("id"), of: try call.caller().tenant).json) }
    }

    private var invoiceRoute: Route {
        Route(
            .get, "/api/v1/billing/invoices/{id}", name: "billing.invoice",
            summary: "One invoice, with the lines of the provider's document where it shows one.",
            access: .permission(BillingPermissions.read),
            answers: [
                RouteAnswer(
                    200, "The invoice",
                    .object([
                        SchemaField("invoice", BillingSchemas.invoice),
                        SchemaField("document_source", .choice(InvoiceDetail.Source.allCases.map(\.rawValue))),
                        SchemaField("document", .nullable(OperationSchemas.document)),
                    ]))
            ], problems: [CommonProblems.notFound]
        ) { call in
            let detail = try await self.invoice(try call.id("id"), of: try call.caller().tenant)
            return .json(value: [
                "invoice": detail.invoice.json, "document_source": .string(detail.source.rawValue),
                "document": detail.document?.json ?? .null,
            ])
        }
    }

    private var invoicePDFRoute: Route {
        Route(
            .get, "/api/v1/billing/invoices/{id}/pdf", name: "billing.invoice_pdf",
            summary: "Where the invoice's PDF is read just now. The address may run out: ask anew for each person.",
            access: .permission(BillingPermissions.read),
            answers: [RouteAnswer(200, "Where it is", .object([SchemaField("url", .string(max: 4_096, format: .uri))]))],
            problems: [
                CommonProblems.notFound, BillingProblems.providerCannot.with(["capability": "invoice_pdf"]),
                BillingProblems.providerUnknown,
                BillingProblems.providerUnavailable, BillingProblems.providerRefused, BillingProblems.providerUnreachable,
            ]
        ) { call in .json(value: ["url": .string(try await self.invoicePDF(try call.id("id"), of: try call.caller().tenant))]) }
    }
}

extension PageCursor {
    /// The cursor of an earlier page; of an earlier version it is none.
    static func wanted(_ text: String?) throws(Problem) -> PageCursor? {
        guard let text else { return nil }
        guard let cursor = PageCursor(text) else { throw CommonProblems.invalid("cursor", "is of an earlier version") }
        return cursor
    }
}

extension ChangeAnswer {
    var reply: Reply {
        let isOpen = operation?.isOpen ?? subscription?.wish?.isOpen ?? false
        return .json(
            value: ["operation": operation?.json ?? .null, "subscription": subscription?.json ?? .null], status: isOpen ? 202 : 200)
    }
}

extension OperationAnswer {
    var reply: Reply {
        .json(
            value: ["operation": operation.json, "subscription": subscription?.json ?? .null], status: operation.isOpen ? 202 : 200)
    }
}
