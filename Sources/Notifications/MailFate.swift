import Vocabulary

/// What became of one mail. Reports come in any order and more than once: of two the later in this list stands, so that order changes nothing.
package enum MailFate: String, Sendable, Hashable, CaseIterable {
    /// Handed over right now, or a crash ended that.
    case sending
    /// Surely not taken; tried again.
    case waiting
    /// The channel never answered: sent again under the same Message-ID, unless a report says first that it was taken.
    case unknown
    case sent
    /// For good, at once.
    case refused
    /// Not sent: the address takes no mail.
    case suppressed
    // What the channel told later.
    case accepted, deferred, delivered, unsubscribed, dropped, bounced, complained

    package init(_ fate: MailReport.Fate) {
        self =
            switch fate {
            case .accepted: .accepted
            case .deferred: .deferred
            case .delivered: .delivered
            case .unsubscribed: .unsubscribed
            case .dropped: .dropped
            case .bounced: .bounced
            case .complained: .complained
            @unknown default: .accepted
            }
    }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    /// The later of the two.
    package func joined(with other: MailFate) -> MailFate { other.rank > rank ? other : self }

    /// Whether the channel has it: nobody sends it again.
    var isTaken: Bool { rank >= MailFate.sent.rank }
    /// Whether an earlier attempt may have been taken.
    var isOpen: Bool { self == .sending || self == .unknown }
    /// What staff can find in the journal without looking at each mail.
    var isTold: Bool { [.unsubscribed, .dropped, .bounced, .complained].contains(self) }

    /// Codes of a recipient's server that speak of the address for good (RFC 3463, 3.2; RFC 7505).
    static func isOfAddress(_ code: String) -> Bool { ["5.1.1", "5.1.6", "5.1.10"].contains(code) }
}

/// The channel never said whether it has the mail.
package struct MailUnknown: Error, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// An address that takes no mail, without the address.
package struct MailSuppression: Sendable, Hashable {
    package let id: SuppressionID
    package let user: UserID
    package let cause: String
    package let code: String
    package let since: Timestamp
}

package enum SuppressionMark {}
/// Made of the address's digest, so that an address has one.
package typealias SuppressionID = Identifier<SuppressionMark>

/// One mail as staff sees it.
package struct MailStanding: Sendable, Hashable {
    package let mail: String
    package let template: String
    package let fate: MailFate
    package let code: String
    package let attempts: Int
    package let changedAt: Timestamp
}
