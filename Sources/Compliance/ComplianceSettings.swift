import Vocabulary

package enum ComplianceSettings {
    package static let everyHours = Setting(
        "compliance.every_hours", default: 24, in: 1...168,
        reason: "Between two scheduled evaluations. Evidence of the shipped framework counts for two days.")
    package static let pauseSeconds = Setting(
        "compliance.pause_seconds", default: 60, in: 0...86_400,
        reason: "Between two evaluations of a tenant on demand: each reads the whole journal.")
    package static let retentionDays = Setting(
        "compliance.retention_days", default: 731, in: 30...3_660,
        reason: "How long results and their evidence are kept; as long as the journal, unless an auditor wants more.")
    package static let all: [AnySetting] = [everyHours.erased, pauseSeconds.erased, retentionDays.erased]
}
