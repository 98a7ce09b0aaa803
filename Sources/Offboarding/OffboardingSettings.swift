import Vocabulary

package enum OffboardingSettings {
    package static let retentionDays = Setting(
        "offboarding.retention_days", default: 30, in: 0...3_650,
        reason: "For how many days a tenant that left can come back, where the policy's plan does not say.")
    package static let offerDays = Setting(
        "offboarding.offer_days", default: 2, in: 0...30,
        reason: "How long an offer to stay waits for an answer before a tenant that wants to leave at once does.")
    package static let lapseDays = Setting(
        "offboarding.lapse_days", default: 30, in: 1...3_650,
        reason: "After so many days of suspension for want of payment, or without the subscription that ended, a tenant leaves by itself.")
    package static let proofDays = Setting(
        "offboarding.proof_days", default: 731, in: 30...3_660,
        reason: "For how long the mailed link shows the certificate of deletion; as long as the audit log is kept.")
    package static let exportDays = Setting(
        "offboarding.export_days", default: 30, in: 1...365,
        reason: "For how long an export can be fetched; that of a tenant that leaves no longer than it is retained.")
    package static let exportsPerDay = Setting(
        "offboarding.exports_per_day", default: 3, in: 0...100, reason: "How many exports a tenant that stays may ask for in 24 hours.")
    package static let all: [AnySetting] = [
        retentionDays.erased, offerDays.erased, lapseDays.erased, proofDays.erased, exportDays.erased, exportsPerDay.erased,
    ]
}
