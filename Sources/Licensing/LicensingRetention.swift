import Store

/// What the room keeps, and how long.
package enum LicensingRetention {
    package static let kinds = [
        RetentionKind(
            "licenses", "Licences, their keys, and the devices that are activated", .tenant,
            tables: [
                "license_all", "license_standing_all", "license_closure_all", "license_key_directory", "activation_all",
                "activation_part_all",
            ], [.lasting(.tenant, "its programs run by them; one that was revoked still says so")], end: .deleted,
            probe: RetentionProbe("license_all", by: "license_id"))
    ]
}
