import Foundation
import PluginKit
import Synchronization
import Testing

@testable import PluginHost

/// Gives back what was written to it.
final class EchoStream: OutboundStream {
    private let bench: Bench
    private let bytes = Mutex(Data())
    init(bench: Bench) { self.bench = bench }
    func read(max: Int) async throws -> Data {
        bytes.withLock { bytes in
            defer { bytes = Data(bytes.dropFirst(max)) }
            return Data(bytes.prefix(max))
        }
    }
    func write(_ data: Data) async throws { bytes.withLock { $0 += data } }
    func startTLS() async throws { throw EchoFailure() }
    func close() async { bench.state.withLock { $0.closed += 1 } }
    struct EchoFailure: Error {}
}

/// The way out for protocols that are not HTTP.
@Suite struct StreamTests {
    private func egress(_ bench: Bench) throws -> StreamEgress {
        let manifest = try PluginManifest(
            json: Data(
                """
                {"manifest": 1, "id": "mail", "name": "Mail", "version": "1.0.0", "kinds": ["notification_channel"], "kit": "1.2",
                 "library": "libMail.so", "hosts": ["ldap.example.test:636", "api.example.test"],
                 "settings": [
                   {"name": "server", "type": "address", "summary": "Where.", "opens_host": true, "required": true},
                   {"name": "other", "type": "address", "summary": "Not opened."}
                 ]}
                """.utf8))
        let settings = try manifest.settings(from: ["server": "Mail.Example.test:587", "other": "elsewhere.test:25"]).get()
        return StreamEgress(manifest, settings, services: bench)
    }

    @Test("a plugin connects to what its manifest names with a port and what the operator opened; nothing else")
    func addresses() async throws {
        let bench = try Bench()
        let egress = try egress(bench)
        for (host, port) in [("mail.example.test", 587), ("MAIL.example.test", 587), ("ldap.example.test", 636)] {
            _ = try await egress.connect(StreamTarget(host: host, port: port))
        }
        let refused = [
            ("mail.example.test", 25), ("api.example.test", 443), ("elsewhere.test", 25), ("127.0.0.1", 587), ("mail.example.test.", 587),
            ("mail.example.test\n", 587), ("", 0), ("mail.example.test", -1),
        ]
        for (host, port) in refused {
            await #expect(throws: OutboundFailure.self, "\(host):\(port)") {
                _ = try await egress.connect(StreamTarget(host: host, port: port))
            }
        }
        for target in [
            StreamTarget(host: "mail.example.test", port: 587, timeout: .zero),
            StreamTarget(host: "mail.example.test", port: 587, timeout: .seconds(301)),
            StreamTarget(host: "mail.example.test", port: 587, trustedRoots: String(repeating: "x", count: 70_000)),
        ] {
            await #expect(throws: OutboundFailure.self) { _ = try await egress.connect(target) }
        }
        #expect(bench.state.withLock { $0.connected.count } == 3)
        #expect(bench.lines.filter { $0.contains("was not let out") }.count == refused.count + 3)
    }

    @Test("an identity provider reaches directories that tenants name, on their ports alone and by the way for strangers")
    func directories() async throws {
        let bench = try Bench()
        let manifest = try PluginManifest(
            json: Data(
                """
                {"manifest": 1, "id": "ldap", "name": "L", "version": "1.0.0", "kinds": ["identity_provider"], "kit": "1.2",
                 "library": "libL.so", "hosts": ["public"],
                 "settings": [{"name": "server", "type": "address", "summary": "Where.", "opens_host": true}]}
                """.utf8))
        let egress = StreamEgress(manifest, try manifest.settings(from: ["server": "dc.internal:1636"]).get(), services: bench)
        _ = try await egress.connect(StreamTarget(host: "dc.internal", port: 1_636))
        #expect(bench.state.withLock { $0.connected.count } == 1)
        for port in [389, 636, 3_268, 3_269] {
            // The bench has no way for strangers, and says so: it was asked for one.
            await #expect(throws: OutboundFailure.forbidden("This server connects to no host that a tenant names.")) {
                _ = try await egress.connect(StreamTarget(host: "ldap.customer.test", port: port))
            }
        }
        for port in [22, 25, 80, 443, 5_432, 6_379] {
            await #expect(throws: OutboundFailure.self) {
                _ = try await egress.connect(StreamTarget(host: "ldap.customer.test", port: port))
            }
        }
        #expect(bench.lines.filter { $0.contains("was not let out") }.count == 6)
    }

    @Test("connections are counted until they are closed or let go, and bounded; an error that is none of the kit's is one")
    func bounds() async throws {
        let egress = try egress(Bench())
        let target = StreamTarget(host: "mail.example.test", port: 587)
        for _ in 0..<200 { _ = try await egress.connect(target) }
        var held: [any OutboundStream] = []
        for _ in 0..<StreamLimits.maxOpen { held.append(try await egress.connect(target)) }
        await #expect(throws: OutboundFailure.forbidden("More than \(StreamLimits.maxOpen) connections are open.")) {
            _ = try await egress.connect(target)
        }
        await held[0].close()
        await held[0].close()
        let again = try await egress.connect(target)
        await #expect(throws: OutboundFailure.self) { _ = try await egress.connect(target) }
        await #expect(throws: OutboundFailure.unsent("the connection is closed")) { try await held[0].write(Data([1])) }
        try await again.write(Data(repeating: 7, count: 200_000))
        #expect(try await again.read(max: 1_000_000).count == StreamLimits.maxRead)
        await #expect(throws: OutboundFailure.self) { try await again.write(Data(count: StreamLimits.maxWriteBytes + 1)) }
        await #expect(throws: OutboundFailure.unanswered("the connection broke")) { try await again.startTLS() }
    }
}

/// A channel as the house sees it.
@Suite struct GuardedChannelTests {
    struct Channel: NotificationChannel {
        let answer: @Sendable (OutgoingMail) throws -> [MailResult]
        func send(_ mail: OutgoingMail) async throws -> [MailResult] { try answer(mail) }
    }
    private func said(_ answer: @escaping @Sendable (OutgoingMail) throws -> [MailResult]) async throws -> String {
        let channel = GuardedChannel(
            plugin: "mail", channel: Channel(answer: answer), gate: WorkGate(), secrets: PluginSecrets(["P": ["hunter22"]]),
            services: try Bench())
        let mail = OutgoingMail(
            id: "a@b.test", from: OutgoingMail.Party("a@b.test"), to: [OutgoingMail.Party("m@b.test")], subject: "", text: "", html: "",
            message: Data())
        do { return try await channel.send(mail).map { "\($0.outcome)" }.joined() } catch { return "\(error)" }
    }

    @Test("answers that cannot be right and foreign errors leave it unknown; secrets never get through")
    func guarded() async throws {
        #expect(try await said { _ in [] }.hasPrefix("unknown"))
        #expect(try await said { _ in [MailResult("x@b.test", .taken(reference: nil))] }.hasPrefix("unknown"))
        #expect(
            try await said {
                $0.to.flatMap { [MailResult($0.address, .taken(reference: nil)), MailResult($0.address, .taken(reference: nil))] }
            }
            .hasPrefix("unknown"))
        #expect(try await said { _ in throw EchoStream.EchoFailure() }.hasPrefix("unknown"))
        #expect(try await said { _ in throw NotificationFailure.refused("no, hunter22") } == "refused(\"no, [secret]\")")
        let told = try await said {
            [MailResult($0.to[0].address, .later(code: "4.2.2", message: "hunter22" + String(repeating: "x", count: 9_000)))]
        }
        #expect(told.hasPrefix("later") && !told.contains("hunter22") && told.utf8.count < 1_000)
    }
}
