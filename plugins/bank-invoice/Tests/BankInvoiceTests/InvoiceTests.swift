import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import BankInvoice

/// The kinds of documents that this plugin issues, and harder ones than it does; the official rules judge all of them.
enum Samples {
    static func all() throws -> [String: Invoice] {
        let terms = try terms()
        func line(_ name: String, _ quantity: Int, _ price: Int64, _ category: VATCategory, _ rate: Int, _ reason: String? = nil)
            -> BilledLine
        {
            BilledLine(
                name: name, quantity: Int64(quantity), unitPrice: price, vat: VATTreatment(category: category, rate: rate, reason: reason))
        }
        func invoice(_ running: Int, _ lines: [BilledLine], buyer: Party = buyer(), seller: Party? = nil) -> Invoice {
            Invoice(
                kind: .invoice, number: DocumentNumber(series: "INV", year: 2027, running: running), issued: Day(moment),
                due: Day(moment).adding(days: 14), seller: seller ?? terms.seller, account: terms.account, buyer: buyer,
                orderReference: "PO <7>",
                currency: eur, lines: lines, period: .init(first: Day(moment), last: Day(moment).adding(days: 30)),
                note: "Thank you & \"welcome\"", customer: "cus_1")
        }
        let reverse = Taxation.reverseChargeReason
        var small = terms.seller
        (small.vatID, small.taxNumber, small.registration) = (nil, "12/345/67890", "HRB 1")
        var samples = [
            "standard": invoice(1, [line("Team", 5, 2_900, .standard, 1_900)]),
            "rates": invoice(
                2, [line("Team", 3, 333, .standard, 1_900), line("Book", 7, 105, .standard, 700), line("Cup", 1, 1, .standard, 550)]),
            "rounding": invoice(
                3, (1...9).map { line("Item \($0)", $0, 37, $0 % 2 == 0 ? .standard : .standard, $0 % 2 == 0 ? 1_900 : 700) }),
            "zero": invoice(4, [line("Team", 5, 2_900, .zero, 0)], buyer: buyer("US")),
            "exempt": invoice(5, [line("Team", 5, 2_900, .exempt, 0, "Small business, section 19 UStG")], seller: small),
            "reverse": invoice(6, [line("Team", 5, 2_900, .reverseCharge, 0, reverse)], buyer: buyer("FR", vatID: "FR40303265045")),
            "greece": invoice(7, [line("Team", 5, 2_900, .reverseCharge, 0, reverse)], buyer: buyer("GR", vatID: "EL094259216")),
            "largest": invoice(8, [line("Team", 1_000_000, 1_000_000, .standard, 1_900)]),
            "mixed": invoice(
                9,
                [line("A", 1, 1_000, .standard, 1_900), line("B", 1, 1_000, .zero, 0), line("C", 1, 1_000, .exempt, 0, "Training, exempt")]),
        ]
        for (name, invoice) in samples {
            var credit = invoice
            credit.kind = .creditNote
            credit.number = DocumentNumber(series: "CRN", year: 2027, running: invoice.number.running)
            credit.corrects = .init(number: invoice.number, issued: invoice.issued)
            credit.due = nil
            samples["\(name)-credit"] = credit
        }
        return samples
    }
}

/// The official rules, run by Tests/Interop/en16931.py.
enum Peers {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../..")
        .standardizedFileURL
    private static let python = root.appendingPathComponent(".venv/bin/python3").path
    static let areThere = FileManager.default.fileExists(atPath: root.appendingPathComponent(".venv/.installed-test").path)

    /// What the judge says of all documents, in one run.
    static func judged(_ documents: [String: Invoice]) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bank-invoice-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, invoice) in documents { try UBL.document(invoice).write(to: folder.appendingPathComponent("\(name).xml")) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.python)
        process.arguments = [Self.root.appendingPathComponent("Tests/Interop/en16931.py").path, folder.path]
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? said : "ended with \(process.terminationStatus): \(said)"
    }
}

@Suite struct InvoiceTests {
    @Test("the official rules of EN 16931 and the schemas of UBL 2.1 find no fault in any kind of document", .enabled(if: Peers.areThere))
    func official() throws {
        let said = try Peers.judged(Samples.all())
        #expect(said.contains("18 documents, 0 faults"), "\(said)")
    }

    @Test("VAT is rounded half up for each rate of the invoice, not for each line")
    func rounding() {
        let table: [(Int64, Int, Int64)] = [
            (100, 1_900, 19), (1, 1_900, 0), (3, 1_900, 1), (50, 100, 1), (49, 100, 0), (10_005, 1_900, 1_901), (0, 1_900, 0),
            (999, 700, 70),
            (Invoice.largest, 3_000, 300_000_000_000),
        ]
        for (net, rate, tax) in table { #expect(Invoice.tax(on: net, rate: rate) == tax, "\(net) at \(rate)") }
        let vat = VATTreatment(category: .standard, rate: 1_900)
        guard var sample = try? Samples.all()["standard"] else { return }
        sample.lines = (0..<3).map { BilledLine(name: "\($0)", quantity: 1, unitPrice: 2, vat: vat) }
        // Three times 0.38 cents is 1.14: one cent, where each line by itself would give none.
        #expect(sample.net == 6 && sample.tax == 1 && sample.gross == 7)
    }

    @Test("the place of seller and buyer decides the category")
    func places() throws {
        let standard = try terms(["tier_rates": "book=700", "consumer_rates": "FR=2000"]).taxation
        func treatment(_ country: String, _ vatID: String? = nil, tier: String = "team") throws -> String {
            let vat = try standard.treatment(tier: tier, buyer: buyer(country, vatID: vatID))
            return "\(vat.category.rawValue) \(vat.rate)"
        }
        #expect(try treatment("DE") == "S 1900" && treatment("DE", "DE111111111") == "S 1900" && treatment("DE", tier: "book") == "S 700")
        #expect(try treatment("FR") == "S 2000" && treatment("AT") == "S 1900" && treatment("FR", "FR40303265045") == "AE 0")
        #expect(throws: Misstep.self) { try treatment("US") }
        #expect(try terms(["outside_union": "zero"]).taxation.treatment(tier: "team", buyer: buyer("US")).category == .zero)
        let exempt = try terms(["vat": "exempt", "exemption_reason": "Section 19"]).taxation
        #expect(
            try exempt.treatment(tier: "team", buyer: buyer("FR", vatID: "FR40303265045"))
                == VATTreatment(category: .exempt, rate: 0, reason: "Section 19"))
        #expect(Country.vatID("el 094 259 216", country: "GR") == "EL094259216" && Country.vatID("FR1", country: "FR") == nil)
        #expect(Country.vatID("DE123456789", country: "FR") == nil && Country.all.count == 249)
    }

    @Test("settings that would make wrong invoices are refused with a sentence")
    func settings() throws {
        let wrong: [[String: JSONValue]] = [
            ["iban": "DE88370400440532013000"], ["currency": "JPY"], ["currency": "KWD"], ["seller_country": "XX"],
            ["seller_vat_id": "FR123456789"],
            ["series": "INV1"], ["series": "inv"], ["series": "RFA"], ["series": "CRN"], ["tier_rates": "a"], ["tier_rates": "a=1,a=2"],
            ["tier_rates": "a=0"], ["consumer_rates": "US=2000"], ["consumer_rates": "DE=2000"], ["csv_columns": "date=A,amount=B"],
            ["csv_columns": "date=A,amount=A,text=C"], ["bic": "COBADEFF12"], ["seller_vat_id": nil],
        ]
        for more in wrong { #expect(throws: PluginRefusal.self, "\(more)") { try terms(more) } }
        #expect(try terms(["seller_vat_id": nil, "seller_tax_number": "12/345", "vat": "exempt"]).seller.vatID == nil)
    }

    @Test("quantities and prices that could overflow are no lines")
    func largest() {
        let vat = VATTreatment(category: .standard, rate: 3_000)
        for (quantity, price) in [(0, 1), (1, 0), (-1, 1), (1, -1), (1_000_001, 1), (2, Invoice.largest), (1_000_000, .max)]
            as [(Int, Int64)]
        {
            #expect(Invoice.line("x", quantity: quantity, unitPrice: price, vat: vat) == nil)
        }
        #expect(Invoice.line("x", quantity: 1, unitPrice: Invoice.largest, vat: vat)?.net == Invoice.largest)
    }

    @Test("the page says what the XML says, and escapes what people wrote")
    func page() throws {
        for (_, invoice) in try Samples.all() {
            let html = InvoicePage.markup(invoice, address: "/x", paying: nil)
            let xml = String(decoding: UBL.document(invoice), as: UTF8.self)
            for text in [
                invoice.number.description, Markup.escape(invoice.seller.name), Markup.escape(invoice.buyer.name), Markup.escape("PO <7>"),
            ] {
                #expect(html.contains(text) && xml.contains(text), "\(text)")
            }
            #expect(html.contains(Amount.shown(invoice.gross, eur)) && xml.contains(">\(Amount.plain(invoice.gross))</cbc:PayableAmount>"))
            #expect(!html.contains("<script") && !html.contains("style="))
            if let corrects = invoice.corrects {
                #expect(xml.contains("<cbc:CreditNoteTypeCode>381<") && xml.contains("<cbc:ID>\(corrects.number)</cbc:ID>"))
            }
            if invoice.kind == .invoice {
                #expect(html.contains(invoice.reference.printed) && xml.contains("<cbc:PaymentID>\(invoice.reference)<"))
            }
            #expect(try XMLReader.read(Array(xml.utf8)).name == (invoice.kind == .invoice ? "Invoice" : "CreditNote"))
        }
    }

    @Test("days follow the calendar")
    func days() {
        let table = [
            ("2027-01-31", "2027-02-28"), ("2028-01-31", "2028-02-29"), ("2027-12-15", "2028-01-15"), ("2027-11-30", "2027-12-30"),
        ]
        for (from, to) in table { #expect(Day(iso: from).map { $0.adding(.month, anchor: $0.day).description } == to) }
        #expect(Day(iso: "2027-02-28")?.adding(.month, anchor: 31).description == "2027-03-31")
        #expect(Day(iso: "2028-02-29")?.adding(.year, anchor: 29).description == "2029-02-28")
        for text in ["2027-02-29", "2027-00-01", "2027-1-1", "27-01-01", "2027/01/01", "", "2027-01-01x"] {
            #expect(Day(iso: text) == nil, "\(text)")
        }
        #expect(Day(iso: "2027-12-31")?.adding(days: 1).description == "2028-01-01")
    }

    @Test("amounts are written and read without a fraction of a cent")
    func amounts() {
        #expect(Amount.plain(-5) == "-0.05" && Amount.plain(123_450) == "1234.50" && Amount.shown(123_456_789, eur) == "EUR 1,234,567.89")
        for (text, minor) in [("1", 100), ("1.5", 150), ("0.05000", 5), ("12.30", 1_230)] {
            #expect(Amount.minor(decimal: text) == Int64(minor))
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1.005", "1,5", "1.000000", "99999999999999", "1.5.0", " 1"] {
            #expect(Amount.minor(decimal: text) == nil, "\(text)")
        }
        #expect([1_900, 550, 1_925, 5].map(VATTreatment.percent) == ["19", "5.5", "19.25", "0.05"])
    }
}
