import Store

/// Every SQL statement of the room.
enum NotificationTable {
    static let wasSent = SQL("notifications.was_sent", "SELECT 1 FROM notification_sent WHERE occasion = $1 AND user_id = $2")
    static let insertSent = SQL(
        "notifications.insert_sent",
        "INSERT INTO notification_sent (occasion, user_id, template, sent_at) VALUES ($1, $2, $3, $4) ON CONFLICT (occasion, user_id) DO NOTHING")
    static let purge = SQL(
        "notifications.purge",
        """
        DELETE FROM notification_sent WHERE (occasion, user_id) IN
            (SELECT occasion, user_id FROM notification_sent WHERE sent_at < $1 ORDER BY sent_at LIMIT $2)
        RETURNING 1
        """)
}
