import Foundation
import Store
import Vocabulary

/// News that no webhook brought: the house asked, and the provider answered or listed it. It goes the way of every event from there on, so that
/// policy is asked, mails are sent once and the mirror joins it.
struct KnownNews {
    /// No provider's event can be called so: `PaymentInbox` takes none.
    static let prefix = "coditect"
    static let type = "coditect.known"

    let parts: BillingParts

    static func isReserved(_ name: String) -> Bool { name.hasPrefix(prefix) }

    /// Stores what the facts say, once; the job that applies it comes with it. False: known before.
    /// - Parameter found: what of the record here it is to put right.
    @discardableResult
    func store(
        _ news: PaymentNews, _ tenant: TenantID, _ db: any KernelScope, _ act: Act, found: CorrectionFinding? = nil
    ) throws -> Bool {
        let id: PaymentEvent.ID = parts.floor.entropy.id(act.now)
        let name = KnownNews.name(news)
        let body = try JSONCoding.encode(news.facts)
        let box = try parts.floor.sealer.seal([UInt8](body), context: PaymentInbox.context(id))
        let digest = parts.floor.sealer.digest([UInt8](body), purpose: "payment_event.body")
        let occurredAt = news.readings.map(\.asOf).min() ?? act.now
        guard
            try db.row(InboxTable.insert, id, news.provider, name, KnownNews.type, occurredAt, act.now, box, digest) != nil
        else { return false }
        try found?.note(id, db)
        try db.enqueue(PaymentPosting.job(id, round: 0, runAt: act.now), act)
        return true
    }

    static func facts(_ body: [UInt8]) throws -> [PaymentFact] { try JSONCoding.decode([PaymentFact].self, Data(body)) }

    /// The same for the same news: what absorbs is named by what it says, what may come and go by its time too.
    static func name(_ news: PaymentNews) -> String {
        let words = news.facts.map { fact in
            switch fact {
            case .refund(let fact): "refund|\(fact.refund)"
            case .dispute(let fact): "dispute|\(fact.dispute)|\(fact.status)"
            case .invoice(let fact) where fact.isPaid: "paid|\(fact.invoice)|\(fact.periodEnd?.microseconds ?? 0)"
            case .invoice(let fact): "open|\(fact.invoice)|\(fact.hasFailed)|\(fact.periodEnd?.microseconds ?? 0)"
            case .subscription(let fact) where fact.status == .cancelled: "ended|\(fact.subscription)"
            case .subscription(let fact): "subscription|\(fact.subscription)|\(fact.asOf.microseconds)"
            case .checkout(let fact): "checkout|\(fact.session)|\(fact.isPaid)|\(fact.hasFailed)"
            default: "other|\(news.event)"
            }
        }
        return "\(prefix):" + PluginDigest.hex(Array(PluginDigest.sha256(Data(words.joined(separator: "\n").utf8)).prefix(16)))
    }
}
