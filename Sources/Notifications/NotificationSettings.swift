import Vocabulary

package enum NotificationSettings {
    package static let from = Setting(
        "mail.from", default: "no-reply@coditect.example", range: "one mail address", accepts: { MailText.isAddress($0) },
        reason: "The sender of every mail; must be an address that the sending domain owns.", environment: "SENDGRID_FROM_EMAIL")
    package static let retentionDays = Setting(
        "mail.sent_retention_days", default: 90, in: 1...3_650,
        reason: "How long it is remembered that a mail went out; a request repeated later would be sent again.")
    package static let channel = Setting(
        "mail.channel", default: "", range: "empty, or the id of a notification plugin: smtp, sendgrid",
        accepts: {
            $0.isEmpty
                || (1...40).contains($0.utf8.count) && $0.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
        },
        reason: "Who takes mails out. Empty: they are files in DATA/mailbox, shown to this machine and to administrators.")
    package static let suppressedDays = Setting(
        "mail.suppressed_days", default: 365, in: 1...3_650,
        reason: "How long nothing is sent to an address that refused a mail for good; afterwards it is tried again.")
    package static let all: [AnySetting] = [from.erased, retentionDays.erased, channel.erased, suppressedDays.erased]
}
