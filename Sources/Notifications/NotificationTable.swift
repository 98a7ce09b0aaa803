import Store

/// Every SQL statement of the room.
enum NotificationTable {
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
        ON CONFLICT (occasion, user_id) DO UPDATE SET claimed_until = excluded.claimed_until WHERE claimed_until <= $4
        RETURNING 1
        """)
    static let giveBack = SQL("notifications.give_back", "DELETE FROM notification_claim WHERE occasion = $1 AND user_id = $2")
    static let purge = SQL(
        "notifications.purge",
        """
        DELETE FROM notification_sent WHERE (occasion, user_id) IN
            (SELECT occasion, user_id FROM notification_sent WHERE sent_at < $1 ORDER BY sent_at LIMIT $2)
        RETURNING 1
        """)
}
