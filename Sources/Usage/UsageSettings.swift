import Vocabulary

package enum UsageSettings {
    package static let closingHours = Setting(
        "usage.closing_hours", default: 72, in: 0...744,
        reason: "How long after its end a period still takes what happened in it: longer than any reporter is offline.")
    package static let warningPercent = Setting(
        "usage.warning_percent", default: 80, in: 1...100,
        reason: "From which share of a quota on owners are told, where the tier names no soft_limit.")
    package static let recordDays = Setting(
        "usage.record_days", default: 400, in: 62...3_650,
        reason:
            "How long single records stay, for questions about a bill; the sums of periods stay. Never shorter than a period may be open.")
    package static let all: [AnySetting] = [closingHours.erased, warningPercent.erased, recordDays.erased]
}
