import Store

/// Every SQL statement of the room.
enum NotificationTable {
    static let ofPerson = ["notification_sent", "notification_claim", "mail_delivery", "mail_suppression", "mail_optout", "mail_ruling"].map
    {
        SQL("notifications.erase_\($0)", "DELETE FROM \($0) WHERE user_id = $1")
    }
    static let wasSent = SQL("notifications.was_sent", "SELECT 1 FROM notification_sent WHERE occasion = $1 AND user_id = $2")
    static let insertSent = SQL(
        "notifications.insert_sent",
        """
        INSERT INTO notification_sent (occasion, user_id, template, sent_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (occasion, user_id) DO NOTHING RETURNING 1
        """)
    /// A row comes back to whoever has the claim now: nobody else sends until it is over or given back.
    static let claim = SQL(
        "notifications.claim",
        """
        INSERT INTO notification_claim (occasion, user_id, claimed_until) VALUES ($1, $2, $3)
        ON CONFLICT (occasion, user_id) DO UPDATE SET claimed_until = excluded.claimed_until WHERE notification_claim.claimed_until <= $4
        RETURNING 1
        """)
    static let giveBack = SQL("notifications.give_back", "DELETE FROM notification_claim WHERE occasion = $1 AND user_id = $2")
    static let takeOver = SQL("notifications.take_over", "DELETE FROM notification_claim")
    static let purge = SQL(
        "notifications.purge",
        """
        DELETE FROM notification_sent WHERE (occasion, user_id) IN
            (SELECT occasion, user_id FROM notification_sent WHERE sent_at < $1 ORDER BY sent_at LIMIT $2)
        RETURNING 1
        """)

    // MARK: - What became of mails

    static let delivery = SQL("notifications.delivery", "SELECT fate, address_digest, user_id, template FROM mail_delivery WHERE mail = $1")
    /// One attempt more.
    static let begin = SQL(
        "notifications.begin_delivery",
        """
        INSERT INTO mail_delivery (mail, user_id, template, address_digest, fate, code, attempts, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 1, $7)
        ON CONFLICT (mail) DO UPDATE SET address_digest = excluded.address_digest, fate = excluded.fate, code = excluded.code,
            attempts = mail_delivery.attempts + 1, changed_at = excluded.changed_at
        RETURNING 1
        """)
    static let write = SQL(
        "notifications.write_delivery", "UPDATE mail_delivery SET fate = $2, code = $3, changed_at = $4 WHERE mail = $1 RETURNING 1")
    static let insertReport = SQL(
        "notifications.insert_report",
        "INSERT INTO mail_report (channel, report, received_at) VALUES ($1, $2, $3) ON CONFLICT (channel, report) DO NOTHING RETURNING 1")
    static let suppress = SQL(
        "notifications.suppress",
        """
        INSERT INTO mail_suppression (address_digest, suppression_id, user_id, cause, code, since) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (address_digest) DO NOTHING RETURNING 1
        """)
    static let suppression = SQL("notifications.suppression", "SELECT cause, code FROM mail_suppression WHERE address_digest = $1")
    static let suppressions = SQL(
        "notifications.suppressions",
        "SELECT suppression_id, user_id, cause, code, since FROM mail_suppression WHERE since <= $1 ORDER BY since DESC LIMIT $2")
    static let suppressionsOf = SQL(
        "notifications.suppressions_of_user",
        "SELECT suppression_id, user_id, cause, code, since FROM mail_suppression WHERE user_id = $1 LIMIT 20")
    static let lift = SQL(
        "notifications.lift", "DELETE FROM mail_suppression WHERE suppression_id = $1 RETURNING user_id, cause")
    static let deliveriesOf = SQL(
        "notifications.deliveries_of_user",
        """
        SELECT mail, template, fate, code, attempts, changed_at FROM mail_delivery WHERE user_id = $1 ORDER BY changed_at DESC LIMIT $2
        """)
    static let purgeDeliveries = SQL(
        "notifications.purge_deliveries",
        "DELETE FROM mail_delivery WHERE mail IN (SELECT mail FROM mail_delivery WHERE changed_at < $1 ORDER BY changed_at LIMIT $2) RETURNING 1"
    )
    static let purgeReports = SQL(
        "notifications.purge_reports",
        """
        DELETE FROM mail_report WHERE (channel, report) IN
            (SELECT channel, report FROM mail_report WHERE received_at < $1 ORDER BY received_at LIMIT $2)
        RETURNING 1
        """)
    static let purgeSuppressions = SQL(
        "notifications.purge_suppressions",
        """
        DELETE FROM mail_suppression WHERE address_digest IN
            (SELECT address_digest FROM mail_suppression WHERE since < $1 ORDER BY since LIMIT $2)
        RETURNING 1
        """)
}
