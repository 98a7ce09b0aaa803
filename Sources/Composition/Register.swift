import HTTPEdge
import HookEngine
import Vocabulary

/// Every fact of every room, gathered once: settings, problems, permissions, hooks, routes.
package struct Register: Sendable {
    package var settings: [AnySetting]
    package var problems: [Problem]
    package var permissions: [Permission]
    package var hooks: [HookDefinition]
    package var routes: [Route]
    /// Asked of the policies in force, where somebody did.
    package var matrix: RoleMatrix?

    package init(settings: [AnySetting], problems: [Problem], permissions: [Permission], hooks: [HookDefinition], routes: [Route]) {
        self.settings = settings
        self.problems = problems
        self.permissions = permissions
        self.hooks = hooks
        self.routes = routes
    }

    package static let events: [(topic: String, summary: String)] = [
        (UserVerified.topic, UserVerified.summary), (StandingChanged.topic, StandingChanged.summary),
        (LicenseIssued.topic, LicenseIssued.summary), (LicenseRevoked.topic, LicenseRevoked.summary),
        (LicenseChanged.topic, LicenseChanged.summary), (PaymentTold.topic, PaymentTold.summary),
        (ProjectChanged.topic, ProjectChanged.summary), (ProjectFileChanged.topic, ProjectFileChanged.summary),
        (SeatTold.topic, SeatTold.summary), (TenantPoliciesChanged.topic, TenantPoliciesChanged.summary),
        (OffboardingTold.topic, OffboardingTold.summary), (ContractChanged.topic, ContractChanged.summary),
        (MailRequested.topic, MailRequested.summary), (MemberAccessChanged.topic, MemberAccessChanged.summary),
        (MembershipChanged.topic, MembershipChanged.summary),
    ]
}
