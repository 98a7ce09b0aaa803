import Foundation
import PluginKit

extension StripeProvider {
    // MARK: - Invoices

    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        var form = StripeForm()
        form.add("customer", query.customer)
        form.add("subscription", query.subscription)
        return try await page("/v1/invoices", form, cursor: query.cursor, limit: query.limit) { object, _ in [try Self.invoice(object)] }
    }

    /// With the payment, which newer versions list apart.
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice {
        var read = try Self.invoice(await rawInvoice(invoice))
        guard read.payment == nil, read.status == .paid else { return read }
        var query = StripeForm()
        query.add("invoice", invoice)
        query.add("status", "paid")
        query.add("limit", 10)
        let payments = try await client.get("/v1/invoice_payments", query).object["data"]?.array ?? []
        read.payment =
            payments.map { StripeObject($0) }.filter { $0.reference("invoice") == invoice }
            .compactMap { StripeEvent.payment($0.child("payment")) }.first
        return read
    }

    func invoicePDF(_ invoice: String) async throws -> String? {
        guard let address = try await rawInvoice(invoice)["invoice_pdf"]?.string else { return nil }
        guard WebOrigin(address, allowingQuery: true)?.scheme == "https" else {
            throw PaymentProviderError.malformed("Stripe answered an invoice whose PDF is at no https address.")
        }
        return address
    }

    private func rawInvoice(_ id: String) async throws -> StripeObject {
        StripeObject(try await client.get("/v1/invoices/" + Self.name(id)).object)
    }

    static func invoice(_ object: StripeObject) throws -> ProviderInvoice {
        guard let id = object.id, let status = object["status"]?.string.flatMap({ ProviderInvoice.Status(rawValue: $0) }),
            let total = StripeMoney.incoming(object["total"], object["currency"]), let issuedAt = object.time("created")
        else { throw PaymentProviderError.malformed("Stripe answered an invoice without id, status, amount or time.") }
        let event = StripeEvent(type: "invoice.updated", object: object, asOf: issuedAt)
        let subscription = event.invoiceSubscription()
        let period = event.period(of: subscription)
        let due = StripeMoney.incoming(object["amount_remaining"], object["currency"])
        return ProviderInvoice(
            invoice: id, number: object["number"]?.string.map { String($0.prefix(100)) }, customer: object.reference("customer"),
            subscription: subscription, status: status, total: total, due: due ?? Money(amountMinor: 0, currency: total.currency),
            issuedAt: object.child("status_transitions").time("finalized_at") ?? issuedAt, dueAt: object.time("due_date"),
            paidAt: object.child("status_transitions").time("paid_at"), periodStart: period?.start, periodEnd: period?.end,
            lines: try lines(object), hasMoreLines: object.child("lines")["has_more"]?.bool == true,
            hostedURL: object["hosted_invoice_url"]?.string.flatMap { WebOrigin($0, allowingQuery: true)?.scheme == "https" ? $0 : nil },
            payment: event.payments().first)
    }

    /// A line whose amount cannot be read makes the whole wrong: then there is no answer.
    static func lines(_ invoice: StripeObject) throws -> [InvoiceLine] {
        try invoice.list("lines").map { line in
            guard let amount = StripeMoney.incoming(line["amount"], line["currency"] ?? invoice["currency"]) else {
                throw PaymentProviderError.malformed("Stripe answered an invoice with a line whose amount cannot be read.")
            }
            return InvoiceLine(
                summary: String((line["description"]?.string ?? "").prefix(500)), quantity: line["quantity"]?.int.map { Int(clamping: $0) },
                amount: amount, periodStart: line.child("period").time("start"), periodEnd: line.child("period").time("end"),
                isProration: StripeEvent.isProration(line))
        }
    }

    // MARK: - Refunds

    func refund(_ request: RefundRequest) async throws -> Refund {
        let owner = request.payment.hasPrefix("pi_") ? "payment_intent" : "charge"
        guard StripeObject.id(.string(request.payment)) != nil, ["pi_", "ch_", "py_"].contains(where: { request.payment.hasPrefix($0) })
        else { throw PaymentProviderError.refused(code: "payment_invalid", message: "This is not a payment of Stripe's.") }
        var form = StripeForm()
        form.add(owner, request.payment)
        if let amount = request.amount {
            guard amount.amountMinor > 0, let said = StripeMoney.outgoing(amount) else {
                throw PaymentProviderError.refused(
                    code: "amount_invalid", message: "Stripe cannot refund this amount in \(amount.currency).")
            }
            // A refund's amount is always in the payment's currency: 500 yen must not become 5 dollars.
            let payment = try await client.get("/v1/\(owner)s/" + Self.name(request.payment)).object
            guard payment["currency"]?.string.flatMap({ Currency($0) }) == amount.currency else {
                throw PaymentProviderError.refused(code: "currency_differs", message: "The payment was made in another currency.")
            }
            form.add("amount", said)
        }
        form.add("reason", request.reason.rawValue)
        // Stripe forgets keys after a day. So the wish stands on the refund itself: by it one is found whose answer was lost, whenever.
        let wish = StripeClient.key(request.idempotencyKey, 0)
        let asked = PluginDigest.hex(Array(PluginDigest.sha256(Data(form.encoded.utf8)).prefix(16)))
        form.add("metadata", metadata: ["wish": wish, "asked": asked])
        if let made = try await made(wish, asked, owner, request.payment) { return try Self.refund(made) }
        var answer = try await client.write("/v1/refunds", form, key: request.idempotencyKey) {
            try await made(wish, asked, owner, request.payment)
        }
        if answer.isReplay, let id = StripeObject(answer.object).id { answer = try await client.get("/v1/refunds/" + Self.name(id)) }
        return try Self.refund(answer)
    }

    /// The refund of a payment that carries this wish; refused where it was another request.
    private func made(_ wish: String, _ asked: String, _ owner: String, _ payment: String) async throws -> StripeClient.Answer? {
        var query = StripeForm()
        query.add(owner, payment)
        query.add("limit", 100)
        let listed = try await client.get("/v1/refunds", query)
        guard let made = listed.object["data"]?.array?.first(where: { $0["metadata"]?["wish"]?.string == wish }) else { return nil }
        guard made["metadata"]?["asked"]?.string == asked else {
            throw PaymentProviderError.refused(code: "idempotency_error", message: "This key was used for another refund.")
        }
        return StripeClient.Answer(object: made, isReplay: false, asOf: listed.asOf)
    }

    static func refund(_ answer: StripeClient.Answer) throws -> Refund {
        let object = StripeObject(answer.object)
        guard let id = object.id, let amount = StripeMoney.incoming(object["amount"], object["currency"]) else {
            throw PaymentProviderError.unreachable("Stripe answered a refund without id or amount.")
        }
        let status: Refund.Status =
            switch object["status"]?.string {
            case "succeeded": .succeeded
            case "failed": .failed
            case "canceled": .cancelled
            default: .pending
            }
        let fact = RefundFact(
            refund: id, payment: StripeEvent.payment(object), customer: object.reference("customer"), subscription: nil, amount: amount,
            reason: object["reason"]?.string.map { String($0.prefix(200)) }, asOf: answer.asOf)
        return Refund(fact: fact, status: status)
    }
}
