import Catalog
import HookEngine
import Vocabulary

/// The time in which a quota counts, from zero. Pure: the same anchor and moment give the same period.
package struct UsagePeriod: Sendable, Hashable {
    package enum State: String, LifecycleState {
        /// It counts.
        case open
        /// Over; late uses still come in.
        case closing
        /// Final.
        case closed
    }

    package let start: Timestamp
    package let end: Timestamp
    package init(start: Timestamp, end: Timestamp) {
        self.start = start
        self.end = end
    }

    package func state(at now: Timestamp, window: Duration) -> State {
        now < end ? .open : now < end + window ? .closing : .closed
    }

    /// The period of this length that holds `moment`, counted from `anchor` in both directions. Months keep the anchor's day where they
    /// have it, and are over on their last day where not.
    package static func holding(_ moment: Timestamp, _ length: Quota.Period, anchor: Timestamp) -> UsagePeriod {
        switch length {
        case .day:
            let day: Int64 = 86_400_000_000
            let steps = floored(moment.microseconds - anchor.microseconds, by: day)
            let start = Timestamp(microseconds: anchor.microseconds + steps * day)
            return UsagePeriod(start: start, end: Timestamp(microseconds: start.microseconds + day))
        case .month: return stepping(moment, anchor, months: 1)
        case .year: return stepping(moment, anchor, months: 12)
        }
    }

    private static func stepping(_ moment: Timestamp, _ anchor: Timestamp, months: Int64) -> UsagePeriod {
        let (from, to) = (CivilTime(anchor), CivilTime(moment))
        var step = floored((to.year - from.year) * 12 + to.month - from.month, by: months)
        // The day within the month decides the rest.
        while anchor.adding(months: step * months) > moment { step -= 1 }
        while anchor.adding(months: (step + 1) * months) <= moment { step += 1 }
        return UsagePeriod(start: anchor.adding(months: step * months), end: anchor.adding(months: (step + 1) * months))
    }

    /// Without what other periods have already.
    func clipped(after before: Timestamp?, before after: Timestamp?) -> UsagePeriod {
        UsagePeriod(start: max(start, before ?? start), end: min(end, after ?? end))
    }
}

extension UsagePeriod {
    package static let lifecycle = Lifecycle<State>(
        "Usage period", "The time in which a quota counts.", initial: [.open],
        [
            Transition(
                "end", "ended", from: [.open], to: .closing, by: [.time, .provider],
                why: "its end came, or the tenant buys another subscription and starts anew"),
            Transition("close", "closed", from: [.closing], to: .closed, by: [.time], why: "`usage.closing_hours` are over"),
        ])
}

private func floored(_ number: Int64, by divisor: Int64) -> Int64 {
    let parts = number.quotientAndRemainder(dividingBy: divisor)
    return parts.remainder < 0 ? parts.quotient - 1 : parts.quotient
}

extension Timestamp {
    /// So many months later at the same time of day; on the month's last day where it has no such day.
    package func adding(months: Int64) -> Timestamp {
        let civil = CivilTime(self)
        let count = civil.year * 12 + civil.month - 1 + months
        let year = floored(count, by: 12)
        let month = count - year * 12 + 1
        let day = min(civil.day, Timestamp.length(ofMonth: month, year: year))
        let days = Timestamp.days(year: year, month: month, day: day)
        let dayStart = floored(microseconds, by: 86_400_000_000) * 86_400_000_000
        return Timestamp(microseconds: days * 86_400_000_000 + (microseconds - dayStart))
    }

    private static func length(ofMonth month: Int64, year: Int64) -> Int64 {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// Days since 1970 (Hinnant).
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floored(shifted, by: 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
