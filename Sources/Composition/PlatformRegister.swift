import Access
import Billing
import Catalog
import Console
import Foundation
import HTTPEdge
import HookEngine
import Identity
import Licensing
import Notifications
import Seats
import Signing
import Store
import Tenancy
import TenantPolicies
import Vocabulary
import Webhooks

/// Every literal of every room, gathered without building anything.
package enum PlatformRegister {
    package static let settings: [AnySetting] =
        PlatformSettings.all + PluginPlatformSettings.all + HTTPEdgeSettings.all + SigningSettings.all + TenancySettings.all
        + IdentitySettings.all + CatalogSettings.all
        + BillingSettings.all + LicenseSettings.all + SeatSettings.all + NotificationSettings.all
        + ConsoleSettings.all + TenantPolicySettings.all + WebhookSettings.all

    package static let problems: [Problem] =
        CommonProblems.all + HTTPProblems.all + TenancyProblems.all + IdentityProblems.all + CatalogProblems.all + BillingProblems.all
        + LicenseProblems.all + SeatProblems.all + PolicyProblems.all + PluginProblems.all
        + TenantPolicyProblems.all + WebhookProblems.all

    package static let hooks: [HookDefinition] =
        [
            SignupHook.definition, LoginHook.definition, InviteHook.definition, RoleCheckHook.definition, OnNotify.definition,
        ] + BillingHooks.all + SeatHooks.all + ComingHooks.all

    package static func permissions(_ routes: [Route]) -> [Permission] {
        var all = BillingPermissions.all + LicensePermissions.all + SeatPermissions.all + PolicyPermissions.all + PluginPermissions.all
        all += TenantPolicyPermissions.all + WebhookPermissions.all
        for route in routes {
            if case .permission(let permission) = route.access, !all.contains(permission) { all.append(permission) }
        }
        return all
    }

    /// In the order of the rooms; a room's own are in the order of their numbers.
    package static func migrations() throws -> [Migration] {
        try [
            TenancyRoom.migrations(), IdentityRoom.migrations(), AccessRoom.migrations(), CatalogRoom.migrations(),
            BillingRoom.migrations(),
            LicensingRoom.migrations(), SeatsRoom.migrations(), NotificationsRoom.migrations(), TenantPoliciesRoom.migrations(),
            WebhooksRoom.migrations(),
            Migration.all(room: "plugins", bundle: .module),
        ].flatMap { $0 }
    }

    /// Which rooms listen to which event. The store must know before the rooms are built; `Platform.open` checks that they agree.
    static let topics: [String: [String]] = [
        UserVerified.topic: ["licensing", "webhooks"], StandingChanged.topic: ["licensing", "webhooks"],
        LicenseIssued.topic: ["webhooks"], LicenseChanged.topic: ["webhooks"], LicenseRevoked.topic: ["webhooks"],
        PaymentTold.topic: ["webhooks"], SeatTold.topic: ["webhooks"], TenantPoliciesChanged.topic: ["webhooks"],
        MailRequested.topic: ["notifications"],
    ]
}
