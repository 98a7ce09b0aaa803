import Store
import Tenancy

extension Notifications {
    /// What was mailed and how it fared; no text of a mail is kept.
    package var personRecords: RoomRecords {
        RoomRecords(
            "notifications", store: store,
            [
                PersonTable("notification_sent", .kernel, shows: ["template", "sent_at"], .erased),
                PersonTable("notification_claim", .kernel, shows: ["claimed_until"], .erased),
                PersonTable("mail_delivery", .kernel, shows: ["template", "fate", "code", "attempts", "changed_at"], .erased),
                PersonTable("mail_suppression", .kernel, shows: ["cause", "code", "since"], .erased),
                PersonTable("mail_optout", .kernel, shows: ["template", "since"], .erased),
                PersonTable("mail_ruling", .kernel, shows: ["due_at"], .erased),
            ])
    }
}
