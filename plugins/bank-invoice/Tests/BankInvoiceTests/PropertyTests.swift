import Foundation
import PluginKit
import Testing

@testable import BankInvoice

/// Invoices and refunds out of a seed: the same for everybody, and others than anybody would think of.
@Suite("documents out of a seed") struct PropertyTests {
    static let seed: UInt64 = 20_270_115

    /// A basket, and how its money goes back: parts that end with all of it, in random cuts.
    struct Sale {
        var invoice: Invoice
        var credits: [Invoice]
        var parts: [Int64]
    }

    /// SplitMix64.
    struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
        mutating func amount(_ most: Int64) -> Int64 {
            // As often of one digit as of eight.
            var bound: Int64 = 10
            for _ in 0..<Int64.random(in: 0...9, using: &self) where bound < most { bound *= 10 }
            return Int64.random(in: 1...min(bound, most), using: &self)
        }
    }

    static func treatments(_ dice: inout Dice) -> [VATTreatment] {
        func standard(_ rate: Int) -> VATTreatment { VATTreatment(category: .standard, rate: rate) }
        let rates = [standard(1_900), standard(700), standard(Int.random(in: 50...3_000, using: &dice)), standard(2_550)]
        switch Int.random(in: 0..<5, using: &dice) {
        case 0: return [VATTreatment(category: .reverseCharge, rate: 0, reason: Taxation.reverseChargeReason)]
        case 1: return [VATTreatment(category: .exempt, rate: 0, reason: "Section 19 UStG")]
        case 2: return rates + [VATTreatment(category: .zero, rate: 0)]
        case 3: return [rates.randomElement(using: &dice) ?? rates[0]]
        default: return rates
        }
    }

    static func invoice(_ running: Int, _ terms: Terms, _ dice: inout Dice) -> Invoice {
        let kinds = treatments(&dice)
        let isReverse = kinds[0].category == .reverseCharge
        let lines = (0..<Int.random(in: 1...6, using: &dice)).compactMap { number in
            Invoice.line(
                "Item \(number) <&\">", quantity: Int(dice.amount(100_000)), unitPrice: dice.amount(10_000_000),
                vat: kinds.randomElement(using: &dice) ?? kinds[0])
        }
        return Invoice(
            kind: .invoice, number: DocumentNumber(series: "INV", year: 2027, running: running), issued: Day(moment),
            due: Day(moment).adding(days: Int.random(in: 0...60, using: &dice)), seller: terms.seller, account: terms.account,
            buyer: isReverse ? buyer("FR", vatID: "FR40303265045") : buyer(),
            orderReference: Bool.random(using: &dice) ? "PO \(running)" : nil,
            currency: eur, lines: lines, customer: "cus_0123456789abcdef01234567")
    }

    /// The account that was paid exactly, and what the refunds make of it; through the very steps that orders take.
    static func sale(_ running: Int, _ terms: Terms, _ dice: inout Dice) throws -> Sale {
        let invoice = invoice(running, terms, &dice)
        let pace = Pace(terms)
        var account = Account(customer: invoice.customer, buyer: invoice.buyer)
        var bill = Account.Bill(
            number: invoice.number, issued: invoice.issued, due: invoice.due ?? invoice.issued, subscription: "sub_none",
            total: invoice.payable,
            currency: eur)
        bill.postings = [Account.Posting(booking: "in", day: Day(moment), minor: invoice.payable, currency: eur)]
        bill.isPaid = true
        account.bills = [bill]
        var sale = Sale(invoice: invoice, credits: [], parts: [])
        let cuts = Int.random(in: 0...8, using: &dice)
        var owed: Int64 = 0
        for cut in 0...cuts {
            let left = account.bills[0].total - account.bills[0].credited
            guard left > 0 else { break }
            let isLast = cut == cuts
            let amount: Money? = isLast ? nil : Money(amountMinor: Int64.random(in: 1...left, using: &dice), currency: eur)
            let order = Account.RefundOrder(key: "k\(cut)", request: "r", amount: 0, claim: "")
            let before = account
            do { try account.refund(invoice, order: order, amount: amount, now: moment) } catch is Misstep {
                #expect(account == before, "a refusal changes nothing")
                continue
            }
            let draft = try #require(account.drafts.first)
            var credit = invoice
            credit.kind = .creditNote
            credit.number = DocumentNumber(series: "CRN", year: 2027, running: running * 10 + cut)
            (credit.corrects, credit.due) = (.init(number: invoice.number, issued: invoice.issued), nil)
            (credit.lines, credit.rounding) = (draft.lines, draft.rounding)
            account.complete(draft.claim, as: credit, pace: pace, now: moment)
            account.pending = []
            sale.credits.append(credit)
            sale.parts.append(amount?.amountMinor ?? left)
            owed += sale.parts[sale.parts.count - 1]
            #expect(account.bills[0].owed == owed, "what is owed is what was ordered")
            // Some of it is sent at once, some later.
            guard Bool.random(using: &dice) else { continue }
            try account.post(booking("out\(cut)", -owed), on: invoice.number, pace: pace, now: moment)
            (owed, account.pending) = (0, [])
            #expect(account.bills[0].owed == 0 && account.bills[0].isPaid)
        }
        return sale
    }

    @Test("however an invoice goes back, the parts are exact, and together they are the invoice: money, net amount, documents")
    func parts() throws {
        var dice = Dice(state: Self.seed)
        let terms = try terms()
        var count = 0
        for running in 1...2_000 {
            let sale = try Self.sale(running, terms, &dice)
            count += sale.credits.count
            #expect(sale.credits.map(\.payable) == sale.parts, "\(running)")
            #expect(sale.parts.reduce(0, +) == sale.invoice.payable, "\(running): all of it went back")
            #expect(sale.credits.reduce(0) { $0 + $1.net } == sale.invoice.net, "\(running): net")
            #expect(sale.credits.allSatisfy { abs($0.rounding ?? 0) <= 2 && $0.net > 0 }, "\(running): rounding")
            // VAT and rounding together are the invoice's VAT.
            #expect(sale.credits.reduce(0) { $0 + $1.tax + ($1.rounding ?? 0) } == sale.invoice.tax, "\(running): VAT")
        }
        #expect(count > 4_000)
    }

    @Test(
        "the official rules find no fault in documents out of a seed, and their sums are right to Python's decimal",
        .enabled(if: Peers.areThere))
    func official() throws {
        var dice = Dice(state: Self.seed)
        let terms = try terms()
        var documents: [String: Invoice] = [:]
        for running in 1...40 {
            let sale = try Self.sale(running, terms, &dice)
            for document in [sale.invoice] + sale.credits { documents[document.number.description] = document }
        }
        let said = try Peers.judged(documents)
        #expect(said.contains("\(documents.count) documents, 0 faults"), "\(said)")
        #expect(documents.count > 80 && documents.values.contains { $0.rounding != nil })
    }
}
