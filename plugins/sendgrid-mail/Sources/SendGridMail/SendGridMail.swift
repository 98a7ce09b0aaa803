import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(SendGridMail()) }

struct SendGridMail: Plugin {
    let id = "sendgrid"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let key = try context.secrets.one("SENDGRID_API_KEY")
        guard (20...200).contains(key.utf8.count), key.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw PluginRefusal("SENDGRID_API_KEY is no API key: one word of 20 to 200 signs, SG.….")
        }
        let base = try context.settings.text("api_base")
        guard let parts = URLComponents(string: base), parts.path.isEmpty || parts.path == "/", parts.query == nil, parts.user == nil else {
            throw PluginRefusal("api_base has a path or more: give scheme and host, https://api.sendgrid.com.")
        }
        let keys = try context.secrets.list("SENDGRID_WEBHOOK_KEY").map { text in
            guard let key = SendGridReports.key(text) else {
                throw PluginRefusal("SENDGRID_WEBHOOK_KEY is no public key of the curve P-256 in Base64, as SendGrid shows it.")
            }
            return key
        }
        return Instance(
            channel: SendGridChannel(
                client: SendGridClient(
                    http: context.http, address: (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/v3/mail/send", key: key,
                    timeout: .seconds(try context.settings.integer("timeout_seconds")), secrets: context.secrets, clock: context.clock),
                log: context.log,
                reading: SendGridReports(
                    keys: keys, tolerance: .seconds(try context.settings.integer("webhook_tolerance_seconds")),
                    signatures: context.signatures, log: context.log)))
    }

    private struct Instance: PluginInstance {
        let channel: SendGridChannel
        var notificationChannel: (any NotificationChannel)? { channel }
    }
}
