import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SMTPMail

@Suite("SMTP")
struct SMTPMailTests {
    private func send(_ mail: OutgoingMail, _ channel: any NotificationChannel) async -> String {
        do { return try await channel.send(mail).map { "\($0.outcome)" }.joined(separator: "; ") } catch { return "\(error)" }
    }
    private func mail(_ id: String = "one@example.com", to: [String] = ["mary@example.com"], _ text: String = "Hello.") -> OutgoingMail {
        OutgoingMail(
            id: id, from: OutgoingMail.Party("no-reply@example.com"), to: to.map { OutgoingMail.Party($0) }, subject: "Hi", text: text,
            html: "", message: Data("To: \(to.joined(separator: ", "))\r\nSubject: Hi\r\nMessage-ID: <\(id)>\r\n\r\n\(text)\r\n".utf8))
    }

    @Test("the channel passes every clause of the kit")
    func conformance() async {
        let findings = await NotificationChannelConformance(Desk()).run()
        #expect(findings.count >= 15)
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
    }

    @Test("settings that would send in the clear, or cannot be meant, are refused in a sentence")
    func settings() async throws {
        let cases: [([String: JSONValue], String)] = [
            (["server": "mail.example.com:25", "encryption": "none"], "another machine"),
            (["server": "127.0.0.1:25", "encryption": "none"], "no password may be sent"),
            (["server": "mail.example.com:465"], "Port 465"),
            (["helo": "a b"], "helo must be a host name"),
        ]
        for (given, words) in cases {
            do {
                _ = try await Desk.channel(PaperServer(), given)
                Issue.record("\(given) was taken")
            } catch let refusal as PluginRefusal {
                #expect(refusal.reason.contains(words), "\(refusal)")
            }
        }
        let none = [
            "mail.example.com", "mail.example.com:0", "mail.example.com:70000", "https://mail.example.com:25", "a b:25", ":25", "x:+25", "",
        ]
        for text in none {
            #expect(throws: PluginManifest.Fault.self, "\(text)") { try Desk.bench().context(settings: ["server": .string(text)]) }
        }
        #expect(StreamAddress("[2001:db8::1]:25")?.description == "[2001:db8::1]:25")
    }

    @Test("what slipped in before encryption ends the conversation, and what was offered before it does not count")
    func injection() async throws {
        let server = PaperServer(PaperServer.Manner(slippedIn: "250 2.0.0 slipped in\r\n"))
        #expect(await send(mail(), try await Desk.channel(server)).hasPrefix("misconfigured"))
        #expect(server.taken.isEmpty && !server.lines.contains { $0.hasPrefix("AUTH") })
        let fine = PaperServer()
        _ = await send(mail(), try await Desk.channel(fine))
        #expect(fine.lines.prefix(4).map { $0.prefix(4) } == ["EHLO", "STAR", "EHLO", "AUTH"])
    }

    @Test("AUTH PLAIN and LOGIN, and neither", arguments: [("PLAIN", true), ("LOGIN", true), ("CRAM-MD5", false), ("", false)])
    func ways(_ ways: String, _ isTaken: Bool) async throws {
        let server = PaperServer(PaperServer.Manner(ways: ways))
        #expect(await send(mail(), try await Desk.channel(server)).hasPrefix(isTaken ? "taken" : "misconfigured"))
        #expect(!server.clear.contains("AUTH") && server.taken.count == (isTaken ? 1 : 0))
    }

    @Test("a connection that served well serves again, for a while and for fifty mails")
    func kept() async throws {
        let bench = try Desk.bench()
        let server = PaperServer()
        let channel = try await Desk.channel(server, bench: bench)
        for number in 1...3 { #expect(await send(mail("\(number)@example.com"), channel).hasPrefix("taken")) }
        #expect(server.connections == 1)
        bench.clock.advance(by: .seconds(30))
        #expect(await send(mail("4@example.com"), channel).hasPrefix("taken"))
        #expect(server.connections == 2)

        let single = PaperServer()
        let alone = try await Desk.channel(single, ["kept_connections": 0])
        for _ in 1...3 { _ = await send(mail(), alone) }
        #expect(single.connections == 3 && single.lines.filter { $0 == "QUIT" }.count == 3)

        let many = PaperServer()
        let busy = try await Desk.channel(many)
        for number in 1...101 { _ = await send(mail("\(number)@example.com"), busy) }
        #expect(many.taken.count == 101 && many.connections == 3)
    }

    @Test(
        "answers to the whole mail: 4xx later, 5xx never, anything else unknown",
        arguments: [
            ("451 4.3.0 try again", "later"), ("421 4.3.0 bye", "later"), ("554 5.6.0 no", "refused"), ("354 go on", "unknown"),
            ("25", "unknown"), ("250-first\r\n251 other", "unknown"), ("999 what", "unknown"),
            (String(repeating: "x", count: 10_000), "unknown"),
            ("250-" + String(repeating: "a\r\n250-", count: 200) + "end", "unknown"),
        ])
    func lastWords(_ word: String, _ expected: String) async throws {
        let said = await send(mail(), try await Desk.channel(PaperServer(PaperServer.Manner(lastWord: word))))
        #expect(said.hasPrefix(expected), "\(said)")
    }

    @Test("an address outside ASCII needs SMTPUTF8, and is refused for good without it")
    func foreign() async throws {
        let server = PaperServer()
        #expect(await send(mail(to: ["jörg@example.com"]), try await Desk.channel(server)).hasPrefix("taken"))
        #expect(server.lines.contains { $0.hasPrefix("MAIL FROM:") && $0.contains("SMTPUTF8") })
        let old = PaperServer(PaperServer.Manner(offers: ["8BITMIME"]))
        let channel = try await Desk.channel(old)
        #expect(await send(mail(to: ["jörg@example.com"]), channel).contains("5.6.7"))
        #expect(await send(mail(), channel).hasPrefix("taken"))
        #expect(old.taken.count == 1 && !old.lines.contains { $0.contains("SMTPUTF8") })
    }

    @Test("a mail larger than the server takes is refused before it is sent")
    func size() async throws {
        let server = PaperServer(PaperServer.Manner(offers: ["SIZE 500"]))
        let channel = try await Desk.channel(server)
        #expect(await send(mail("a@example.com", String(repeating: "x\r\n", count: 400)), channel).hasPrefix("refused"))
        #expect(await send(mail(), channel).hasPrefix("taken"))
        #expect(server.taken.count == 1 && server.lines.contains { $0.contains("SIZE=") })
    }

    @Test("a message with bare line ends, long lines or NUL is never sent: what ends a mail for one server does not for another")
    func smuggling() async throws {
        let server = PaperServer()
        let channel = try await Desk.channel(server)
        for body in ["a\n.\nb", "a\r.\rb", "a\r\n.\rb", "a\n.\r\nMAIL FROM:<x@y>", "a\0b", String(repeating: "x", count: 1_000), "end\r"] {
            var bad = mail()
            bad.message = Data("Subject: x\r\n\r\n\(body)".utf8)
            #expect(await send(bad, channel).hasPrefix("refused"), "\(body.debugDescription.prefix(30))")
        }
        #expect(server.taken.isEmpty && server.connections == 0)
    }

    @Test("EHLO says a name, an address in brackets, and never what would end the command")
    func helo() {
        #expect(SMTPText.helo("id.example.com") == "id.example.com")
        #expect(SMTPText.helo("192.0.2.1") == "[192.0.2.1]")
        #expect(SMTPText.helo("2001:db8::1") == "[IPv6:2001:db8::1]")
        #expect(SMTPText.helo("a\r\nQUIT") == "localhost")
    }
}
