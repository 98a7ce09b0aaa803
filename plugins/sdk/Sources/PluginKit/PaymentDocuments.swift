// since 1.1
/// What an invoice says to a person. What it means for access, `InvoiceFact` says.
public struct ProviderInvoice: Sendable, Hashable, Codable {
    public enum Status: String, Sendable, Hashable, Codable, CaseIterable { case draft, open, paid, uncollectible, void }
    public var invoice: String
    /// The number printed on it; a draft has none.
    public var number: String?
    public var customer: String?
    public var subscription: String?
    public var status: Status
    public var total: Money
    /// What is still to be paid.
    public var due: Money
    public var issuedAt: Timestamp
    public var dueAt: Timestamp?
    public var paidAt: Timestamp?
    public var periodStart: Timestamp?
    public var periodEnd: Timestamp?
    public var lines: [InvoiceLine]
    /// True: the provider has more lines than are listed here.
    public var hasMoreLines: Bool
    /// The provider's page of it, where one can pay.
    public var hostedURL: String?
    /// What `RefundRequest.payment` wants, where the provider says it here.
    public var payment: String?
    public init(
        invoice: String, number: String?, customer: String?, subscription: String?, status: Status, total: Money, due: Money,
        issuedAt: Timestamp, dueAt: Timestamp? = nil, paidAt: Timestamp? = nil, periodStart: Timestamp? = nil, periodEnd: Timestamp? = nil,
        lines: [InvoiceLine], hasMoreLines: Bool = false, hostedURL: String? = nil, payment: String? = nil
    ) {
        self.invoice = invoice
        self.number = number
        self.customer = customer
        self.subscription = subscription
        self.status = status
        self.total = total
        self.due = due
        self.issuedAt = issuedAt
        self.dueAt = dueAt
        self.paidAt = paidAt
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.lines = lines
        self.hasMoreLines = hasMoreLines
        self.hostedURL = hostedURL
        self.payment = payment
    }
}

public struct InvoiceLine: Sendable, Hashable, Codable {
    public var summary: String
    public var quantity: Int?
    /// Negative: a credit.
    public var amount: Money
    public var periodStart: Timestamp?
    public var periodEnd: Timestamp?
    /// It is there because something changed within the period.
    public var isProration: Bool
    public init(
        summary: String, quantity: Int?, amount: Money, periodStart: Timestamp?, periodEnd: Timestamp?, isProration: Bool
    ) {
        self.summary = summary
        self.quantity = quantity
        self.amount = amount
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.isProration = isProration
    }
}

public struct InvoiceQuery: Sendable, Hashable, Codable {
    public var customer: String
    public var subscription: String?
    /// `ProviderPage.next` of the page before.
    public var cursor: String?
    /// 1 to 100.
    public var limit: Int
    public init(customer: String, subscription: String? = nil, cursor: String? = nil, limit: Int = 20) {
        self.customer = customer
        self.subscription = subscription
        self.cursor = cursor
        self.limit = limit
    }
}

/// Why money goes back, in words that every provider has.
public enum RefundReason: String, Sendable, Hashable, Codable, CaseIterable {
    case duplicate
    case fraudulent
    case requestedByCustomer = "requested_by_customer"
}

public struct RefundRequest: Sendable, Hashable, Codable {
    /// `InvoiceFact.payment` or `ProviderInvoice.payment`.
    public var payment: String
    /// Nil: all that is left of it. Another currency than the payment's is `refused`.
    public var amount: Money?
    public var reason: RefundReason
    public var idempotencyKey: String
    public init(payment: String, amount: Money?, reason: RefundReason, idempotencyKey: String) {
        self.payment = payment
        self.amount = amount
        self.reason = reason
        self.idempotencyKey = idempotencyKey
    }
}

/// A refund that the provider has taken on. That it took it on is certain; whether the money arrives, `status` says.
public struct Refund: Sendable, Hashable, Codable {
    public enum Status: String, Sendable, Hashable, Codable, CaseIterable { case pending, succeeded, failed, cancelled }
    public var fact: RefundFact
    public var status: Status
    public init(fact: RefundFact, status: Status) {
        self.fact = fact
        self.status = status
    }
}
// end of 1.1
