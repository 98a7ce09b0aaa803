import Vocabulary

/// A life, or many, to be lived in virtual time: who does what when, how the provider behaves, where the platform dies.
package struct Script: Sendable {
    /// What a person, a bank or a member of staff does.
    package enum Deed: Sendable, Hashable {
        case signUp
        case subscribe(tier: String, interval: BillingInterval, quantity: Int)
        case cardDeclines(DeclineReason)
        case cardWorks
        case payOpen
        case change(tier: String?, interval: BillingInterval?, quantity: Int?)
        case cancel(SubscriptionCancellation.When)
        case resume
        case pause(days: Int?)
        case invite(email: String, role: String, endsAfterDays: Int?)
        case remove(email: String)
        /// A person asks for erasure of all that is known of him or her.
        case erase(email: String)
        case takeSeat(email: String?, device: String)
        case releaseSeat(device: String)
        case refund
        case dispute
        /// The whole organisation goes, and comes back.
        case leave(isNow: Bool, reason: String)
        case comeBack
        /// What the mailed link shows must be in this state.
        case proof(state: String?)
        /// Of the whole platform, as its operator.
        case backUp
        /// Any route, as one of the tenant's people.
        case call(Request)

        /// As the script writes it.
        package var name: String {
            switch self {
            case .signUp: "sign_up"
            case .subscribe: "subscribe"
            case .cardDeclines: "card_declines"
            case .cardWorks: "card_works"
            case .payOpen: "pay_open"
            case .change: "change"
            case .cancel: "cancel"
            case .resume: "resume"
            case .pause: "pause"
            case .leave: "leave"
            case .comeBack: "come_back"
            case .proof: "proof"
            case .backUp: "back_up"
            case .invite: "invite"
            case .remove: "remove"
            case .erase: "erase"
            case .takeSeat: "take_seat"
            case .releaseSeat: "release_seat"
            case .refund: "refund"
            case .dispute: "dispute"
            case .call: "call"
            }
        }
    }
    package struct Request: Sendable, Hashable {
        package var method: String
        package var path: String
        package var body: JSONValue?
        package var email: String?
        package var status: Int?
    }
    package struct Step: Sendable, Hashable {
        package var at: Timestamp
        package var deed: Deed
        /// Of the script's text; 0 where nobody wrote one.
        package var line = 0
        package init(at: Timestamp, _ deed: Deed, line: Int = 0) {
            self.at = at
            self.deed = deed
            self.line = line
        }
    }
    package struct Life: Sendable, Hashable {
        package var name: String
        package var owner: String
        package var steps: [Step]
        package init(name: String, owner: String, steps: [Step]) {
            self.name = name
            self.owner = owner
            self.steps = steps
        }
    }
    package struct Crash: Sendable, Hashable {
        package var at: Timestamp
        /// Nil: between two jobs. Else when it next comes by there, at or after `at`.
        package var point: BreakPoint?
        package var down: Duration
        package init(at: Timestamp, point: BreakPoint?, down: Duration) {
            self.at = at
            self.point = point
            self.down = down
        }
    }
    /// What must be seen at a moment; else the run ends with a finding.
    package struct Expectation: Sendable, Hashable {
        package var at: Timestamp
        package var tenant: String
        package var access: Bool?
        package var state: String?
        package var tier: String?
        package var line: Int
    }

    package var seed: UInt64 = 1
    package var start = Timestamp(seconds: 1_798_761_600)
    package var days = 400
    /// The text of a settings file.
    package var settings = ""
    package var manner = ProviderManner()
    package var lives: [Life] = []
    package var crashes: [Crash] = []
    package var expectations: [Expectation] = []
    package init() {}

    package var end: Timestamp { start + .days(Int64(days)) }
}
