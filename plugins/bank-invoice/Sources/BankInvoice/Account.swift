import Foundation
import PluginKit

/// One customer's whole state, kept as one value, so that each step and the webhooks it causes are one write.
struct Account: Codable, Sendable, Hashable {
    var customer: String
    /// Name and address as last given.
    var buyer: Party?
    var orderReference: String?
    var sessions: [Session] = []
    var subscriptions: [Subscription] = []
    var bills: [Bill] = []
    /// Documents that are decided but not numbered yet, in the order of their making.
    var drafts: [Draft] = []
    var portals: [Portal] = []
    /// Webhooks that are not delivered yet, in the order of their making.
    var pending: [PendingWebhook] = []
    /// Numbers everything that comes after.
    var counter = 0
    /// Every event is later than the one before, so that "newest wins" has one meaning.
    var lastEventAt = Timestamp(microseconds: 0)

    struct Session: Codable, Sendable, Hashable {
        enum Status: String, Codable, Sendable { case open, ordered, expired }
        var id: String
        var reference: String
        var tier: String
        var productName: String
        var interval: BillingInterval
        var quantity: Int
        var unitPrice: Money
        var providerPrice: String?
        var email: String?
        var trialDays: Int
        var successURL: String
        var cancelURL: String
        var status = Status.open
        var isPaid = false
        var hasFailed = false
        var subscription: String?
        var expiresAt: Timestamp

        /// Whether both were asked for in the same words, whatever became of this one since.
        func begins(as other: Session) -> Bool {
            var asked = self
            (asked.status, asked.isPaid, asked.hasFailed) = (other.status, other.isPaid, other.hasFailed)
            (asked.subscription, asked.expiresAt) = (other.subscription, other.expiresAt)
            return asked == other
        }
    }

    struct Subscription: Codable, Sendable, Hashable {
        var id: String
        var session: String
        var reference: String
        var tier: String
        var productName: String
        var providerPrice: String?
        var interval: BillingInterval
        var quantity: Int
        var unitPrice: Money
        var status: SubscriptionStatus
        /// Day of the month on which periods begin.
        var anchor: Int
        /// Nil until the first payment or trial.
        var periodStart: Timestamp?
        var periodEnd: Timestamp?
        var trialEnd: Timestamp?
        var cancelsAt: Timestamp?
        var endedAt: Timestamp?
        /// How it was taxed last.
        var vat: VATTreatment
    }

    /// A numbered invoice as the ledger sees it: what is due, what came, what was told.
    struct Bill: Codable, Sendable, Hashable {
        var number: DocumentNumber
        var issued: Day
        var due: Day
        var subscription: String
        var total: Int64
        var currency: Currency
        /// Taken off by credit notes.
        var credited: Int64 = 0
        var credits: [DocumentNumber] = []
        var periodStart: Timestamp?
        var periodEnd: Timestamp?
        var postings: [Posting] = []
        /// As last told.
        var isPaid = false
        /// Since when it is told to be overdue.
        var overdueSince: Timestamp?
        /// A paid invoice that becomes unpaid is a new claim: the word of the first stays true.
        var claim = 1
        /// The excess of which staff was told and that was not sent back yet.
        var owed: Int64 = 0
        var refunds = 0
        /// The net amounts of its credit notes; nil: none since this is kept.
        var creditedNet: Int64?
        /// By which all of it or parts go back, in their order.
        var refundOrders: [RefundOrder]?

        /// What is to be paid in the end.
        var payable: Int64 { max(0, total - credited) }
        /// What is on the account for it.
        var balance: Int64 { postings.filter { $0.currency == currency }.reduce(0) { $0 + $1.minor } }
        var open: Int64 { max(0, payable - balance) }
        var isCancelled: Bool { credited >= total }
        /// Nothing can happen to it by time alone, and nothing is owed.
        var isSettled: Bool { (isPaid || isCancelled) && owed == 0 && foreign.isEmpty }
        /// What came in other currencies and was not sent back.
        var foreign: [Currency: Int64] {
            Dictionary(postings.filter { $0.currency != currency }.map { ($0.currency, $0.minor) }, uniquingKeysWith: +).filter {
                $0.value > 0
            }
        }
        /// Of the refund that was told last.
        var refundID: String { "re_\(number)_\(refunds)" }
        var claimID: String { claim == 1 ? number.description : "\(number):\(claim)" }
    }

    /// Somebody ordered that money goes back.
    struct RefundOrder: Codable, Sendable, Hashable {
        /// Of the idempotency key, and of the whole request.
        var key: String
        var request: String
        var amount: Int64
        /// The draft of its credit note.
        var claim: String
        /// The refund that came of it, once the credit note has its number.
        var refund: String?
    }

    struct Posting: Codable, Sendable, Hashable {
        var booking: String
        var day: Day
        var minor: Int64
        var currency: Currency
    }

    struct Draft: Codable, Sendable, Hashable {
        /// Names the document before it has a number; the same for the same cause.
        var claim: String
        /// Everything but the number.
        var kind: Invoice.Kind
        var issued: Day
        var due: Day?
        var lines: [BilledLine]
        var buyer: Party
        var orderReference: String?
        var corrects: Invoice.Correction?
        var note: String?
        var subscription: String
        var periodStart: Timestamp?
        var periodEnd: Timestamp?
        /// A credit note without words to staff: nothing was paid.
        var isCancellation = false
        var rounding: Int64?
    }

    struct Portal: Codable, Sendable, Hashable {
        var token: String
        var returnURL: String
        var expiresAt: Timestamp
    }

    struct PendingWebhook: Codable, Sendable, Hashable {
        var number: Int
        var event: String
        var body: String
        var due: Timestamp
        var attempts = 0
    }

    // What one value of the key-value space can hold bounds what a customer can have.
    static let maxPending = 30
    static let maxBills = 18
    static let maxPostings = 96
    static let maxSessions = 5
    static let maxSubscriptions = 4
    static let maxPortals = 5
}

/// How much time things take, out of the settings.
struct Pace: Sendable, Hashable {
    var paymentDays: Int
    var slackDays: Int
    var renewalLeadDays: Int
    var cancelAfterDays: Int
    var tolerance: Int64
    init(_ terms: Terms) {
        (paymentDays, slackDays, renewalLeadDays) = (terms.paymentDays, terms.slackDays, terms.renewalLeadDays)
        (cancelAfterDays, tolerance) = (terms.cancelAfterDays, terms.tolerance)
    }
    /// The first moment at which an unpaid invoice counts as overdue: the day after its due date and the slack.
    func overdue(_ bill: Account.Bill) -> Timestamp { bill.due.start + .days(Int64(slackDays + 1)) }
    func givenUp(since overdue: Timestamp) -> Timestamp { overdue + .days(Int64(cancelAfterDays)) }
    func renewal(_ end: Timestamp) -> Timestamp { end - .days(Int64(renewalLeadDays)) }
}
