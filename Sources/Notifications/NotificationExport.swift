import Tenancy

extension Notifications {
    /// How the tenant's mails look.
    package var export: RowExport {
        RowExport(
            "notifications", store: store,
            [
                RowExport.Kind(
                    "mail-brand", "mail_brand_all",
                    [("tenant_id", .id), ("name", .text), ("accent", .text), ("footer", .text), ("changed_at", .time)])
            ])
    }
}
