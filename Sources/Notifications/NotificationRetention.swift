import Store
import Vocabulary

/// What the room keeps, and how long.
package enum NotificationRetention {
    private static let daily = RetentionJob("notifications.purge", every: .days(1))

    package static let kinds = [
        kind(
            "sent_mails", "That a mail went out, to whom, by which template", "notification_sent", "sent_at",
            "a request that is repeated sends no second mail", keys: [("occasion", .text), ("user_id", .id)]),
        kind(
            "mail_rulings", "That a policy put a mail off, and until when", "mail_ruling", "due_at", "it is put off once",
            keys: [("occasion", .text), ("user_id", .id)]),
        kind(
            "mail_deliveries", "What became of a mail", "mail_delivery", "changed_at", "staff looks why somebody got none",
            keys: [("mail", .text)]),
        kind(
            "mail_reports", "Reports of mail channels that were taken", "mail_report", "received_at", "a report counts once",
            keys: [("channel", .text), ("report", .text)]),
        RetentionKind(
            "suppressed_addresses", "Addresses that refused mail for good, as keyed hashes", .person, tables: ["mail_suppression"],
            [
                RetentionDuty(
                    .purpose, "nothing is sent to who did not want it or is not there", from: "when it was refused", clock: "since",
                    .days(NotificationSettings.suppressedDays))
            ], end: .deleted, job: daily, probe: RetentionProbe("mail_suppression", .ofPlatform, by: "address_digest", .digest)),
        RetentionKind(
            "mail_choices", "Which mails a person does not want", .person, tables: ["mail_optout"],
            [.lasting(.person, "the choice holds until it is changed")], end: .deleted),
        RetentionKind(
            "mail_claims", "That a process is sending a mail at this moment", .platform, tables: ["notification_claim"],
            [.lasting(.work, "no other sends it too", .purpose)], end: .overwritten),
        RetentionKind(
            "mail_looks", "A tenant's own look of mails", .tenant, tables: ["mail_brand_all"],
            [.lasting(.tenant, "its mails look so")], end: .deleted),
    ]

    private static func kind(
        _ name: String, _ summary: String, _ table: String, _ clock: String, _ why: String,
        keys: [(column: String, form: RetentionProbe.Form)]
    ) -> RetentionKind {
        RetentionKind(
            name, summary, .person, tables: [table],
            [RetentionDuty(.purpose, why, from: "when it was written", clock: clock, .days(NotificationSettings.retentionDays))],
            end: .deleted, job: daily, probe: RetentionProbe(table, .ofPlatform, keys: keys))
    }
}
