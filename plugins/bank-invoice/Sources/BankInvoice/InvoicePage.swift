import PluginKit

/// An invoice or a credit note for a person to read and to print: everything that the XML says.
enum InvoicePage {
    static func markup(_ invoice: Invoice, address: String, paying: String?) -> String {
        let isCredit = invoice.kind == .creditNote
        let title = "\(isCredit ? "Credit note" : "Invoice") \(invoice.number)"
        return Markup.page(
            title: title, isWide: true,
            """
            \(paying.map { "<div class=\"screen\">\(Markup.note($0))</div>" } ?? "")
            <section aria-label="Parties"><div class="sides">
            <div><h2>Seller</h2>\(party(invoice.seller))</div>
            <div><h2>Buyer</h2>\(party(invoice.buyer))</div>
            </div></section>
            <section aria-label="Dates"><dl>
            \(Markup.text("Number", invoice.number.description))
            \(Markup.text("Date", invoice.issued.description))
            \(isCredit ? "" : Markup.text("Due", invoice.due?.description))
            \(Markup.text("Corrects", invoice.corrects.map { "invoice \($0.number) of \($0.issued)" }))
            \(Markup.text("Your order", invoice.orderReference))
            \(Markup.text("Period", invoice.period.map { "\($0.first) to \($0.last)" }))
            </dl>\(invoice.note.map { "<p>\(Markup.escape($0))</p>" } ?? "")</section>
            <section aria-label="Lines">\(lines(invoice))
            <dl>
            \(Markup.text("Net", Amount.shown(invoice.net, invoice.currency)))
            \(invoice.groups.map { group($0, invoice.currency) }.joined(separator: "\n"))
            \(Markup.text("Rounding", invoice.rounding.map { Amount.shown($0, invoice.currency) }))
            <div class="total"><dt>\(isCredit ? "Credited" : "To pay")</dt><dd>\(Amount.shown(invoice.payable, invoice.currency))</dd></div>
            </dl>
            \(invoice.groups.compactMap(\.vat.reason).map { "<p>\(Markup.escape($0))</p>" }.joined())
            </section>
            \(isCredit ? "" : payment(invoice))
            <p>\(Markup.escape(invoice.terms))</p>
            <p class="actions screen"><a class="button" href="\(address)/xml">The same as XML (EN 16931, UBL 2.1)</a></p>
            """)
    }

    private static func party(_ party: Party) -> String {
        let lines = [party.name, party.street, "\(party.postalCode) \(party.city)", party.country].map(Markup.escape).joined(
            separator: "<br>")
        let more = [
            party.vatID.map { "VAT identifier \($0)" }, party.taxNumber.map { "Tax number \($0)" },
            party.registration.map { "Register \($0)" }, party.email,
        ].compactMap { $0 }.map { "<br>\(Markup.escape($0))" }.joined()
        return "<address>\(lines)\(more)</address>"
    }

    private static func lines(_ invoice: Invoice) -> String {
        let rows = invoice.lines.enumerated().map { index, line in
            "<tr><td>\(index + 1)</td><td>\(Markup.escape(line.name))</td><td class=\"amount\">\(line.quantity)</td>"
                + "<td class=\"amount\">\(Amount.shown(line.unitPrice, invoice.currency))</td>"
                + "<td class=\"amount\">\(line.vat.category.rawValue) \(VATTreatment.percent(line.vat.rate)) %</td>"
                + "<td class=\"amount\">\(Amount.shown(line.net, invoice.currency))</td></tr>"
        }.joined(separator: "\n")
        let headings = ["Quantity", "Net price", "VAT", "Net"].map { "<th scope=\"col\" class=\"amount\">\($0)</th>" }.joined()
        return """
            <div class="scroll" role="region" aria-label="Table of lines" tabindex="0"><table>
            <thead><tr><th scope="col">No.</th><th scope="col">What</th>\(headings)</tr></thead>
            <tbody>
            \(rows)
            </tbody></table></div>
            """
    }

    private static func group(_ group: Invoice.VATGroup, _ currency: Currency) -> String {
        let name =
            "VAT \(group.vat.category.rawValue) \(VATTreatment.percent(group.vat.rate)) % on \(Amount.shown(group.taxable, currency))"
        return Markup.text(name, Amount.shown(group.tax, currency))
    }

    private static func payment(_ invoice: Invoice) -> String {
        """
        <section aria-labelledby="pay"><h2 id="pay">How to pay</h2>
        <dl>
        \(Markup.text("Account holder", invoice.account.holder))
        \(Markup.text("IBAN", CreditorReference.grouped(invoice.account.iban)))
        \(Markup.text("BIC", invoice.account.bic))
        \(Markup.text("Amount", Amount.shown(invoice.payable, invoice.currency)))
        <div><dt>Reference, to be repeated exactly</dt><dd class="reference">\(invoice.reference.printed)</dd></div>
        </dl></section>
        """
    }
}

enum CheckoutPage {
    static func open(_ session: Account.Session, _ given: [String: String], token: [String: String], fault: String?) -> String {
        let total = session.unitPrice.amountMinor * Int64(session.quantity)
        let currency = session.unitPrice.currency
        let trial = session.trialDays > 0 ? Markup.text("Trial", "\(session.trialDays) days free; the invoice comes before its end") : ""
        func field(_ label: String, _ name: String, _ complete: String, most: Int = 100, isRequired: Bool = true, hint: String? = nil)
            -> String
        {
            Markup.field(label, name: name, value: given[name] ?? "", complete: complete, most: most, isRequired: isRequired, hint: hint)
        }
        return Markup.page(
            title: "Order on invoice",
            """
            \(Markup.alert(fault))
            <section aria-labelledby="order"><h2 id="order">What you buy</h2>
            <dl>
            \(Markup.text("Plan", session.productName))
            \(Markup.text("Quantity", "\(session.quantity)"))
            \(Markup.text("Price", "\(Amount.shown(session.unitPrice.amountMinor, currency)) net each, every \(session.interval.rawValue)"))
            \(trial)
            <div class="total"><dt>Net, every \(session.interval.rawValue)</dt><dd>\(Amount.shown(total, currency))</dd></div>
            </dl>
            <p>VAT is added as the law of your place demands. You pay by bank transfer; your access begins when the money has arrived.</p>
            </section>
            <section aria-labelledby="buyer"><h2 id="buyer">Who gets the invoice</h2>
            <form method="post" action="/plugins/bank-invoice/checkout/\(session.id)"\(fault == nil ? "" : " aria-describedby=\"fault\"")>
            \(Markup.hidden(token))
            \(field("Name or company", "name", "organization"))
            \(field("Street and number", "street", "street-address"))
            \(field("Postal code", "postal_code", "postal-code", most: 20))
            \(field("City", "city", "address-level2", most: 60))
            \(field("Country", "country", "country", most: 2, hint: "Two letters: DE, FR, US."))
            \(field("VAT identifier", "vat_id", "off", most: 20, isRequired: false, hint: "Of a business; without it you are invoiced as a consumer."))
            \(field("Your order number", "order_reference", "off", most: 60, isRequired: false))
            \(field("E-mail for invoices", "email", "email", most: 120, isRequired: false))
            <p class="actions"><button type="submit">Order with obligation to pay</button>
            <a href="\(Markup.escape(session.cancelURL))">Cancel and go back</a></p>
            </form></section>
            """)
    }

    static func finished(_ session: Account.Session, invoice: String?) -> String {
        let (sentence, target) =
            session.status == .expired
            ? ("This checkout has run out. Start a new one.", session.cancelURL)
            : session.hasFailed
                ? ("No payment arrived. The order has ended.", session.cancelURL)
                : session.isPaid
                    ? (session.trialDays > 0 ? "Your trial has begun." : "This order is paid.", session.successURL)
                    : ("Thank you. Your access begins when the transfer has arrived.", session.successURL)
        let link = invoice.map { "<a class=\"button\" href=\"\($0)\">Open the invoice</a>" } ?? ""
        return Markup.page(
            title: "Order on invoice",
            "\(Markup.note(sentence))\n<p class=\"actions\">\(link) <a href=\"\(Markup.escape(target))\">Go on</a></p>")
    }
}
