import Foundation
import HTTPEdge
import HTTPServer
import Notifications
import PluginKit
import PolicyHost
import Signing
import Store
import Vocabulary

/// Looks at everything that a server needs, beside a running one or without, and says what is wrong and what to do.
package struct DoctorRounds: Sendable {
    package struct Finding: Sendable {
        package let line: String
        package let isBad: Bool
        static func fine(_ what: String, _ words: String) -> Finding { Finding(line: "ok    \(what): \(words)", isBad: false) }
        static func note(_ what: String, _ words: String) -> Finding { Finding(line: "note  \(what): \(words)", isBad: false) }
        static func bad(_ what: String, _ words: String) -> Finding { Finding(line: "BAD   \(what): \(words)", isBad: true) }
    }
    /// What was said and is read by nobody.
    package static func unread(_ options: PlatformOptions) -> [String] { UnreadSettings(options).sentences() }

    private let options: PlatformOptions
    package init(_ options: PlatformOptions) { self.options = options }

    package func make() async throws -> [Finding] {
        let unread = UnreadSettings(options).sentences()
        var findings =
            unread.isEmpty ? [Finding.fine("settings", "every setting is known and in its range")] : unread.map { .bad("settings", $0) }
        findings.append(.fine("signatures", "made by \(CryptoLibrary.version)"))
        guard FileManager.default.fileExists(atPath: options.data.path) else {
            return findings + [.note("data", "\(options.data.path) does not exist yet; 'coditectd serve' makes it")] + policies()
        }
        let data = try DataDirectory(options.data, isShared: true)
        findings.append(permissions(data))
        findings += keys(data)
        findings += await journal()
        findings += policies()
        findings.append(await containment())
        findings += await regions()
        findings += await plugins()
        findings += exposure()
        findings.append(mails())
        return findings
    }

    private func permissions(_ data: DataDirectory) -> Finding {
        let mode = (try? FileManager.default.attributesOfItem(atPath: data.root.path)[.posixPermissions] as? NSNumber)?.intValue ?? 0
        return mode & 0o077 == 0
            ? .fine("data", "\(data.root.path) is readable by its owner alone")
            : .bad("data", "\(data.root.path) has mode \(String(mode, radix: 8)); run: chmod 700 \(data.root.path)")
    }

    private func keys(_ data: DataDirectory) -> [Finding] {
        guard FileManager.default.fileExists(atPath: data.keys.path) else { return [.note("keys", "none yet; the first start makes them")] }
        do {
            let master = try Ground.masterKey(data, options)
            let ring = try Ground.keys(data, options)
            var findings: [Finding] = [.fine("master key", "from \(master.source)")]
            if case .environment = master.source {
            } else {
                findings.append(.note("master key", "keep a copy apart from the backups: without it nothing sealed can be read"))
            }
            for purpose in KeyPurpose.allCases {
                let active = ring.list().first { $0.purpose == purpose && $0.state == .active }
                findings.append(
                    active.map { .fine("key \(purpose.rawValue)", "\($0.id), since \($0.createdAt.iso8601)") }
                        ?? .note("key \(purpose.rawValue)", "not made yet; it is made when first needed"))
            }
            return findings
        } catch {
            return [.bad("keys", "\(error)")]
        }
    }

    private func journal() async -> [Finding] {
        do {
            let desk = try await AuditDesk(options)
            let results = try await desk.verify(tenant: nil)
            await desk.close()
            let broken = results.filter { !$0.isIntact }
            return broken.isEmpty
                ? [.fine("audit log", "\(results.count) chains intact")] : broken.map { .bad("audit log", $0.line) }
        } catch {
            return [.bad("audit log", "\(error)")]
        }
    }

    private func regions() async -> [Finding] {
        do {
            guard try RegionMap(options) != nil else { return [] }
            return try await RegionDesk(options).status().map { $0.isBad ? .bad($0.what, $0.words) : .fine($0.what, $0.words) }
        } catch {
            return [.bad("regions", "\(error)")]
        }
    }

    private func mails() -> Finding {
        let channel = options.settings[NotificationSettings.channel]
        guard !channel.isEmpty else {
            return .note("mails", "files in the data folder; set mail.channel to send them, for example by the plugin smtp")
        }
        let manifests = (try? FileManager.default.contentsOfDirectory(at: options.plugins, includingPropertiesForKeys: nil)) ?? []
        let found = manifests.compactMap { try? PluginManifest(json: Data(contentsOf: $0.appendingPathComponent("plugin.json"))) }
            .first { $0.id == channel }
        guard let found else {
            return .bad("mails", "mail.channel is \(channel), and no such plugin is in \(options.plugins.path): mails wait")
        }
        return found.kinds.contains(.notificationChannel)
            ? .fine("mails", "by the plugin \(channel); whether it is at work is under plugins")
            : .bad("mails", "mail.channel is \(channel), and that plugin takes no mails: they wait")
    }

    private func containment() async -> Finding {
        let watch = ContainmentWatch()
        let state = await watch.run(AttackDesk.ownProgram)
        return state.isContained ? .fine("policy sandbox", state.text) : .bad("policy sandbox", state.text)
    }

    private func policies() -> [Finding] {
        do {
            let desk = try PolicyDesk(options)
            let result = desk.test()
            let faults = result.findings + result.failed
            return faults.isEmpty
                ? [.fine("policies", "\(result.passed.count) of their own tests passed")] : faults.map { .bad("policies", $0) }
        } catch {
            return [.bad("policies", "\(error)")]
        }
    }

    private func plugins() async -> [Finding] {
        do {
            let checked = try await PluginDesk.check(options).lines.map { line in
                line.contains("  refused  ") ? Finding.note("plugin", line) : .fine("plugin", line)
            }
            // What the running server says of the processes that it keeps.
            return try checked
                + PluginDesk(options).children().map { $0.isWorking ? .fine("plugin process", $0.line) : .bad("plugin process", $0.line) }
        } catch {
            return [.bad("plugins", "\(error)")]
        }
    }

    private func exposure() -> [Finding] {
        let settings = options.settings
        var findings: [Finding] = []
        if settings[HTTPEdgeSettings.publicURL].isEmpty {
            findings.append(.note("http.public_url", "not set: links in mails use the address that the server listens on"))
        }
        if settings[HTTPEdgeSettings.tlsCertificate].isEmpty {
            findings.append(.note("tls", "not in this process: listen on loopback, or behind a proxy named in http.trusted_proxies"))
        }
        if let end = HTTPService.certificateEnds(settings), end - options.clock.now() < .days(30) {
            findings.append(.bad("tls", "the certificate ends at \(end.iso8601): renew it"))
        }
        if !settings[HTTPEdgeSettings.limitsEnabled] {
            findings.append(.bad("http.limits_enabled", "is off: anybody may guess without pause"))
        }
        return findings
    }
}
