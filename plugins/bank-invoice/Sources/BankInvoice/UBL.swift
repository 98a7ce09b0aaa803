import Foundation
import PluginKit

/// Writes an invoice as UBL 2.1 in the terms of EN 16931. The same invoice gives the same bytes.
struct UBL {
    private var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    private var depth = 0
    private let invoice: Invoice
    private var isCredit: Bool { invoice.kind == .creditNote }

    static func document(_ invoice: Invoice) -> Data {
        var writer = UBL(invoice: invoice)
        writer.document()
        return Data(writer.text.utf8)
    }
    private init(invoice: Invoice) { self.invoice = invoice }

    private mutating func document() {
        let root = isCredit ? "CreditNote" : "Invoice"
        let space = "urn:oasis:names:specification:ubl:schema:xsd:"
        let names =
            "xmlns=\"\(space)\(root)-2\" xmlns:cac=\"\(space)CommonAggregateComponents-2\" xmlns:cbc=\"\(space)CommonBasicComponents-2\""
        open("\(root) \(names)")
        leaf("CustomizationID", "urn:cen.eu:en16931:2017")
        leaf("ID", invoice.number.description)
        leaf("IssueDate", invoice.issued.description)
        if !isCredit, let due = invoice.due { leaf("DueDate", due.description) }
        leaf(isCredit ? "CreditNoteTypeCode" : "InvoiceTypeCode", isCredit ? "381" : "380")
        if let note = invoice.note { leaf("Note", note) }
        leaf("DocumentCurrencyCode", invoice.currency.code)
        if let period = invoice.period {
            group("InvoicePeriod") {
                $0.leaf("StartDate", period.first.description)
                $0.leaf("EndDate", period.last.description)
            }
        }
        if let order = invoice.orderReference { group("OrderReference") { $0.leaf("ID", order) } }
        if let corrects = invoice.corrects {
            group("BillingReference") {
                $0.group("InvoiceDocumentReference") {
                    $0.leaf("ID", corrects.number.description)
                    $0.leaf("IssueDate", corrects.issued.description)
                }
            }
        }
        group("AccountingSupplierParty") { $0.party($0.invoice.seller) }
        group("AccountingCustomerParty") { $0.party($0.invoice.buyer) }
        payment()
        taxTotal()
        group("LegalMonetaryTotal") {
            $0.amount("LineExtensionAmount", $0.invoice.net)
            $0.amount("TaxExclusiveAmount", $0.invoice.net)
            $0.amount("TaxInclusiveAmount", $0.invoice.gross)
            if let rounding = $0.invoice.rounding { $0.amount("PayableRoundingAmount", rounding) }
            $0.amount("PayableAmount", $0.invoice.payable)
        }
        for (index, line) in invoice.lines.enumerated() { self.line(line, id: index + 1) }
        close(root)
    }

    private mutating func party(_ party: Party) {
        group("Party") {
            $0.group("PostalAddress") {
                $0.leaf("StreetName", party.street)
                $0.leaf("CityName", party.city)
                $0.leaf("PostalZone", party.postalCode)
                $0.group("Country") { $0.leaf("IdentificationCode", party.country) }
            }
            for (id, scheme) in [(party.vatID, "VAT"), (party.taxNumber, "TAX")] {
                guard let id else { continue }
                $0.group("PartyTaxScheme") {
                    $0.leaf("CompanyID", id)
                    $0.group("TaxScheme") { $0.leaf("ID", scheme) }
                }
            }
            $0.group("PartyLegalEntity") {
                $0.leaf("RegistrationName", party.name)
                if let registration = party.registration { $0.leaf("CompanyID", registration) }
            }
            if let email = party.email { $0.group("Contact") { $0.leaf("ElectronicMail", email) } }
        }
    }

    /// 58: SEPA credit transfer (UNTDID 4461). A credit note's money goes the other way: only the reference is told.
    private mutating func payment() {
        let account = invoice.account
        if !isCredit {
            group("PaymentMeans") {
                $0.leaf("PaymentMeansCode", "58")
                $0.leaf("PaymentID", $0.invoice.reference.text)
                $0.group("PayeeFinancialAccount") {
                    $0.leaf("ID", account.iban)
                    $0.leaf("Name", account.holder)
                    if let bic = account.bic { $0.group("FinancialInstitutionBranch") { $0.leaf("ID", bic) } }
                }
            }
        }
        group("PaymentTerms") { $0.leaf("Note", $0.invoice.terms) }
    }

    private mutating func taxTotal() {
        group("TaxTotal") { writer in
            writer.amount("TaxAmount", writer.invoice.tax)
            for group in writer.invoice.groups {
                writer.group("TaxSubtotal") {
                    $0.amount("TaxableAmount", group.taxable)
                    $0.amount("TaxAmount", group.tax)
                    $0.category("TaxCategory", group.vat, withReason: true)
                }
            }
        }
    }

    private mutating func line(_ line: BilledLine, id: Int) {
        group(isCredit ? "CreditNoteLine" : "InvoiceLine") {
            $0.leaf("ID", String(id))
            $0.leaf($0.isCredit ? "CreditedQuantity" : "InvoicedQuantity", String(line.quantity), " unitCode=\"C62\"")
            $0.amount("LineExtensionAmount", line.net)
            $0.group("Item") {
                $0.leaf("Name", line.name)
                $0.category("ClassifiedTaxCategory", line.vat, withReason: false)
            }
            $0.group("Price") { $0.amount("PriceAmount", line.unitPrice) }
        }
    }

    private mutating func category(_ name: String, _ vat: VATTreatment, withReason: Bool) {
        group(name) {
            $0.leaf("ID", vat.category.rawValue)
            $0.leaf("Percent", VATTreatment.percent(vat.rate))
            if withReason, vat.category == .reverseCharge { $0.leaf("TaxExemptionReasonCode", "VATEX-EU-AE") }
            if withReason, let reason = vat.reason { $0.leaf("TaxExemptionReason", reason) }
            $0.group("TaxScheme") { $0.leaf("ID", "VAT") }
        }
    }

    // MARK: - Marks

    private mutating func open(_ tag: String) {
        text += String(repeating: "  ", count: depth) + "<\(tag)>\n"
        depth += 1
    }
    private mutating func close(_ tag: String) {
        depth -= 1
        text += String(repeating: "  ", count: depth) + "</\(tag)>\n"
    }
    private mutating func group(_ name: String, _ content: (inout UBL) -> Void) {
        open("cac:\(name)")
        content(&self)
        close("cac:\(name)")
    }
    private mutating func leaf(_ name: String, _ value: String, _ attributes: String = "") {
        text += String(repeating: "  ", count: depth) + "<cbc:\(name)\(attributes)>\(Markup.escape(value))</cbc:\(name)>\n"
    }
    private mutating func amount(_ name: String, _ minor: Int64) {
        leaf(name, Amount.plain(minor), " currencyID=\"\(invoice.currency.code)\"")
    }
}

extension Invoice {
    /// The sentence about paying (BT-20).
    var terms: String {
        switch (kind, due) {
        case (.creditNote, _): "What was paid for it is transferred back."
        case (.invoice, let due?): "Payable by bank transfer until \(due) with the reference \(reference.printed)."
        case (.invoice, nil): "Payable by bank transfer with the reference \(reference.printed)."
        }
    }
}
