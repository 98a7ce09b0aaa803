import Store
import Tenancy
import Vocabulary

extension Licenses {
    /// Licences and the devices that use them, without keys and without what a device is known by.
    package var export: RowExport {
        let sealer = sealer
        return RowExport(
            "licensing", store: store,
            [
                RowExport.Kind(
                    "licenses", "license_all",
                    [
                        ("license_id", .id), ("origin", .text), ("tier", .text), ("quantity", .integer), ("version", .integer),
                        ("standing", .text), ("period_end", .time), ("grace_until", .time), ("cancels_at", .time), ("revoked_at", .time),
                        ("granted", .json), ("issued_at", .time), ("changed_at", .time),
                    ]),
                RowExport.Kind(
                    "activations", "activation_all", keys: 2,
                    [
                        ("license_id", .id), ("device", .hidden), ("activation_id", .id), ("place", .integer),
                        (
                            "machine_name_box",
                            .sealed { box, row in
                                guard let id: Activation.ID = try? row.id(2) else { return nil }
                                return (try? sealer.open(box, context: Self.nameContext(id))).map { String(decoding: $0, as: UTF8.self) }
                            }
                        ), ("activated_at", .time),
                    ]),
            ])
    }
}
