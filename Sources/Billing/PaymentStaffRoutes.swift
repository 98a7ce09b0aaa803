import Foundation
import HTTPEdge
import Vocabulary

/// What the platform's own people do with payments.
extension Billing {
    func staffRoutes() -> [Route] {
        [
            staffInvoicesRoute, refundRoute, releaseRoute, eventsRoute, replayRoute, reconcileRoute, reconciliationsRoute,
            reconciliationRoute,
        ]
    }

    private var staffInvoicesRoute: Route {
        Route(
            .get, "/api/v1/admin/tenants/{id}/invoices", name: "admin.invoices.list",
            summary: "Any tenant's invoices, newest first. That somebody looked stands in the tenant's journal.",
            access: .permission(BillingPermissions.staff), query: QueryField.paging,
            answers: [RouteAnswer(200, "One page", BillingSchemas.invoices)], problems: [CommonProblems.notFound]
        ) { call in
            let wanted = try call.page()
            let listing = try await self.invoicesForStaff(
                try call.id("id"), after: try PageCursor.wanted(wanted.after), limit: wanted.limit, call.act)
            return call.reply(Page(listing.items, next: listing.next?.text), named: "invoices", \.json)
        }
    }

    private var refundRoute: Route {
        Route(
            .post, "/api/v1/admin/tenants/{id}/refunds", name: "admin.refunds.create",
            summary: "Gives money back, once and never more than was paid; who did it and why stands in the tenant's journal.",
            access: .permission(BillingPermissions.staff), request: OperationSchemas.refund,
            answers: [
                RouteAnswer(200, "The provider took it on", .object([SchemaField("operation", OperationSchemas.operation)])),
                RouteAnswer(
                    202, "Asked for; nobody knows yet, and a job finds out",
                    .object([SchemaField("operation", OperationSchemas.operation)])),
            ],
            problems: [
                CommonProblems.notFound, BillingProblems.notRefundable.with(["left_minor": 900, "currency": "USD"]),
                BillingProblems.cardNumberRefused, BillingProblems.providerCannot.with(["capability": "refunds"]),
                BillingProblems.operationOpen.with(["operation_id": "018f…"]), BillingProblems.providerUnknown,
                BillingProblems.providerUnavailable, BillingProblems.providerRefused, BillingProblems.providerUnreachable,
                CommonProblems.idempotencyKeyReused,
            ], creates: true
        ) { call in
            let operation = try await self.refund(try call.decode(RefundBody.self).order(), of: try call.id("id"), call.act)
            return .json(value: ["operation": operation.json], status: operation.isOpen ? 202 : 200)
        }
    }

    private var releaseRoute: Route {
        Route(
            .post, "/api/v1/admin/tenants/{id}/subscriptions/{subscription}/release", name: "admin.subscriptions.release",
            summary: "Lets the licence of a subscription be issued that a policy withheld. Payment must stand all the same.",
            access: .permission(BillingPermissions.staff), answers: [RouteAnswer(204, "Released, now or before")],
            problems: [CommonProblems.notFound]
        ) { call in
            try await self.release(try call.id("subscription"), of: try call.id("id"), call.act)
            return Reply(status: 204)
        }
    }

    private var eventsRoute: Route {
        Route(
            .get, "/api/v1/admin/payments/events", name: "admin.payments.events",
            summary: "What payment providers told, newest first; without the raw bodies.",
            access: .permission(BillingPermissions.staff),
            query: QueryField.paging + [
                QueryField("status", .choice(PaymentEvent.Status.allCases.map(\.rawValue)), "Only these; all if absent")
            ], answers: [RouteAnswer(200, "One page", .page("events", of: OperationSchemas.event))]
        ) { call in
            let wanted = try call.page()
            let listing = try await self.events(
                call.query["status"].flatMap(PaymentEvent.Status.init), after: try PageCursor.wanted(wanted.after), limit: wanted.limit)
            return call.reply(Page(listing.items, next: listing.next?.text), named: "events", \.json)
        }
    }

    private var replayRoute: Route {
        Route(
            .post, "/api/v1/admin/payments/events/{id}/replay", name: "admin.payments.replay",
            summary: "Applies an event anew. What it did before does not happen twice.",
            access: .permission(BillingPermissions.staff), answers: [RouteAnswer(202, "It is due")], problems: [CommonProblems.notFound]
        ) { call in
            try await self.replay(try call.id("id"), call.act)
            return Reply(status: 202)
        }
    }

    private var reconcileRoute: Route {
        Route(
            .post, "/api/v1/admin/payments/reconcile", name: "admin.payments.reconcile",
            summary: "Compares mirror and licences with every payment provider in service, now instead of at the next regular time.",
            access: .permission(BillingPermissions.staff), answers: [RouteAnswer(202, "It is due")]
        ) { call in
            try await self.requestReconciliation(call.act)
            return Reply(status: 202)
        }
    }

    private var reconciliationsRoute: Route {
        Route(
            .get, "/api/v1/admin/payments/reconciliations", name: "admin.payments.reconciliations",
            summary: "What comparisons with providers found and mended, newest first, for 90 days.",
            access: .permission(BillingPermissions.staff), query: QueryField.paging,
            answers: [RouteAnswer(200, "One page", .page("reconciliations", of: OperationSchemas.reconciliation))]
        ) { call in
            let wanted = try call.page()
            let listing = try await self.reconciliations(after: try PageCursor.wanted(wanted.after), limit: wanted.limit)
            return call.reply(Page(listing.items, next: listing.next?.text), named: "reconciliations", \.json)
        }
    }

    private var reconciliationRoute: Route {
        Route(
            .get, "/api/v1/admin/payments/reconciliations/{id}", name: "admin.payments.reconciliation",
            summary: "What one comparison with a provider found and mended.", access: .permission(BillingPermissions.staff),
            answers: [RouteAnswer(200, "The report", OperationSchemas.reconciliation)], problems: [CommonProblems.notFound]
        ) { call in .json(value: try await self.reconciliation(try call.id("id")).json) }
    }
}

struct RefundBody: Decodable {
    let invoice: Identifier<InvoiceMark>
    let amountMinor: Int64?
    let reason: RefundReason
    let note: String
    enum CodingKeys: String, CodingKey {
        case reason, note
        case invoice = "invoice_id"
        case amountMinor = "amount_minor"
    }
    func order() throws(Problem) -> RefundOrder {
        let note = note.trimmingCharacters(in: .whitespacesAndNewlines)
        // White space is no reason.
        guard !note.isEmpty else { throw CommonProblems.invalid("note", "must say why") }
        return RefundOrder(invoice: invoice, amountMinor: amountMinor, reason: reason, note: note)
    }
}
