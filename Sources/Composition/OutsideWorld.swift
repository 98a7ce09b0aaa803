import Billing
import HookEngine
import Notifications
import PluginKit
import Webhooks

/// What stands in the place of the world outside; nil: the real one. A simulation fills all of it, so that it reaches nobody.
package struct OutsideWorld: Sendable {
    /// In the place of the payment plugins.
    package var payments: (any PaymentProviders)?
    /// In the place of mailbox and mail plugin.
    package var mail: (any MailTransport)?
    /// In the place of the way to customers' own systems.
    package var webhooks: (any WebhookTransport)?
    /// In the place of the way to other regions.
    package var regions: (any OutboundHTTP)?
    /// In the place of the decision log in the data directory.
    package var decisions: (any DecisionSink)?
    package init() {}
}
