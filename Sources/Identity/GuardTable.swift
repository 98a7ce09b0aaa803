import Store

/// Every statement about guesses and known networks. Kernel scope.
enum GuardTable {
    static let pair = SQL(
        "identity.login_guard",
        """
        SELECT epoch, begun, failed, last_at, locked_until, is_noticed FROM login_guard WHERE account_digest = $1 AND network_digest = $2
        """)
    static let writePair = SQL(
        "identity.write_login_guard",
        """
        INSERT INTO login_guard (account_digest, network_digest, epoch, begun, failed, last_at, locked_until, is_noticed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (account_digest, network_digest) DO UPDATE
        SET epoch = $3, begun = $4, failed = $5, last_at = $6, locked_until = $7, is_noticed = $8
        """)
    static let pressure = SQL(
        "identity.login_pressure", "SELECT begun, since, next_slot_at FROM login_pressure WHERE account_digest = $1")
    static let writePressure = SQL(
        "identity.write_login_pressure",
        """
        INSERT INTO login_pressure (account_digest, begun, since, next_slot_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (account_digest) DO UPDATE SET begun = $2, since = $3, next_slot_at = $4
        """)
    static let knows = SQL(
        "identity.known_network", "SELECT 1 FROM known_network WHERE user_id = $1 AND network_digest = $2 AND proved_at > $3")
    static let networksOf = SQL(
        "identity.networks_of_user", "SELECT network_digest FROM known_network WHERE user_id = $1 ORDER BY proved_at DESC LIMIT 200")
    static let learn = SQL(
        "identity.learn_network",
        """
        INSERT INTO known_network (user_id, network_digest, proved_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id, network_digest) DO UPDATE SET proved_at = $3
        """)

    static let sweepPairs = SQL(
        "identity.sweep_login_guard",
        """
        DELETE FROM login_guard WHERE (account_digest, network_digest) IN (
            SELECT account_digest, network_digest FROM login_guard WHERE last_at < $1 LIMIT $2)
        RETURNING account_digest
        """)
    static let sweepPressure = SQL(
        "identity.sweep_login_pressure",
        """
        DELETE FROM login_pressure WHERE account_digest IN (SELECT account_digest FROM login_pressure WHERE since < $1 LIMIT $2)
        RETURNING account_digest
        """)
    static let sweepNetworks = SQL(
        "identity.sweep_known_networks",
        """
        DELETE FROM known_network WHERE (user_id, network_digest) IN (
            SELECT user_id, network_digest FROM known_network WHERE proved_at < $1 LIMIT $2)
        RETURNING user_id
        """)
}
