import Foundation
import PluginKit

/// What people see: the order, the documents, the portal, and the desk of who keeps the books.
struct BankPages: PluginPages {
    let shop: Shop
    let cashier: Cashier
    let desk: DeskKey
    let log: any PluginLog
    let call: @Sendable (String) async -> Void

    func respond(to request: PageRequest) async throws -> PageResponse {
        guard request.method == "GET" || request.method == "POST" else {
            return Self.problem(405, "This page can be read and sent, nothing else.")
        }
        if request.path == "style.css" { return .css(Style.sheet) }
        let steps = request.path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        do {
            switch (steps.first, steps.count) {
            case ("checkout", 2): return try await checkout(request, steps[1])
            case ("invoice", 3): return try await document(steps[1], steps[2], asXML: false)
            case ("invoice", 4) where steps[3] == "xml": return try await document(steps[1], steps[2], asXML: true)
            case ("portal", 3): return try await portal(request, steps[1], steps[2])
            case ("desk", 1), ("desk", 2):
                return try await DeskPage(cashier: cashier, shop: shop, key: desk, log: log)
                    .respond(to: request, token: steps.count == 2 ? steps[1] : nil)
            default: return Self.problem(404, "There is no such page.")
            }
        } catch let misstep as Misstep {
            return Self.problem(misstep.isPassing ? 503 : 422, misstep.sentence)
        }
    }

    // MARK: - Order

    private func checkout(_ request: PageRequest, _ id: String) async throws -> PageResponse {
        guard let (account, session) = try await shop.session(id) else { return Self.problem(404, "There is no such checkout.") }
        let now = shop.clock.now()
        guard session.status == .open, session.expiresAt > now else {
            // Shown again after a crash between order and number: the number comes now.
            let after = account.drafts.isEmpty ? account : try await cashier.finishDrafts(account.customer)
            let invoice = after.bills.first { $0.subscription == session.subscription }.map { shop.address(of: $0.number) }
            var shown = session
            if session.status == .open { shown.status = .expired }
            return .html(CheckoutPage.finished(shown, invoice: invoice))
        }
        guard request.method == "POST" else {
            let known = account.buyer.map(Self.fields) ?? ["email": session.email ?? ""]
            return .html(CheckoutPage.open(session, known, token: request.formToken, fault: nil))
        }
        do {
            let buyer = try Self.buyer(request.form)
            let order = try Self.optional(request.form["order_reference"], "Your order number", most: 60)
            let vat = try shop.terms.taxation.treatment(tier: session.tier, buyer: buyer)
            try await shop.ledger.update(account.customer) {
                try $0.order(id, buyer: buyer, orderReference: order, vat: vat, pace: shop.ledger.pace, now: now)
            }
        } catch let misstep as Misstep where !misstep.isPassing {
            return .html(CheckoutPage.open(session, request.form, token: request.formToken, fault: misstep.sentence), status: 422)
        }
        try await cashier.finishDrafts(account.customer)
        return .redirect(to: "/plugins/bank-invoice/checkout/\(id)")
    }

    /// The buyer as the form says; throws `Misstep` with the first thing that is wrong.
    static func buyer(_ form: [String: String]) throws -> Party {
        func required(_ name: String, _ label: String, most: Int) throws -> String {
            guard let text = Wording.line(form[name] ?? "", most: most) else {
                throw Misstep("\(label) is missing, too long, or cannot be printed.")
            }
            return text
        }
        let country = (form["country"] ?? "").trimmingCharacters(in: .whitespaces).uppercased()
        guard Country.all.contains(country) else { throw Misstep("The country is two letters, such as DE.") }
        var vatID: String?
        if let written = try optional(form["vat_id"], "The VAT identifier", most: 20) {
            guard let known = Country.vatID(written, country: country) else {
                throw Misstep("A VAT identifier of this country begins with \(Country.vatPrefix(country)).")
            }
            vatID = known
        }
        return Party(
            name: try required("name", "The name", most: 100), street: try required("street", "The street", most: 100),
            postalCode: try required("postal_code", "The postal code", most: 20), city: try required("city", "The city", most: 60),
            country: country, vatID: vatID, email: try optional(form["email"], "The e-mail address", most: 120))
    }
    private static func optional(_ written: String?, _ label: String, most: Int) throws -> String? {
        guard let written, !written.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty else { return nil }
        guard let text = Wording.line(written, most: most) else { throw Misstep("\(label) is too long, or cannot be printed.") }
        return text
    }
    static func fields(_ buyer: Party) -> [String: String] {
        [
            "name": buyer.name, "street": buyer.street, "postal_code": buyer.postalCode, "city": buyer.city, "country": buyer.country,
            "vat_id": buyer.vatID ?? "", "email": buyer.email ?? "",
        ]
    }

    // MARK: - Documents

    private func document(_ text: String, _ key: String, asXML: Bool) async throws -> PageResponse {
        guard let number = DocumentNumber(text), shop.isKey(key, of: number), let invoice = try await cashier.register.invoice(number)
        else {
            return Self.problem(404, "There is no such document.")
        }
        // The host shows plain text and no XML: a browser then saves it as it is, and runs nothing.
        if asXML { return PageResponse(status: 200, contentType: "text/plain; charset=utf-8", body: UBL.document(invoice)) }
        let bill = try await shop.ledger.account(invoice.customer)?.bills.first { $0.number == number }
        return .html(InvoicePage.markup(invoice, address: shop.address(of: number), paying: bill.map(Self.state)))
    }

    static func state(_ bill: Account.Bill) -> String {
        if bill.isCancelled { return "This invoice was cancelled by credit note \(bill.credits.last?.description ?? "")." }
        if bill.isPaid { return "This invoice is paid. Thank you." }
        let open = Amount.shown(bill.open, bill.currency)
        if bill.balance > 0 { return "\(Amount.shown(bill.balance, bill.currency)) arrived; \(open) are still open." }
        return bill.overdueSince == nil ? "\(open) are to be paid until \(bill.due)." : "\(open) are overdue since \(bill.due)."
    }

    // MARK: - Portal

    private func portal(_ request: PageRequest, _ customer: String, _ token: String) async throws -> PageResponse {
        guard let (account, portal) = try await shop.portal(customer, token) else {
            return Self.problem(404, "This page has run out. Open it again from your billing page.")
        }
        let address = "/plugins/bank-invoice/portal/\(customer)/\(token)"
        let page = PortalPage(account: account, portal: portal, token: request.formToken, address: address, link: shop.address(of:))
        guard request.method == "POST" else { return .html(page.markup(fault: nil, done: request.query["done"])) }
        let now = shop.clock.now()
        do {
            switch request.form["step"] {
            case "leave", "stay":
                let isLeaving = request.form["step"] == "leave"
                try await shop.ledger.update(customer) { try $0.leave(request.form["subscription"] ?? "", isLeaving, now: now) }
                if isLeaving { try await cashier.finishDrafts(customer) }
            case "buyer":
                let buyer = try Self.buyer(request.form)
                for it in account.subscriptions where it.status != .cancelled {
                    _ = try shop.terms.taxation.treatment(tier: it.tier, buyer: buyer)
                }
                try await shop.ledger.update(customer) { $0.buyer = buyer }
            default: throw Misstep("This form is not complete.")
            }
        } catch let misstep as Misstep where !misstep.isPassing {
            return .html(page.markup(fault: misstep.sentence, done: nil), status: 422)
        }
        await call(customer)
        return .redirect(to: "\(address)?done=\(request.form["step"] ?? "")")
    }

    static func problem(_ status: Int, _ sentence: String) -> PageResponse {
        .html(Markup.page(title: "Bank transfer on invoice", Markup.alert(sentence)), status: status)
    }
}

/// Where a customer finds the invoices, changes the address for the next ones, and leaves.
struct PortalPage {
    let account: Account
    let portal: Account.Portal
    let token: [String: String]
    let address: String
    let link: (DocumentNumber) -> String

    static let done = [
        "leave": "The subscription will end with its period.", "stay": "The subscription goes on.",
        "buyer": "The next invoices go to this address.",
    ]

    func markup(fault: String?, done: String?) -> String {
        Markup.page(
            title: "Billing portal",
            """
            \(Markup.alert(fault))\(done.flatMap { Self.done[$0] }.map(Markup.note) ?? "")
            \(account.subscriptions.map(section).joined(separator: "\n"))
            <section aria-labelledby="invoices"><h2 id="invoices">Invoices</h2>
            \(Markup.table("Table of invoices", ["Number", "Amount", "State"], account.bills.reversed().map(row)))
            </section>
            \(account.buyer.map(buyer) ?? "")
            <p class="actions"><a class="button" href="\(Markup.escape(portal.returnURL))">Back to your account</a></p>
            """)
    }

    private func section(_ it: Account.Subscription) -> String {
        let isOver = it.status == .cancelled
        let leaves = it.cancelsAt != nil
        let form =
            isOver || it.periodEnd == nil
            ? ""
            : """
            <form method="post" action="\(address)">
            \(Markup.hidden(token))
            \(Markup.hidden(["step": leaves ? "stay" : "leave", "subscription": it.id]))
            <p class="actions"><button type="submit" class="plain">\(leaves ? "Do not cancel" : "Cancel at the period's end")</button></p>
            </form>
            """
        return """
            <section aria-labelledby="\(it.id)"><h2 id="\(it.id)">\(Markup.escape(it.productName))</h2>
            <dl>
            \(Markup.text("Status", it.status.rawValue.replacing("_", with: " ")))
            \(Markup.text("Quantity", "\(it.quantity)"))
            \(Markup.text("Paid or free until", it.periodEnd.map { Day($0).description }))
            \(Markup.text("Ends on", leaves && !isOver ? it.cancelsAt.map { Day($0).description } : nil))
            </dl>
            \(form)</section>
            """
    }

    private func row(_ bill: Account.Bill) -> [String] {
        let credits = bill.credits.map { " <a href=\"\(link($0))\">\($0)</a>" }.joined()
        return [
            "<a href=\"\(link(bill.number))\">\(bill.number)</a>\(credits)", Amount.shown(bill.total, bill.currency),
            Markup.escape(BankPages.state(bill)),
        ]
    }

    private func buyer(_ buyer: Party) -> String {
        let given = BankPages.fields(buyer)
        let fields = [
            ("Name or company", "name", 100, true), ("Street and number", "street", 100, true), ("Postal code", "postal_code", 20, true),
            ("City", "city", 60, true), ("Country", "country", 2, true), ("VAT identifier", "vat_id", 20, false),
            ("E-mail for invoices", "email", 120, false),
        ].map { Markup.field($0.0, name: $0.1, value: given[$0.1] ?? "", most: $0.2, isRequired: $0.3) }
        return """
            <section aria-labelledby="buyer"><h2 id="buyer">Who gets the invoices</h2>
            <form method="post" action="\(address)">
            \(Markup.hidden(token))
            \(Markup.hidden(["step": "buyer"]))
            \(fields.joined(separator: "\n"))
            <p class="actions"><button type="submit" class="plain">Change</button></p>
            </form></section>
            """
    }
}
