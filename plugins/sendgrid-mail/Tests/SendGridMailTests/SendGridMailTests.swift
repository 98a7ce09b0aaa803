import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SendGridMail

@Suite("SendGrid, sending")
struct SendGridMailTests {
    private func say(_ mail: OutgoingMail, _ channel: any NotificationChannel) async -> String {
        do { return try await channel.send(mail).map { "\($0.outcome)" }.joined(separator: "; ") } catch { return "\(error)" }
    }
    private func mail(
        _ to: [String] = ["mary@example.com"], name: String = "", subject: String = "Hi", text: String = "Hello.",
        html: String = "<p>Hello.</p>"
    ) -> OutgoingMail {
        OutgoingMail(
            id: "one@example.com", from: OutgoingMail.Party("no-reply@example.com", name: "Acme"),
            to: to.map { OutgoingMail.Party($0, name: name) }, subject: subject, text: text, html: html, template: "verify_email",
            message: Data("Subject: \(subject)\r\n\r\n\(text)\r\n".utf8))
    }

    @Test("the channel passes every clause of the kit")
    func conformance() async {
        let findings = await NotificationChannelConformance(Desk()).run()
        #expect(findings.count >= 15)
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
    }

    @Test("what goes out is this, with nothing tracked, nothing reserved and nothing of a person but where it goes")
    func request() async throws {
        let other = PaperSendGrid()
        _ = await say(
            mail(["mary@example.com", "bob@example.com"], name: "Doe, Mary; Dr."), try await Desk.channel { try other.answer($0) })
        let tracking: JSONValue = [
            "click_tracking": ["enable": false, "enable_text": false], "open_tracking": ["enable": false],
            "subscription_tracking": ["enable": false], "ganalytics": ["enable": false],
        ]
        #expect(
            other.bodies == [
                [
                    "personalizations": [
                        ["to": [["email": "mary@example.com", "name": "Doe  Mary  Dr."]]],
                        ["to": [["email": "bob@example.com", "name": "Doe  Mary  Dr."]]],
                    ], "from": ["email": "no-reply@example.com", "name": "Acme"], "subject": "Hi",
                    "content": [
                        ["type": "text/plain", "value": "Hello."], ["type": "text/html", "value": "<p>Hello.</p>"],
                    ], "headers": ["Message-ID": "<one@example.com>", "Auto-Submitted": "auto-generated"],
                    "custom_args": ["coditect_mail": "one@example.com"], "categories": ["verify_email"], "tracking_settings": tracking,
                ]
            ])
    }

    @Test("an address twice is sent to once, and both are answered for; an empty part is left out")
    func twice() async throws {
        let other = PaperSendGrid()
        let channel = try await Desk.channel { try other.answer($0) }
        #expect(try await channel.send(mail(["mary@example.com", "Mary@Example.com"], html: "")).count == 2)
        #expect(other.taken.map(\.recipients) == [["mary@example.com"]])
    }

    @Test("what SendGrid never takes is refused before it is asked")
    func never() async throws {
        let other = PaperSendGrid()
        let channel = try await Desk.channel { try other.answer($0) }
        var foreign = mail()
        foreign.id = "one\r\nBcc: eve@example.com"
        for bad in [mail(subject: " \u{200b} "), mail(text: "", html: ""), mail([]), mail(["jörg@example.com"]), foreign] {
            #expect(await say(bad, channel).hasPrefix("refused"))
        }
        #expect(await say(mail(["jörg@example.com"]), channel).contains("5.6.7"))
        #expect(other.bodies.isEmpty)
        let huge = mail(text: String(repeating: "x", count: 4_000_000))
        #expect(await say(huge, channel).hasPrefix("refused"))
        #expect(other.bodies.isEmpty)
    }

    @Test("a thousand recipients and one more are too many")
    func many() async throws {
        let other = PaperSendGrid()
        let channel = try await Desk.channel { try other.answer($0) }
        #expect(await say(mail((0...1_000).map { "p\($0)@example.com" }), channel).hasPrefix("refused"))
        #expect(try await channel.send(mail((0..<1_000).map { "p\($0)@example.com" })).count == 1_000)
        #expect(other.taken.count == 1_000)
    }

    @Test(
        "what an answer means",
        arguments: [
            (202, "", "taken"), (200, "{}", "unknown"), (301, "", "unknown"),
            (400, "{\"errors\":[{\"message\":\"no\",\"field\":null}]}", "refused"),
            (400, "{\"errors\":[{\"message\":\"The from address does not match\",\"field\":\"from.email\"}]}", "misconfigured"),
            (400, "<html>", "refused"), (401, "{\"errors\":[{\"message\":\"Maximum credits exceeded\"}]}", "misconfigured"),
            (403, "", "misconfigured"), (404, "", "misconfigured"), (413, "", "refused"), (422, "", "refused"), (429, "", "later"),
            (500, "", "unknown"), (502, "", "unknown"), (503, "", "later"), (504, "", "unknown"), (999, "", "unknown"),
        ])
    func answers(_ status: Int, _ body: String, _ expected: String) async throws {
        let channel = try await Desk.channel { _ in OutboundResponse(status: status, body: Data(body.utf8)) }
        let said = await say(mail(), channel)
        #expect(said.hasPrefix(expected), "\(said)")
    }

    @Test("the pause of a limit is SendGrid's own, a day at most")
    func limits() async throws {
        let cases: [([String: String], Duration?)] = [
            (["x-ratelimit-reset": "1795253460"], .seconds(60)), (["x-ratelimit-reset": "1"], .seconds(1)),
            (["x-ratelimit-reset": "99999999999"], .seconds(86_400)), (["retry-after": "7"], .seconds(7)), (["retry-after": "soon"], nil),
            ([:], nil),
        ]
        for (headers, expected) in cases {
            let channel = try await Desk.channel { _ in OutboundResponse(status: 429, headers: headers) }
            do { _ = try await channel.send(mail()) } catch NotificationFailure.later(_, let after) {
                #expect(after == expected, "\(headers)")
            }
        }
    }

    @Test("SendGrid is asked a second time only where it named bad recipients, which sent nothing")
    func once() async throws {
        for status in [202, 200, 400, 401, 429, 500, 503] {
            let other = PaperSendGrid()
            let channel = try await Desk.channel { request in
                _ = try other.answer(request)
                return OutboundResponse(status: status)
            }
            _ = await say(mail(), channel)
            #expect(other.bodies.count == 1, "\(status)")
        }
        let other = PaperSendGrid(.refusesNobody)
        let channel = try await Desk.channel { try other.answer($0) }
        _ = await say(mail(["nobody@example.com", "mary@example.com"]), channel)
        #expect(other.bodies.count == 2 && other.taken.count == 1)
        let stubborn = try await Desk.channel { _ in
            OutboundResponse(status: 400, body: Data("{\"errors\":[{\"message\":\"x\",\"field\":\"personalizations.0.to.0.email\"}]}".utf8))
        }
        #expect(await say(mail(["a@example.com", "b@example.com"]), stubborn).hasPrefix("refused"))
    }

    @Test("keys and addresses that cannot be meant are refused in a sentence")
    func settings() async throws {
        let cases: [([String: JSONValue], [String: [String]], String)] = [
            ([:], ["SENDGRID_API_KEY": ["SG.a b"]], "no API key"), ([:], ["SENDGRID_API_KEY": ["short"]], "no API key"),
            ([:], ["SENDGRID_WEBHOOK_KEY": ["AAAA"]], "no public key"),
            (["api_base": "https://api.sendgrid.com/v3"], [:], "has a path"),
        ]
        for (settings, secrets, words) in cases {
            do {
                _ = try await Desk.channel(settings, secrets: secrets) { _ in OutboundResponse(status: 202) }
                Issue.record("\(words): taken")
            } catch let refusal as PluginRefusal {
                #expect(refusal.reason.contains(words), "\(refusal)")
            }
        }
    }
}
