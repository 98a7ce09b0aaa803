import Vocabulary

/// The calendar of a moment, UTC.
package struct CivilTime: Sendable, Hashable {
    package let year: Int64
    package let month: Int64
    package let day: Int64
    package let hour: Int64
    package let minute: Int64
    package let second: Int64
    package let microsecond: Int64
    /// 1 is Monday.
    package let weekday: Int64

    /// After Howard Hinnant, "chrono-compatible low-level date algorithms".
    package init(_ moment: Timestamp) {
        func floored(_ number: Int64, _ by: Int64) -> (quotient: Int64, rest: Int64) {
            let parts = number.quotientAndRemainder(dividingBy: by)
            return parts.remainder < 0 ? (parts.quotient - 1, parts.remainder + by) : (parts.quotient, parts.remainder)
        }
        let (seconds, fraction) = floored(moment.microseconds, 1_000_000)
        let (days, rest) = floored(seconds, 86_400)
        let (era, dayOfEra) = floored(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let slot = (5 * dayOfYear + 2) / 153
        month = slot < 10 ? slot + 3 : slot - 9
        day = dayOfYear - (153 * slot + 2) / 5 + 1
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        hour = rest / 3_600
        minute = rest / 60 % 60
        second = rest % 60
        microsecond = fraction
        // 1970-01-01 was a Thursday.
        weekday = floored(days + 3, 7).rest + 1
    }

    /// `now` of every hook's input.
    package func input(epochSeconds: Int64) -> HookValue {
        .object([
            ("epoch_seconds", .int(epochSeconds)), ("year", .int(year)), ("month", .int(month)), ("day", .int(day)), ("hour", .int(hour)),
            ("minute", .int(minute)), ("second", .int(second)), ("weekday", .int(weekday)),
        ])
    }
}
