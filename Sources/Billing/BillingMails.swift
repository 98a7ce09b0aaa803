import Catalog
import Store
import Vocabulary

/// Every mail of the room, asked for once for each thing that happened.
struct BillingMails {
    /// Templates that the kernel itself asks for; the plans of `on_payment` may name any other.
    static let trialEnding = "trial_ending"
    static let renewalReminder = "renewal_reminder"
    static let graceReminder = "grace_reminder"
    static let accessSuspended = "access_suspended"
    static let subscriptionPaused = "subscription_paused"
    static let accessRestored = "access_restored"
    static let paymentRecovered = "payment_recovered"
    static let billingCorrected = "billing_corrected"
    static let quantityRefused = "quantity_refused"
    static let staffNotice = "staff_notice"

    let db: any TenantScope
    let act: Act

    /// To the tenant's owners. True where that is the first time.
    @discardableResult
    func send(_ template: String, about subject: String, _ values: [String: String]) throws -> Bool {
        let key = key(template, subject)
        guard try isFirst(key) else { return false }
        try db.emit(MailRequested(recipient: .owners(db.tenant), template: template, values: values, key: key), act)
        return true
    }

    func wasSent(_ template: String, about subject: String) throws -> Bool {
        try db.row(BillingTable.mail, db.tenant, key(template, subject)) != nil
    }

    private func key(_ template: String, _ subject: String) -> String { "billing:\(template):\(db.tenant):\(subject)" }

    // MARK: - What waits for its good end

    /// Told to owners, and not yet taken back.
    enum Open: String { case failed, suspended }

    /// Notes that owners were told; since when, and whether that is new.
    @discardableResult
    func mark(_ open: Open, _ id: SubscriptionID) throws -> (since: Timestamp, isNew: Bool) {
        let key = "open:\(open.rawValue):\(id)"
        if let row = try db.row(BillingTable.mail, db.tenant, key) { return (try row.time(0), false) }
        try db.run(BillingTable.insertMail, db.tenant, key, act.now)
        return (act.now, true)
    }

    /// Ends the note: since when it stood; nil where there was none.
    func lift(_ open: Open, _ id: SubscriptionID) throws -> Timestamp? {
        try db.row(BillingTable.dropMail, db.tenant, "open:\(open.rawValue):\(id)").map { try $0.time(0) }
    }

    func notifyStaff(_ reason: String, about subject: String, _ values: [String: String] = [:]) throws {
        let key = "billing:staff:\(reason):\(db.tenant):\(subject)"
        guard try isFirst(key) else { return }
        let values = values.merging(["reason": reason, "tenant": db.tenant.description]) { told, _ in told }
        try db.emit(MailRequested(recipient: .staff, template: BillingMails.staffNotice, values: values, key: key), act)
    }

    private func isFirst(_ key: String) throws -> Bool {
        guard try db.row(BillingTable.mail, db.tenant, key) == nil else { return false }
        try db.run(BillingTable.insertMail, db.tenant, key, act.now)
        return true
    }

    /// Of an event that is nobody's yet.
    static func notifyStaff(_ reason: String, _ event: PaymentEvent, _ db: any KernelScope, _ act: Act) throws {
        try db.emit(
            MailRequested(
                recipient: .staff, template: staffNotice,
                values: ["reason": reason, "event": event.id.description, "provider": event.provider, "type": event.type],
                key: "billing:staff:\(reason):\(event.id)"), act)
    }
}

extension Money {
    /// `99.00 USD`, `1200 JPY`: by the minor digits of ISO 4217.
    package var display: String {
        let digits = Money.digits[currency.code] ?? 2
        guard digits > 0 else { return "\(amountMinor) \(currency)" }
        var text = String(amountMinor.magnitude)
        while text.count <= digits { text = "0" + text }
        let point = text.index(text.endIndex, offsetBy: -digits)
        return "\(amountMinor < 0 ? "-" : "")\(text[..<point]).\(text[point...]) \(currency)"
    }
    /// Currencies with other than two minor digits (ISO 4217, list one).
    private static let digits: [String: Int] = [
        "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0,
        "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4,
    ]
}
