import Vocabulary

package enum NotificationSettings {
    package static let from = Setting(
        "mail.from", default: "no-reply@coditect.example", range: "one mail address", accepts: { MailText.isAddress($0) },
        reason: "The sender of every mail; must be an address that the sending domain owns.")
    package static let retentionDays = Setting(
        "mail.sent_retention_days", default: 90, in: 1...3_650,
        reason: "How long it is remembered that a mail went out; a request repeated later would be sent again.")
    package static let all: [AnySetting] = [from.erased, retentionDays.erased]
}
