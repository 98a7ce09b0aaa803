import Vocabulary

/// Whether what a tenant has goes on, by everything that is known at one moment.
package enum ContractOutlook: Sendable, Hashable {
    /// Nothing was ever bought.
    case nothing
    /// Something is in force and has no end.
    case goesOn
    /// Every subscription ends, but something was agreed with the tenant that holds longer.
    case isBound
    /// Nothing goes on for sure, but something may: a payment is under way, or a subscription is suspended or paused.
    case waits
    /// Everything ends, or ended.
    case ends(ContractEnding)
}

/// The end of the last thing that was bought.
package struct ContractEnding: Sendable, Hashable {
    package var subscription: SubscriptionID
    /// Of the subscription, as others were told.
    package var version: Int64
    /// When what is paid for is over.
    package var at: Timestamp
    /// For want of money: another path leads from there.
    package var isUnpaid: Bool
    /// As whoever cancelled it said.
    package var reason: LeavingTenant.Reason
    package init(subscription: SubscriptionID, version: Int64, at: Timestamp, isUnpaid: Bool, reason: LeavingTenant.Reason = .other) {
        self.reason = reason
        self.subscription = subscription
        self.version = version
        self.at = at
        self.isUnpaid = isUnpaid
    }
}

/// What an owner said to the end of a subscription, by the versions of what is known of it.
struct EndingAnswer: Sendable, Hashable {
    /// The newest by which it goes on.
    var wentOn: Int64?
    /// The one to which an owner answered: we stay, or we came back.
    var answered: Int64?

    /// Whether the end that is known now is the one that was answered: in between it never went on.
    var isGiven: Bool { answered.map { $0 >= wentOn ?? 0 } ?? false }
}

/// Everything by which it is decided whether a cancelled subscription lets its tenant leave. A pure function of the facts and the time, so
/// that no order of news, repeat or crash ends otherwise.
struct LeavingProspect: Sendable {
    /// How far the end of what is paid for may move before owners are told again, and how late its own job may be before another one looks.
    static let slack = Duration.hours(1)

    enum Turn: Sendable, Hashable {
        case nothing
        case plan(ContractEnding)
        /// What is planned happens at another moment.
        case shift(Timestamp)
        case callOff
        /// The moment has come, or is past.
        case begin
        case lookAgain(Duration)
        /// Something is paid for by whom the platform let leave: news of it came too late, or nobody paid before.
        case comeBack
    }
    var latest: LeavingTenant?
    /// It came back, and not every room says so yet.
    var isReturning: Bool
    var outlook: ContractOutlook
    /// About the ending of `outlook`.
    var answer: EndingAnswer

    func turn(now: Timestamp) -> Turn {
        guard let latest, !latest.state.isOver else { return isReturning ? .lookAgain(.minutes(1)) : afresh }
        switch (latest.cause, latest.state) {
        case (.asked, _), (_, .purging): return .nothing
        case (_, .leaving): return outlook == .goesOn ? .lookAgain(.minutes(10)) : .nothing
        case (_, .retained): return outlook == .goesOn ? .comeBack : .nothing
        default:
            let turn = opening(latest, now)
            return turn == .begin && now < latest.leavesAt + Self.slack ? .nothing : turn
        }
    }

    /// Nothing is planned.
    private var afresh: Turn {
        switch outlook {
        case .nothing, .goesOn, .isBound: .nothing
        case .waits: .lookAgain(.days(1))
        case .ends(let ending): ending.isUnpaid || answer.isGiven || latest?.state == .purged ? .nothing : .plan(ending)
        }
    }

    /// Whether one that is planned may begin, its moment aside. What an owner asked for may.
    func opening(_ planned: LeavingTenant, _ now: Timestamp) -> Turn {
        switch (planned.cause, outlook) {
        case (.asked, _): .begin
        case (.cancelled, .nothing), (.cancelled, .goesOn), (.cancelled, .isBound): .callOff
        case (.cancelled, .waits): .lookAgain(.days(1))
        case (.cancelled, .ends(let ending)): planned.isEarly || ending.at == planned.wantedAt ? .begin : .shift(ending.at)
        case (.lapsed, .goesOn): .callOff
        case (.lapsed, .ends(let ending)): ending.at > now ? .callOff : .begin
        case (.lapsed, _): .begin
        }
    }
}
