import Store
import Vocabulary

/// Every statement of the room. Unsuffixed names run in tenant scope, the directory in kernel scope.
enum LicenseTable {
    private static let columns =
        "license_id, origin, tier, quantity, version, standing, period_end, grace_until, cancels_at, revoked_at, granted, issued_at"

    static let licenses = SQL("licensing.licenses", "SELECT \(columns) FROM license ORDER BY issued_at, license_id")
    static let page = SQL(
        "licensing.page", "SELECT \(columns) FROM license WHERE license_id > $1 ORDER BY license_id LIMIT $2")
    static let license = SQL("licensing.license", "SELECT \(columns) FROM license WHERE license_id = $1")
    static let licenseOf = SQL("licensing.license_of_origin", "SELECT \(columns) FROM license WHERE origin = $1")
    private static let seatColumns = "license_id, tier, quantity, standing, period_end, grace_until, cancels_at, revoked_at"
    static let seatLicenses = SQL("licensing.seat_licenses", "SELECT \(seatColumns) FROM license ORDER BY issued_at, license_id")
    static let seatLicense = SQL("licensing.seat_license", "SELECT \(seatColumns) FROM license WHERE license_id = $1")
    static let keyBox = SQL("licensing.key_box", "SELECT key_box FROM license WHERE license_id = $1")
    static let insert = SQL(
        "licensing.insert_license",
        """
        INSERT INTO license
            (tenant_id, license_id, origin, tier, quantity, version, standing, period_end, grace_until, cancels_at, revoked_at, granted,
             key_box, issued_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, $11, $12, $13, $13)
        """)
    static let write = SQL(
        "licensing.write_license",
        """
        UPDATE license SET tier = $2, quantity = $3, version = $4, standing = $5, period_end = $6, grace_until = $7, cancels_at = $8,
            revoked_at = $9, granted = $10, changed_at = $11
        WHERE license_id = $1 RETURNING license_id
        """)

    static let standing = SQL(
        "licensing.standing", "SELECT version, was_entitled, snapshot FROM license_standing WHERE subscription_id = $1")
    static let insertStanding = SQL(
        "licensing.insert_standing",
        "INSERT INTO license_standing (tenant_id, subscription_id, version, was_entitled, snapshot) VALUES ($1, $2, $3, $4, $5)")
    static let writeStanding = SQL(
        "licensing.write_standing",
        "UPDATE license_standing SET version = $2, was_entitled = $3, snapshot = $4 WHERE subscription_id = $1 RETURNING subscription_id")

    static let activations = SQL(
        "licensing.activations",
        """
        SELECT device, activation_id, machine_name_box, activated_at FROM activation
        WHERE license_id = $1 AND activation_id > $2 ORDER BY activation_id LIMIT $3
        """)
    static let activation = SQL(
        "licensing.activation",
        "SELECT device, activation_id, machine_name_box, activated_at FROM activation WHERE license_id = $1 AND device = $2")
    /// How many, and the highest place taken.
    static let activationCount = SQL(
        "licensing.activation_count", "SELECT count(*), coalesce(max(place), 0) FROM activation WHERE license_id = $1")
    /// The lowest place that is free below a taken one, or 1.
    static let freePlace = SQL(
        "licensing.free_place",
        """
        SELECT min(place) + 1 FROM (SELECT 0 AS place UNION ALL SELECT place FROM activation WHERE license_id = $1) taken
        WHERE NOT EXISTS (SELECT 1 FROM activation other WHERE other.license_id = $1 AND other.place = taken.place + 1)
        """)
    static let activate = SQL(
        "licensing.activate",
        """
        INSERT INTO activation
            (tenant_id, license_id, device, activation_id, place, device_limit, machine_name_box, activated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """)
    static let deactivate = SQL(
        "licensing.deactivate", "DELETE FROM activation WHERE license_id = $1 AND device = $2")

    // Kernel scope.
    static let findKey = SQL("licensing.find_key", "SELECT tenant_id, license_id FROM license_key_directory WHERE digest = $1")
    static let routeKey = SQL(
        "licensing.route_key", "INSERT INTO license_key_directory (digest, tenant_id, license_id) VALUES ($1, $2, $3)")
}
