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

    package static let events: [(topic: String, summary: String)] = [
        (UserVerified.topic, UserVerified.summary), (StandingChanged.topic, StandingChanged.summary),
        (LicenseIssued.topic, LicenseIssued.summary),
        (MailRequested.topic, MailRequested.summary),
    ]
}
