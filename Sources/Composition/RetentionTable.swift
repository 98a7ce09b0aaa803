import Billing
import Catalog
import Compliance
import DataRequests
import Identity
import Licensing
import Notifications
import Offboarding
import Projects
import Provisioning
import Seats
import Store
import Tenancy
import TenantPolicies
import Usage
import Vocabulary
import Webhooks

/// Every kind of record, from every room: the retention table.
package enum RetentionTable {
    package static let kinds: [RetentionKind] =
        TenancyRetention.kinds + IdentityRetention.kinds + CatalogRetention.kinds + BillingRetention.kinds + UsageRetention.kinds
        + LicensingRetention.kinds + SeatRetention.kinds + ProvisioningRetention.kinds + ProjectRetention.kinds
        + NotificationRetention.kinds + TenantPolicyRetention.kinds + WebhookRetention.kinds + ComplianceRetention.kinds
        + OffboardingRetention.kinds + DataRequestRetention.kinds + StoreRetention.kinds(journalDays: PlatformSettings.journalDays)
        + platform

    /// What no room keeps.
    private static let platform = [
        RetentionKind(
            "plugin_values", "What plugins keep, sealed, in a space for each tenant", .tenant, tables: ["plugin_value"],
            [.lasting(.tenant, "a plugin goes on where it was")], end: .deleted),
        RetentionKind(
            "nodes", "Processes that serve over one database", .platform, tables: ["node"],
            [
                RetentionDuty(
                    .purpose, "operators see who serves, and who went away", from: "when it told of itself last", clock: "seen_at",
                    .fixed(NodeBook.kept))
            ], end: .deleted, job: RetentionJob("every process, whenever it tells of itself", isJob: false),
            probe: RetentionProbe("node", .ofPlatform, by: "id")),
        RetentionKind(
            "decisions", "What policy decided, with its input: files in the data directory, the oldest first when they hold 2 GB",
            .platform,
            tables: [],
            [
                RetentionDuty(
                    .proof, "a decision is replayed as it was taken", from: "when its file was closed", .fixed(.days(90)))
            ], end: .deleted, job: RetentionJob("the log itself, when it opens a file", isJob: false)),
    ]
}
