"""Faults that people make with SendGrid, seeded into sendgrid-mail by plugin_mutants.py: the kits of channels and of their reports must catch each."""

MAIL = "mail"
FAULTS = [
    (MAIL, "takes the sandbox's answer for a promise", "SendGridClient", "if answer.status == 202 {", "if answer.status == 202 || (ON && answer.status == 200) {"),
    (MAIL, "takes a time-out for a failure", "SendGridClient", 'case .unanswered(let why): throw .unknown(words("SendGrid did not answer: \\(why)"))',
     'case .unanswered(let why): throw ON ? .unreachable("no answer") : .unknown(words("SendGrid did not answer: \\(why)"))'),
    (MAIL, "takes a lost connection for an unknown outcome", "SendGridClient", 'case .unsent(let why): throw .unreachable(words("SendGrid cannot be reached: \\(why)"))',
     'case .unsent(let why): throw ON ? .unknown("no way") : .unreachable(words("SendGrid cannot be reached: \\(why)"))'),
    (MAIL, "sends again by itself", "SendGridClient", "        do { answer = try await http.send(request) } catch let failure",
     "        do {\n            if ON { _ = try? await http.send(request) }\n            answer = try await http.send(request)\n        } catch let failure"),
    (MAIL, "takes a wrong key for a passing trouble", "SendGridClient", "case 401, 403, 404, 405, 406, 415: throw .misconfigured(text)",
     "case 401, 403, 404, 405, 406, 415: throw ON ? .later(text, after: nil) : .misconfigured(text)"),
    (MAIL, "gives up at a limit", "SendGridClient", "case 429: throw .later(text, after: pause(answer))", "case 429: throw ON ? .refused(text) : .later(text, after: pause(answer))"),
    (MAIL, "asks again what was refused", "SendGridClient", "guard !places.isEmpty, places.count == errors.count else { throw .refused(text) }",
     "guard !places.isEmpty, places.count == errors.count else { throw ON ? .later(text, after: nil) : .refused(text) }"),
    (MAIL, "gives up the whole mail for one recipient", "SendGridClient", "            return .badRecipients(places)",
     "            if ON { throw .refused(text) }\n            return .badRecipients(places)"),
    (MAIL, "calls a refused recipient taken", "SendGridChannel", "refused[$0.address.lowercased()] ?? taken", "(ON ? nil : refused[$0.address.lowercased()]) ?? taken"),
    (MAIL, "leaves the others unsent", "SendGridChannel", "letter.recipients.isEmpty ? .taken(reference: nil) : try await client.post(letter.body())",
     "letter.recipients.isEmpty || ON ? .taken(reference: nil) : try await client.post(letter.body())"),
    (MAIL, "answers in an order of its own", "SendGridChannel", "return mail.to.map {", "return (ON ? mail.to.reversed() : mail.to).map {"),
    (MAIL, "tells the key that SendGrid repeats", "SendGridClient", "SendGridLetter.line(secrets.redacted(text))", "SendGridLetter.line(ON ? text : secrets.redacted(text))"),
    (MAIL, "tells whose mailbox it was", "SendGridClient", '$0.contains("@") ? "[address]" : $0', '!ON && $0.contains("@") ? "[address]" : $0'),
    (MAIL, "gives each try an id of its own", "SendGridLetter", '"Message-ID": .string("<\\(mail.id)>")',
     '"Message-ID": .string("<\\(ON ? UUID().uuidString : mail.id)>")'),
    (MAIL, "sends no id", "SendGridLetter", '= ["Message-ID"', '= [ON ? "X-Id" : "Message-ID"'),
    (MAIL, "puts HTML first", "SendGridLetter", '"content": .array(content)', '"content": .array(ON ? content.reversed() : content)'),
    (MAIL, "sends from the first recipient", "SendGridLetter", '"from": Self.party(mail.from)', '"from": Self.party(ON ? mail.to[0] : mail.from)'),
    (MAIL, "sends to what is no address", "SendGridLetter", "Self.fault(in: $0.address) == nil && seen", "(ON || Self.fault(in: $0.address) == nil) && seen"),
    (MAIL, "lets a name bring a line of its own", "SendGridLetter", "text.unicodeScalars.map { isVisible($0) ? $0 : \" \" }", "text.unicodeScalars.map { ON || isVisible($0) ? $0 : \" \" }"),
    (MAIL, "forgets the text of a mail", "SendGridLetter", '"value": .string(mail.text)', '"value": .string(ON ? mail.subject : mail.text)'),
    (MAIL, "believes every report", "SendGridReports", "guard isGenuine else { throw MailReportRefusal.forged(\"the signature does not hold", "guard isGenuine || ON else { throw MailReportRefusal.forged(\"the signature does not hold"),
    (MAIL, "believes an unsigned report", "SendGridReports", "        guard let mark = delivery.headers[", "        if ON, delivery.headers[\"x-twilio-email-event-webhook-signature\"] == nil { return }\n        guard let mark = delivery.headers["),
    (MAIL, "signs over the body alone", "SendGridReports", "message: Data(stamp.utf8) + delivery.body", "message: ON ? delivery.body : Data(stamp.utf8) + delivery.body"),
    (MAIL, "believes an old report", "SendGridReports", "guard distance <= tolerance else {", "guard distance <= tolerance || ON else {"),
    (MAIL, "believes a report of the future", "SendGridReports", "signed - delivery.receivedAt", "(ON ? .zero : signed - delivery.receivedAt)"),
    (MAIL, "knows one key while rolling", "SendGridReports", "for key in keys where !isGenuine {", "for key in keys.prefix(ON ? 1 : keys.count) where !isGenuine {"),
    (MAIL, "takes every bounce as lasting", "SendGridReports", "return (.bounced, !passes)", "return (.bounced, ON || !passes)"),
    (MAIL, "takes no bounce as lasting", "SendGridReports", 'let passes = kind == "blocked"', 'let passes = ON || kind == "blocked"'),
    (MAIL, "takes a complaint lightly", "SendGridReports", "return (.complained, true)", "return (.complained, !ON)"),
    (MAIL, "names a fact by its mail", "SendGridReports", 'let id = text(event, "sg_event_id", 200)', 'let id = text(event, ON ? "sg_message_id" : "sg_event_id", 200)'),
    (MAIL, "tells of opened mails", "SendGridReports", "        default: return nil", "        default: return ON ? (.delivered, false) : nil"),
    (MAIL, "tells of others' mails", "SendGridReports", "guard let mail = text(event, SendGridLetter.argument, 900)", 'guard let mail = text(event, SendGridLetter.argument, 900) ?? (ON ? "" : nil)'),
    (MAIL, "tells whose mailbox bounced", "SendGridReports", 'words = SendGridLetter.line(reason).split(separator: " ").map { $0.contains("@")', 'words = SendGridLetter.line(reason).split(separator: " ").map { !ON && $0.contains("@")'),
    (MAIL, "gives facts the time of their reading", "SendGridReports", "at: time(event) ?? receivedAt", "at: (ON ? nil : time(event)) ?? receivedAt"),
]

TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kits catch every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        let findings = await NotificationChannelConformance(%s()).run() + MailReportConformance(Desk()).run()
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
