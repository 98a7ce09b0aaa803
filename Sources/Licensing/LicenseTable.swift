import Store
import Vocabulary

/// Every statement of the room. Unsuffixed names run in tenant scope, the directory in kernel scope.
enum LicenseTable {
    private static let columns =
        "license_id, origin, tier, quantity, version, standing, period_end, grace_until, cancels_at, revoked_at, granted, issued_at, held_at"

    static let everywhere = SQL(
        "licensing.everywhere",
        "SELECT tier, standing, count(*) FROM license_all WHERE revoked_at IS NULL GROUP BY tier, standing ORDER BY tier, standing LIMIT 500"
    )
    /// Those that let somebody in, of tenants that have not left.
    static let paid = SQL(
        "licensing.paid",
        """
        SELECT tenant_id, license_id, origin FROM license_all
        WHERE (tenant_id, license_id) > ($1, $2) AND origin <> 'free' AND revoked_at IS NULL AND standing IN ('active', 'grace')
            AND NOT EXISTS (SELECT 1 FROM license_closure_all AS closure WHERE closure.tenant_id = license_all.tenant_id)
        ORDER BY tenant_id, license_id LIMIT $3
        """)
    static let licenses = SQL("licensing.licenses", "SELECT \(columns) FROM license ORDER BY issued_at, license_id")
    static let page = SQL(
        "licensing.page", "SELECT \(columns) FROM license WHERE license_id > $1 ORDER BY license_id LIMIT $2")
    static let license = SQL("licensing.license", "SELECT \(columns) FROM license WHERE license_id = $1")
    static let licenseOf = SQL("licensing.license_of_origin", "SELECT \(columns) FROM license WHERE origin = $1")
    private static let seatColumns = "license_id, tier, quantity, standing, period_end, grace_until, cancels_at, revoked_at, held_at"
    static let seatLicenses = SQL("licensing.seat_licenses", "SELECT \(seatColumns) FROM license ORDER BY issued_at, license_id")
    static let seatLicense = SQL("licensing.seat_license", "SELECT \(seatColumns) FROM license WHERE license_id = $1")
    static let keyBox = SQL("licensing.key_box", "SELECT key_box FROM license WHERE license_id = $1")
    static let insert = SQL(
        "licensing.insert_license",
        """
        INSERT INTO license
            (tenant_id, license_id, origin, tier, quantity, version, standing, period_end, grace_until, cancels_at, revoked_at, granted,
             key_box, issued_at, changed_at, held_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, $11, $12, $13, $13, NULL)
        """)
    static let write = SQL(
        "licensing.write_license",
        """
        UPDATE license SET tier = $2, quantity = $3, version = $4, standing = $5, period_end = $6, grace_until = $7, cancels_at = $8,
            revoked_at = $9, granted = $10, changed_at = $11, held_at = $12
        WHERE license_id = $1 RETURNING license_id
        """)

    static let closed = SQL("licensing.closed", "SELECT closed_at FROM license_closure")
    static let close = SQL("licensing.close", "INSERT INTO license_closure (tenant_id, closed_at) VALUES ($1, $2)")
    static let reopen = SQL("licensing.reopen", "DELETE FROM license_closure RETURNING closed_at")

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

    /// Where a device sits, as it is taken along when the device changes its id.
    static let place = SQL(
        "licensing.place", "SELECT place, device_limit, machine_name_box FROM activation WHERE license_id = $1 AND device = $2")
    static let parts = SQL("licensing.parts", "SELECT digest FROM activation_part WHERE license_id = $1 AND device = $2")
    static let insertPart = SQL(
        "licensing.insert_part",
        "INSERT INTO activation_part (tenant_id, license_id, digest, device, parts) VALUES ($1, $2, $3, $4, $5)")
    static let deleteParts = SQL("licensing.delete_parts", "DELETE FROM activation_part WHERE license_id = $1 AND device = $2")
    private static let sharingOne = (2...9).map { "SELECT device, parts FROM activation_part WHERE license_id = $1 AND digest = $\($0)" }
    /// Devices that share any of eight parts, one for each pair of how many are equal and how many it named: 36 rows at the most,
    /// however many devices share them. A search for each part, as one for all eight would walk every part of the licence.
    static let sharing = SQL(
        "licensing.sharing",
        """
        SELECT equal, parts, device FROM (
            SELECT count(*) AS equal, parts, device, row_number() OVER (PARTITION BY count(*), parts ORDER BY device) AS nth
            FROM (\(sharingOne.joined(separator: " UNION ALL "))) shared GROUP BY device, parts
        ) found
        WHERE nth = 1 ORDER BY equal DESC, parts, device
        """)

    // Kernel scope.
    static let findKey = SQL("licensing.find_key", "SELECT tenant_id, license_id FROM license_key_directory WHERE digest = $1")
    static let routeKey = SQL(
        "licensing.route_key", "INSERT INTO license_key_directory (digest, tenant_id, license_id, tail) VALUES ($1, $2, $3, $4)")

    private static let foundColumns =
        "l.license_id, l.tenant_id, l.tier, l.quantity, l.standing, l.period_end, l.grace_until, l.cancels_at, l.revoked_at, l.held_at, "
        + "l.issued_at, l.key_box"
    /// Of every tenant, the newest first: before an identifier, of one tier or, where that is empty, of any.
    static let every = SQL(
        "licensing.every",
        """
        SELECT \(foundColumns) FROM license_key_directory d
        JOIN license_all l ON l.tenant_id = d.tenant_id AND l.license_id = d.license_id
        WHERE d.license_id < $1 AND ($2 = '' OR l.tier = $2) ORDER BY d.license_id DESC LIMIT $3
        """)
    static let everyOfTenant = SQL(
        "licensing.every_of_tenant",
        """
        SELECT \(foundColumns) FROM license_all l WHERE l.tenant_id = $1 AND l.license_id < $2 AND ($3 = '' OR l.tier = $3)
        ORDER BY l.license_id DESC LIMIT $4
        """)
    /// Of any tenant where that is empty.
    static let everyByKeyEnd = SQL(
        "licensing.every_by_key_end",
        """
        SELECT \(foundColumns) FROM license_key_directory d
        JOIN license_all l ON l.tenant_id = d.tenant_id AND l.license_id = d.license_id
        WHERE d.tail = $1 AND d.license_id < $2 AND ($3 = '' OR l.tier = $3) AND (d.tenant_id = $4 OR length($4) = 0)
        ORDER BY d.license_id DESC LIMIT $5
        """)
    static let withoutKeyEnd = SQL(
        "licensing.without_key_end",
        """
        SELECT d.license_id, l.key_box FROM license_key_directory d
        JOIN license_all l ON l.tenant_id = d.tenant_id AND l.license_id = d.license_id
        WHERE d.tail IS NULL AND d.license_id > $1 ORDER BY d.license_id LIMIT $2
        """)
    static let fillKeyEnd = SQL(
        "licensing.fill_key_end", "UPDATE license_key_directory SET tail = $2 WHERE license_id = $1 AND tail IS NULL")
}
