import Foundation
import PluginKit

/// Opens the desk: by the secret, and for an hour by what the secret signed.
struct DeskKey: Sendable {
    let secrets: [String]
    let clock: any PluginClock
    static let life: Int64 = 3_600

    func opens(_ given: String) -> Bool {
        // Digests, so that neither the time nor the number of comparisons tells a length.
        let digest = PluginDigest.sha256(Data(given.utf8))
        return secrets.map { PluginDigest.isEqual(PluginDigest.sha256(Data($0.utf8)), digest) }.contains(true)
    }
    func token() -> String {
        let end = clock.now().seconds + Self.life
        return "\(end)-\(mark(end, secrets[0]))"
    }
    func isValid(_ token: String) -> Bool {
        let parts = token.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let end = Digits.value(parts[0].utf8), end > clock.now().seconds, end <= clock.now().seconds + Self.life
        else {
            return false
        }
        return secrets.map { PluginDigest.isEqual(Array(mark(end, $0).utf8), Array(parts[1].utf8)) }.contains(true)
    }
    private func mark(_ end: Int64, _ secret: String) -> String {
        PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("desk:\(end)".utf8)))
    }
}

/// Where statements come in, and where somebody decides what no machine should.
struct DeskPage {
    let cashier: Cashier
    let shop: Shop
    let key: DeskKey
    let log: any PluginLog

    func respond(to request: PageRequest, token: String?) async throws -> PageResponse {
        if let token {
            guard key.isValid(token) else {
                return .html(door(request, fault: "The desk was open for an hour. Open it again."), status: 403)
            }
            return try await inside(request, token)
        }
        guard request.method == "POST" else { return .html(door(request, fault: nil)) }
        guard key.opens(request.form["secret"] ?? "") else {
            log.warning("The desk was tried with a wrong secret.")
            return .html(door(request, fault: "The secret is wrong."), status: 403)
        }
        // A program sends the statement along with the secret and reads the answer.
        if let statement = request.form["statement"] { return try await take(statement, request, key.token()) }
        return .redirect(to: "/plugins/bank-invoice/desk/\(key.token())")
    }

    private func inside(_ request: PageRequest, _ token: String) async throws -> PageResponse {
        guard request.method == "POST" else { return .html(try await markup(request, token)) }
        let form = request.form
        do {
            switch form["step"] {
            case "import": return try await take(form["statement"] ?? "", request, token)
            case "assign":
                guard let number = DocumentNumber((form["number"] ?? "").trimmingCharacters(in: .whitespaces).uppercased()) else {
                    throw Misstep("An invoice's number looks like \(shop.terms.series)-2026-000042.")
                }
                try await cashier.assign(form["booking"] ?? "", to: number)
            case "aside": try await cashier.setAside(form["booking"] ?? "")
            case "credit":
                guard let number = DocumentNumber((form["number"] ?? "").trimmingCharacters(in: .whitespaces).uppercased()) else {
                    throw Misstep("An invoice's number looks like \(shop.terms.series)-2026-000042.")
                }
                let written = (form["net"] ?? "").trimmingCharacters(in: .whitespaces)
                let net = written.isEmpty ? nil : Amount.minor(decimal: written)
                guard written.isEmpty || net != nil else { throw Misstep("A net amount looks like 12.50.") }
                let credit = try await cashier.credit(number, net: net)
                return .html(try await markup(request, token, done: "Credit note \(credit) is written."))
            default: throw Misstep("This form is not complete.")
            }
        } catch let misstep as Misstep where !misstep.isPassing {
            return .html(try await markup(request, token, fault: misstep.sentence), status: 422)
        }
        return .redirect(to: "/plugins/bank-invoice/desk/\(token)")
    }

    private func take(_ statement: String, _ request: PageRequest, _ token: String) async throws -> PageResponse {
        let report: Cashier.Report
        do { report = try await cashier.take(Data(statement.utf8)) } catch let fault as StatementFault {
            return .html(try await markup(request, token, fault: "Nothing was taken in. \(fault.sentence)"), status: 422)
        }
        log.info(
            "A statement was taken in.",
            ["posted": "\(report.posted)", "known": "\(report.known)", "waiting": "\(report.waiting)", "later": "\(report.later)"])
        let sentence =
            "\(report.posted) posted, \(report.known) known already, \(report.waiting) wait below, \(report.ignored) outgoing ignored, "
            + "\(report.pending) not booked yet."
        guard report.later == 0 else {
            let fault = "\(sentence) \(report.later) could not be written down now: send the same statement again."
            return .html(try await markup(request, token, fault: fault), status: 503)
        }
        return .html(try await markup(request, token, done: sentence))
    }

    // MARK: - Markup

    private func door(_ request: PageRequest, fault: String?) -> String {
        Markup.page(
            title: "Desk",
            """
            \(Markup.alert(fault))
            <section><form method="post" action="/plugins/bank-invoice/desk">
            \(Markup.hidden(request.formToken))
            \(Markup.field("Secret of the desk", name: "secret", kind: "password", most: 200))
            <p class="actions"><button type="submit">Open</button></p>
            </form></section>
            """)
    }

    private func markup(_ request: PageRequest, _ token: String, fault: String? = nil, done: String? = nil) async throws -> String {
        let address = "/plugins/bank-invoice/desk/\(token)"
        let waiting = try await cashier.waiting()
        let unsettled = try await cashier.unsettled()
        func form(_ step: String, _ content: String) -> String {
            """
            <form method="post" action="\(address)" class="line">
            \(Markup.hidden(request.formToken))
            \(Markup.hidden(["step": step]))
            \(content)
            </form>
            """
        }
        return Markup.page(
            title: "Desk", isWide: true,
            """
            \(Markup.alert(fault))\(done.map(Markup.note) ?? "")
            <section aria-labelledby="import"><h2 id="import">Bank statement</h2>
            <form method="post" action="\(address)">
            \(Markup.hidden(request.formToken))
            \(Markup.hidden(["step": "import"]))
            <p class="field"><label for="statement">camt.053 or CSV</label>
            <textarea id="statement" name="statement" required spellcheck="false" autocomplete="off"></textarea></p>
            <p class="actions"><button type="submit">Take in</button> <span class="hint">Twice does no harm.</span></p>
            </form></section>
            <section aria-labelledby="waiting"><h2 id="waiting">Movements that nobody could place</h2>
            \(waiting.isEmpty ? "<p>None.</p>" : waiting.map { self.waiting($0, form) }.joined(separator: "\n"))
            </section>
            <section aria-labelledby="owed"><h2 id="owed">Money to send back</h2>
            <p>Transfer it back with the reference: the next statement then settles it.</p>
            \(owed(unsettled.map(\.bill)))
            </section>
            <section aria-labelledby="open"><h2 id="open">Open invoices</h2>
            \(open(unsettled))
            </section>
            <section aria-labelledby="credit"><h2 id="credit">Credit note</h2>
            \(form("credit", Markup.field("Invoice", name: "number", most: 20, id: "credit-number") + Markup.field("Net amount", name: "net", most: 20, isRequired: false, hint: "Empty: all of it.") + "<button type=\"submit\" class=\"plain\">Write it</button>"))
            </section>
            """)
    }

    private func waiting(_ it: Cashier.Waiting, _ form: (String, String) -> String) -> String {
        let booking = it.booking
        let who = [booking.payer, booking.payerAccount.map(CreditorReference.grouped)].compactMap { $0 }.joined(separator: ", ")
        let field = Markup.field(
            "Invoice", name: "number", value: it.suggestions.count == 1 ? it.suggestions[0].description : "", most: 20,
            hint: it.suggestions.isEmpty ? nil : "Probably \(it.suggestions.map(\.description).joined(separator: " or ")).",
            id: "n-\(booking.id)")
        let id = Markup.hidden(["booking": booking.id])
        return """
            <dl>
            \(Markup.text("Day", booking.day.description))
            \(Markup.text("Amount", Amount.shown(booking.minor, booking.currency) + (booking.isReversal ? ", reversal" : "")))
            \(Markup.text("From", who.isEmpty ? nil : who))
            \(Markup.text("Text", (booking.references + [booking.text]).filter { !$0.isEmpty }.joined(separator: " · ")))
            </dl>
            \(form("assign", id + field + "<button type=\"submit\" class=\"plain\">Assign</button>"))
            \(form("aside", id + "<button type=\"submit\" class=\"plain\">Not for an invoice</button>"))
            """
    }

    private func owed(_ bills: [Account.Bill]) -> String {
        let rows = bills.flatMap { bill -> [[String]] in
            let amounts =
                (bill.owed > 0 ? [(bill.currency, bill.owed)] : [])
                + bill.foreign.sorted { $0.key.code < $1.key.code }.map { ($0.key, $0.value) }
            return amounts.map { ["\(bill.number)", Amount.shown($0.1, $0.0), bill.number.reference.printed] }
        }
        return rows.isEmpty ? "<p>None.</p>" : Markup.table("Table of money to send back", ["Invoice", "Amount", "Reference"], rows)
    }

    private func open(_ bills: [(bill: Account.Bill, buyer: String)]) -> String {
        let rows = bills.filter { !$0.bill.isPaid && !$0.bill.isCancelled }.map { bill, buyer in
            [
                "<a href=\"\(shop.address(of: bill.number))\">\(bill.number)</a>", Markup.escape(buyer),
                Amount.shown(bill.total, bill.currency), Markup.escape(BankPages.state(bill)),
            ]
        }
        return rows.isEmpty ? "<p>None.</p>" : Markup.table("Table of open invoices", ["Number", "Buyer", "Amount", "State"], rows)
    }
}
