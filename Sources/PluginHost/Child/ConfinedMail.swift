import PluginKit
import PluginWire

/// What dies in the middle leaves the mail unknown, as `GuardedChannel` says of any error that is none of the kit's.
struct ConfinedMail: NotificationChannel {
    let plugin: ConfinedPlugin
    func send(_ mail: OutgoingMail) async throws -> [MailResult] { try await plugin.call(ToChild.sendMail, mail) }
    func reports(_ delivery: WebhookDelivery) async throws -> [MailReport] { try await plugin.call(ToChild.readReports, delivery) }
}
