import PluginKit

/// Name, address and tax identity of one side.
struct Party: Codable, Sendable, Hashable {
    var name: String
    var street: String
    var postalCode: String
    var city: String
    /// ISO 3166-1, two letters.
    var country: String
    var vatID: String?
    var taxNumber: String?
    var registration: String?
    var email: String?
}

/// Where the money goes.
struct PayeeAccount: Codable, Sendable, Hashable {
    var iban: String
    var bic: String?
    var holder: String
}

/// VAT categories of UNTDID 5305 that this plugin issues.
enum VATCategory: String, Codable, Sendable, Hashable, CaseIterable, Comparable {
    case standard = "S"
    case zero = "Z"
    case exempt = "E"
    case reverseCharge = "AE"
    static func < (left: VATCategory, right: VATCategory) -> Bool { left.rawValue < right.rawValue }
}

/// How one line is taxed.
struct VATTreatment: Codable, Sendable, Hashable, Comparable {
    var category: VATCategory
    /// In basis points; zero but for the standard category.
    var rate: Int
    /// Why no VAT is due; for exempt and reverse charge.
    var reason: String?
    static func < (left: VATTreatment, right: VATTreatment) -> Bool {
        (left.category, left.rate, left.reason ?? "") < (right.category, right.rate, right.reason ?? "")
    }
    /// `19`, `5.5`
    static func percent(_ rate: Int) -> String {
        let fraction = rate % 100
        guard fraction > 0 else { return String(rate / 100) }
        return "\(rate / 100)." + (fraction % 10 == 0 ? String(fraction / 10) : Digits.padded(fraction, 2))
    }
}

/// One line; its net amount is the product of two whole numbers, so it is never rounded.
struct BilledLine: Codable, Sendable, Hashable {
    var name: String
    var quantity: Int64
    /// Net, of one unit, in minor units.
    var unitPrice: Int64
    var vat: VATTreatment
    var net: Int64 { quantity * unitPrice }
}

/// An invoice or a credit note as it was issued: nothing of it changes later, and both the XML and the page are made of it.
struct Invoice: Codable, Sendable, Hashable {
    enum Kind: String, Codable, Sendable { case invoice, creditNote = "credit_note" }
    var kind: Kind
    var number: DocumentNumber
    var issued: Day
    var due: Day?
    var seller: Party
    var account: PayeeAccount
    var buyer: Party
    /// The buyer's own name of the order, to be repeated.
    var orderReference: String?
    var currency: Currency
    var lines: [BilledLine]
    /// First and last day of what is invoiced; nil where that begins with the payment.
    var period: Period?
    /// What a credit note corrects.
    var corrects: Correction?
    var note: String?
    /// What the amount due differs by from the sum of lines and VAT (BT-114): a part that goes back is exact, and no net amount and its VAT
    /// may come to it.
    var rounding: Int64?
    /// The customer of this plugin whose it is.
    var customer: String

    struct Period: Codable, Sendable, Hashable {
        var first: Day
        var last: Day
    }
    struct Correction: Codable, Sendable, Hashable {
        var number: DocumentNumber
        var issued: Day
    }
    /// One sum for each treatment (BG-23).
    struct VATGroup: Sendable, Hashable {
        var vat: VATTreatment
        var taxable: Int64
        var tax: Int64
    }

    /// What a payer repeats: a credit note's is that of its invoice.
    var reference: CreditorReference { (corrects?.number ?? number).reference }
    var groups: [VATGroup] {
        Dictionary(grouping: lines, by: \.vat).sorted { $0.key < $1.key }.map { vat, lines in
            let taxable = lines.reduce(0) { $0 + $1.net }
            return VATGroup(vat: vat, taxable: taxable, tax: Invoice.tax(on: taxable, rate: vat.rate))
        }
    }
    var net: Int64 { lines.reduce(0) { $0 + $1.net } }
    /// The sum of the groups' taxes, each rounded by itself (BR-CO-14).
    var tax: Int64 { groups.reduce(0) { $0 + $1.tax } }
    var gross: Int64 { net + tax }
    /// The amount due (BR-CO-16).
    var payable: Int64 { gross + (rounding ?? 0) }

    /// Rounded half up to the minor unit (BR-CO-17).
    static func tax(on taxable: Int64, rate: Int) -> Int64 { (taxable * Int64(rate) + 5_000) / 10_000 }

    /// Ten thousand million units: far below what could overflow anywhere.
    static let largest: Int64 = 1_000_000_000_000
    static let mostQuantity = 1_000_000

    /// Nil where quantity or price are outside what an invoice can hold.
    static func line(_ name: String, quantity: Int, unitPrice: Int64, vat: VATTreatment) -> BilledLine? {
        guard (1...mostQuantity).contains(quantity), (1...largest).contains(unitPrice) else { return nil }
        let (net, overflows) = unitPrice.multipliedReportingOverflow(by: Int64(quantity))
        guard !overflows, net <= largest else { return nil }
        return BilledLine(name: name, quantity: Int64(quantity), unitPrice: unitPrice, vat: vat)
    }
}
