import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(SMTPMail()) }

struct SMTPMail: Plugin {
    let id = "smtp"

    func validate(_ settings: PluginSettings) throws {
        guard let server = StreamAddress(try settings.text("server")) else { throw PluginRefusal("server is not host:port.") }
        let encryption = try settings.text("encryption")
        if encryption == "none" {
            guard WebOrigin("http://\(server)")?.isLoopback == true else {
                throw PluginRefusal(
                    "encryption is none, and \(server.host) is another machine: mails would cross the network in the clear.")
            }
            guard settings["username"] == nil else {
                throw PluginRefusal("encryption is none, so no password may be sent: leave username out, or choose starttls or implicit.")
            }
        }
        if server.port == 465, encryption == "starttls" {
            throw PluginRefusal("Port 465 is for encryption: implicit; with starttls the port is 587, or 25.")
        }
        if let helo = settings["helo"]?.string, !SMTPText.isHost(helo) { throw PluginRefusal("helo must be a host name.") }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let settings = context.settings
        let username = settings["username"]?.string
        let password = try? context.secrets.one("SMTP_PASSWORD")
        if username != nil, password == nil { throw PluginRefusal("There is a username and no SMTP_PASSWORD.") }
        if username == nil, password != nil { throw PluginRefusal("There is an SMTP_PASSWORD and no username.") }
        if (username ?? "").utf8.contains(0) || (password ?? "").utf8.contains(0) {
            throw PluginRefusal("username and SMTP_PASSWORD cannot hold the sign NUL.")
        }
        guard let server = StreamAddress(try settings.text("server")) else { throw PluginRefusal("server is not host:port.") }
        let origin = context.site
        let terms = SMTPTerms(
            server: server, encryption: SMTPTerms.Encryption(rawValue: try settings.text("encryption")) ?? .starttls,
            login: username.flatMap { name in password.map { SMTPTerms.Login(username: name, password: $0) } },
            helo: settings["helo"]?.string, roots: try? context.secrets.one("SMTP_TRUSTED_ROOTS"),
            timeout: .seconds(try settings.integer("timeout_seconds")))
        let channel = SMTPChannel(
            terms: terms, streams: context.streams, clock: context.clock, secrets: context.secrets,
            kept: try settings.integer("kept_connections")
        ) { origin.origin() }
        return Instance(channel: channel)
    }

    private struct Instance: PluginInstance {
        let channel: SMTPChannel
        var notificationChannel: (any NotificationChannel)? { channel }
        func drain() async { await channel.letGo() }
        func stop() async { await channel.letGo() }
    }
}

/// Where and how mail is handed over.
struct SMTPTerms: Sendable {
    enum Encryption: String, Sendable { case starttls, implicit, none }
    struct Login: Sendable {
        let username: String
        let password: String
    }
    let server: StreamAddress
    let encryption: Encryption
    let login: Login?
    let helo: String?
    let roots: String?
    let timeout: Duration
}
