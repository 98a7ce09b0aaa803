import Foundation
import PluginKit

extension PaddleProvider {
    private static let issued = "billed,paid,completed,past_due"

    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        // A customer of somebody else's is nobody here.
        guard query.customer.hasPrefix("ctm_"), PaddleObject.id(.string(query.customer)) != nil else {
            return ProviderPage(items: [], next: nil)
        }
        var filter = [("customer_id", query.customer), ("status", Self.issued), ("order_by", "billed_at[DESC]")]
        if let subscription = query.subscription { filter.append(("subscription_id", subscription)) }
        return try await page("/transactions", filter, cursor: query.cursor, limit: query.limit) { object, _ in
            object["origin"]?.string == "subscription_payment_method_change" ? [] : [try Self.invoice(object)]
        }
    }

    func readInvoice(_ invoice: String) async throws -> ProviderInvoice { try Self.invoice(await transaction(invoice).object) }

    /// Paddle makes the document of a transaction that is billed; its address runs out within the hour.
    func invoicePDF(_ invoice: String) async throws -> String? {
        let object = try await transaction(invoice).object
        guard let status = object.status, Self.issued.contains(status), object["invoice_number"]?.string != nil else { return nil }
        let address = try await client.get("/transactions/\(Self.name(invoice))/invoice").object["url"]?.string
        guard let address, let origin = WebOrigin(address, allowingQuery: true), origin.scheme == "https" || origin.isLoopback else {
            throw PaymentProviderError.unreachable("Paddle answered an invoice without an address.")
        }
        return address
    }

    static func invoice(_ object: PaddleObject) throws -> ProviderInvoice {
        let details = object.child("details")
        let totals = details.child("totals")
        guard let id = object.id, let status = status(object.status), let created = object.time("created_at"),
            let total = totals.money("grand_total") ?? totals.money("total")
        else { throw PaymentProviderError.malformed("Paddle answered a transaction without id, status, amount or time.") }
        let code = totals["currency_code"]?.string
        var lines = try PaddleLines.lines(details, currency: code)
        if let credit = totals.money("credit"), credit.amountMinor != 0 {
            let taken = Money(amountMinor: -credit.amountMinor, currency: credit.currency)
            lines.append(InvoiceLine(summary: "Credit", quantity: nil, amount: taken, periodStart: nil, periodEnd: nil, isProration: false))
        }
        let period = object.child("billing_period").period
        let page = object.child("checkout")["url"]?.string
        return ProviderInvoice(
            invoice: id, number: object["invoice_number"]?.string.map { String($0.prefix(100)) }, customer: object.reference("customer_id"),
            subscription: object.reference("subscription_id"), status: status, total: total,
            due: status == .paid ? Money(amountMinor: 0, currency: total.currency) : totals.money("balance") ?? total,
            issuedAt: object.time("billed_at") ?? created,
            paidAt: status == .paid ? object.list("payments").compactMap { $0.time("captured_at") }.max() : nil,
            periodStart: period?.start, periodEnd: period?.end, lines: lines,
            hostedURL: status == .open ? page.flatMap { WebOrigin($0, allowingQuery: true)?.scheme == "https" ? $0 : nil } : nil,
            payment: PaddleEvent.isPaid(object) ? id : nil)
    }
    private static func status(_ text: String?) -> ProviderInvoice.Status? {
        switch text {
        case "draft": .draft
        case "ready", "billed", "past_due": .open
        case "paid", "completed": .paid
        case "canceled": .void
        default: nil
        }
    }

    // MARK: - Refunds

    /// Paddle refunds by line: a part is spread over the lines, first come first served, as far as each still has something.
    func refund(_ request: RefundRequest) async throws -> Refund {
        guard request.payment.hasPrefix("txn_"), PaddleObject.id(.string(request.payment)) != nil else {
            throw PaymentProviderError.refused(code: "payment_invalid", message: "This is not a transaction of Paddle's.")
        }
        let mark = PaddleJournal.mark(request.idempotencyKey)
        let asked = PaddleJournal.digest(request)
        // The mark stands at Paddle for ever: it is looked for even where our own note is gone.
        if let found = try await adjustments(request.payment).first(where: { PaddleRefundReason($0["reason"]?.string ?? "").mark == mark })
        {
            guard PaddleRefundReason(found["reason"]?.string ?? "").asked == asked else {
                throw PaymentProviderError.refused(code: "idempotency_error", message: "This key was used for another refund.")
            }
            return try Self.refund(found, asOf: clock.now())
        }
        let deed = try await journal.once(request.idempotencyKey, asked: asked) { _ in
            try await adjustments(request.payment).first { PaddleRefundReason($0["reason"]?.string ?? "").mark == mark }?.id
        } act: {
            var body = try await parts(request)
            body["action"] = "refund"
            body["transaction_id"] = .string(request.payment)
            body["reason"] = .string(PaddleRefundReason(request.reason, mark: mark, asked: asked).text)
            let answer = try await client.write("POST", "/adjustments", .object(body))
            guard let id = answer.object.id else { throw PaymentProviderError.unreachable("Paddle answered a refund without an id.") }
            return PaddleJournal.Deed(made: id, answer: answer)
        }
        if let answer = deed.answer { return try Self.refund(answer.object, asOf: answer.asOf) }
        guard let object = try await adjustments(request.payment).first(where: { $0.id == deed.made }) else {
            throw PaymentProviderError.unreachable("Paddle does not show the refund yet.")
        }
        return try Self.refund(object, asOf: clock.now())
    }

    private func parts(_ request: RefundRequest) async throws -> [String: JSONValue] {
        let transaction = try await transaction(request.payment).object
        let code = transaction["currency_code"]?.string
        if let amount = request.amount {
            guard amount.currency.code == code else {
                throw PaymentProviderError.refused(code: "currency_differs", message: "The payment was made in another currency.")
            }
            guard amount.amountMinor > 0 else {
                throw PaymentProviderError.refused(code: "amount_invalid", message: "The amount must be positive.")
            }
        }
        // What Paddle refused or took back again did not go.
        let earlier = try await adjustments(request.payment).filter {
            ["refund", "chargeback", "credit"].contains($0["action"]?.string ?? "") && !["rejected", "reversed"].contains($0.status ?? "")
        }
        if request.amount == nil, earlier.isEmpty { return ["type": "full"] }
        var gone: [String: Int64] = [:]
        for item in earlier.flatMap({ $0.list("items") }) {
            guard let line = item.reference("item_id"), let amount = item.child("totals").money("total", code) else {
                throw PaymentProviderError.malformed("Paddle answered a refund whose lines cannot be read.")
            }
            gone[line, default: 0] += amount.amountMinor
        }
        var left = request.amount?.amountMinor ?? .max
        var items: [JSONValue] = []
        for line in transaction.child("details").list("line_items") {
            guard let id = line.id, let whole = line.child("totals").money("total", code) else {
                throw PaymentProviderError.malformed("Paddle answered a transaction whose lines cannot be read.")
            }
            let part = min(left, whole.amountMinor - gone[id, default: 0])
            guard part > 0 else { continue }
            items.append(["item_id": .string(id), "type": "partial", "amount": .string(String(part))])
            left -= part
        }
        guard !items.isEmpty, request.amount == nil || left == 0 else {
            throw PaymentProviderError.refused(code: "amount_exceeds_rest", message: "Less than this is left of the payment.")
        }
        return ["type": "partial", "items": .array(items), "tax_mode": "internal"]
    }

    private func adjustments(_ transaction: String) async throws -> [PaddleObject] {
        var all: [PaddleObject] = []
        _ = try await walked("/adjustments", [("transaction_id", transaction), ("order_by", "id[ASC]"), ("per_page", "50")]) {
            all.append($0)
            return false
        }
        return all
    }

    static func refund(_ object: PaddleObject, asOf: Timestamp) throws -> Refund {
        let totals = object.child("totals")
        guard let id = object.id, let amount = totals.money("total") ?? totals.money("total", object["currency_code"]?.string) else {
            throw PaymentProviderError.unreachable("Paddle answered a refund without id or amount.")
        }
        let status: Refund.Status =
            switch object.status {
            case "approved": .succeeded
            case "rejected": .failed
            case "reversed": .cancelled
            // Most refunds wait until Paddle has looked at them.
            default: .pending
            }
        let fact = RefundFact(
            refund: id, payment: object.reference("transaction_id"), customer: object.reference("customer_id"),
            subscription: object.reference("subscription_id"), amount: amount,
            reason: object["reason"]?.string.map { PaddleRefundReason($0).words }, asOf: asOf)
        return Refund(fact: fact, status: status)
    }
}

enum PaddleLines {
    /// A line whose amount cannot be read makes the whole wrong: then there is no answer.
    static func lines(_ details: PaddleObject, currency: String?) throws -> [InvoiceLine] {
        try details.list("line_items").map { line in
            guard let amount = line.child("totals").money("total", currency) else {
                throw PaymentProviderError.malformed("Paddle answered a line whose amount cannot be read.")
            }
            let proration = line.child("proration")
            let period = proration.child("billing_period").period
            return InvoiceLine(
                summary: String((line.child("product")["name"]?.string ?? "").prefix(500)),
                quantity: line["quantity"]?.int.map { Int(clamping: $0) }, amount: amount, periodStart: period?.start,
                periodEnd: period?.end, isProration: proration["rate"] != nil)
        }
    }
}
