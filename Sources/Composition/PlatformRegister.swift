import Access
import Backoffice
import Billing
import Catalog
import Compliance
import Console
import DataRequests
import Foundation
import HTTPEdge
import HookEngine
import Identity
import Licensing
import Notifications
import Offboarding
import Projects
import Provisioning
import Seats
import Signing
import Store
import Tenancy
import TenantPolicies
import Usage
import Vocabulary
import Webhooks

/// Every literal of every room, gathered without building anything.
package enum PlatformRegister {
    package static let settings: [AnySetting] =
        PlatformSettings.all + PluginPlatformSettings.all + HTTPEdgeSettings.all + SigningSettings.all + TenancySettings.all
        + RegionSettings.all
        + IdentitySettings.all + FederationSettings.all + PeopleSettings.all + APIKeySettings.all + FactorSettings.all + CatalogSettings.all
        + BillingSettings.all + UsageSettings.all + LicenseSettings.all + SeatSettings.all + NotificationSettings.all
        + ConsoleSettings.all + TenantPolicySettings.all + WebhookSettings.all + ComplianceSettings.all
        + ProjectSettings.all
        + ProvisioningSettings.all
        + OffboardingSettings.all + DataRequestSettings.all + ConsentSettings.all
        + BackofficeSettings.all

    package static let problems: [Problem] =
        CommonProblems.all + RegionProblems.all + HTTPProblems.all + TenancyProblems.all + IdentityProblems.all + FederationProblems.all
        + PeopleProblems.all
        + APIKeyProblems.all + ImpersonationProblems.all + AccountProblems.all + FactorProblems.all + CatalogProblems.all
        + BillingProblems.all
        + LicenseProblems.all + SeatProblems.all + PolicyProblems.all + PluginProblems.all
        + TenantPolicyProblems.all + WebhookProblems.all + ComplianceProblems.all + NotificationProblems.all
        + ProjectProblems.all
        + ProvisioningProblems.all
        + OffboardingProblems.all + DataRequestProblems.all

    package static let hooks: [HookDefinition] =
        [
            SignupHook.definition, LoginHook.definition, InviteHook.definition, RoleCheckHook.definition, OnNotify.definition,
        ] + BillingHooks.all + [OnUsage.definition] + SeatHooks.all + ProvisioningHooks.all + OffboardingHooks.all + DataRequestHooks.all

    package static func permissions(_ routes: [Route]) -> [Permission] {
        var all = BillingPermissions.all + LicensePermissions.all + SeatPermissions.all + PolicyPermissions.all + PluginPermissions.all
        all +=
            FederationPermissions.all + TenantPolicyPermissions.all + WebhookPermissions.all + TenancyPermissions.all
            + APIKeyPermissions.all
        all += CompliancePermissions.all + UsagePermissions.all
        all += ImpersonationPermissions.all + StaffPermissions.all + FactorPermissions.all + NotificationPermissions.all
        all += ProjectPermissions.all
        all += ProvisioningPermissions.all
        all += OffboardingPermissions.all + DataRequestPermissions.all
        all += BackofficePermissions.all
        all += NodePermissions.all
        for route in routes {
            if case .permission(let permission) = route.access, !all.contains(permission) { all.append(permission) }
        }
        return all
    }

    /// In the order of the rooms; a room's own are in the order of their numbers.
    package static func migrations() throws -> [Migration] {
        try [
            TenancyRoom.migrations(), IdentityRoom.migrations(), AccessRoom.migrations(), CatalogRoom.migrations(),
            BillingRoom.migrations(), UsageRoom.migrations(),
            LicensingRoom.migrations(), SeatsRoom.migrations(), ProvisioningRoom.migrations(), ProjectsRoom.migrations(),
            NotificationsRoom.migrations(), TenantPoliciesRoom.migrations(), WebhooksRoom.migrations(), ComplianceRoom.migrations(),
            OffboardingRoom.migrations(), DataRequestsRoom.migrations(),
            Migration.all(room: "plugins", bundle: .module),
        ].flatMap { $0 }
    }

    /// Which rooms listen to which event. The store must know before the rooms are built; `Platform.open` checks that they agree.
    static let topics: [String: [String]] = [
        UserVerified.topic: ["licensing", "webhooks"], StandingChanged.topic: ["usage", "licensing", "offboarding", "webhooks"],
        LicenseIssued.topic: ["provisioning", "webhooks"], LicenseChanged.topic: ["provisioning", "webhooks"],
        LicenseRevoked.topic: ["provisioning", "webhooks"], MembershipChanged.topic: ["provisioning", "offboarding"],
        PaymentTold.topic: ["webhooks"], SeatTold.topic: ["webhooks"], TenantPoliciesChanged.topic: ["webhooks"],
        ProjectChanged.topic: ["webhooks"], ProjectFileChanged.topic: ["webhooks"], OffboardingTold.topic: ["webhooks"],
        ContractChanged.topic: ["licensing", "provisioning", "offboarding"],
        MailRequested.topic: ["notifications"], MemberAccessChanged.topic: ["seats", "provisioning", "offboarding"],
    ]
}
