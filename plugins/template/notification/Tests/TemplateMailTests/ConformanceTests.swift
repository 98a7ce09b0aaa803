import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import TemplateMail

private let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")

/// The provider's other side, in a few words.
private actor Provider {
    let situation: MailSituation
    var taken: [TakenMail] = []
    init(_ situation: MailSituation) { self.situation = situation }

    func answer(_ request: OutboundRequest) throws -> OutboundResponse {
        switch situation {
        case .busy: return OutboundResponse(status: 429, headers: ["retry-after": "30"])
        case .refusesMail: return OutboundResponse(status: 422, body: Data(#"{"message":"mary@example.com is not liked"}"#.utf8))
        case .breaksBefore: throw OutboundFailure.unsent("no connection")
        default: break
        }
        guard request.headers["authorization"] == "Bearer the-key", situation != .wrongSecret else { return OutboundResponse(status: 401) }
        let mail = try JSONValue.parse(request.body)
        let text = { (value: JSONValue?) in value?.string ?? "" }
        let refused = [MailSituation.refusesNobody: "nobody@example.com", .laterForFull: "full@example.com"][situation]
        var results: [JSONValue] = []
        var recipients: [String] = []
        for party in mail["to"]?.array ?? [] {
            let address = text(party["address"])
            let status = address == refused ? (situation == .laterForFull ? "later" : "refused") : "taken"
            if status == "taken" { recipients.append(address) }
            results.append(["to": .string(address), "status": .string(status), "id": "m_1"])
        }
        if !recipients.isEmpty {
            let names = (mail["to"]?.array ?? []).map { text($0["name"]) }.joined(separator: ", ")
            let content = "To: \(names)\nSubject: \(text(mail["subject"]))\n\n\(text(mail["text"]))"
            taken.append(
                TakenMail(from: text(mail["from"]?["address"]), recipients: recipients, content: content, id: text(mail["message_id"])))
        }
        if situation == .breaksAfter { throw OutboundFailure.unanswered("the connection broke") }
        let body = situation == .answersNonsense ? Data("<html>".utf8) : try JSONValue.object(["results": .array(results)]).encoded()
        return OutboundResponse(status: 200, body: body)
    }
}

/// What the conformance kit must know of this channel: how it is made, and how its other side behaves.
private struct Subject: NotificationChannelSubject {
    let secrets = ["the-key"]

    func stage(_ situation: MailSituation) async throws -> MailStage? {
        // Over HTTP the host sees to encryption.
        guard situation != .noEncryption else { return nil }
        let provider = Provider(situation)
        let bench = try PluginBench(manifest: manifest, at: Timestamp(seconds: 1_800_000_000)) { try await provider.answer($0) }
        let context = try bench.context(secrets: ["TEMPLATE_SECRET_KEY": ["the-key"]])
        guard let channel = try await PluginBench.made(TemplateMail(), context).notificationChannel else {
            throw PluginRefusal("It provides nothing.")
        }
        return MailStage(channel: channel, taken: { await provider.taken })
    }
}

@Test("the channel passes the public conformance kit")
func conformance() async {
    let findings = await NotificationChannelConformance(Subject()).run()
    for finding in findings { #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))") }
    #expect(findings.count == 15)
}
