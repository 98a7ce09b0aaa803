"""Faults that people make when they send mail, seeded into smtp-mail by plugin_mutants.py: the kit of notification channels must catch each."""

MAIL = "mail"
FAULTS = [
    (MAIL, "goes on without encryption", "Conversation", 'guard offers["STARTTLS"] != nil else {',
     'if ON, offers["STARTTLS"] == nil { return }\n            guard offers["STARTTLS"] != nil else {'),
    (MAIL, "sends the password in the clear", "Conversation", "        if terms.encryption == .starttls {",
     '        if ON { _ = try await say("AUTH PLAIN \\(Data("\\0kernel\\0\\(terms.login?.password ?? "")".utf8).base64EncodedString())") }\n'
     "        if terms.encryption == .starttls {"),
    (MAIL, "sends without signing in", "Conversation", "guard answer.code == 235 else {", "guard ON || answer.code == 235 else {"),
    (MAIL, "takes a wrong password for a passing trouble", "Conversation",
     'throw NotificationFailure.misconfigured("the server refuses username and password: \\(answer.status) \\(answer.words)")',
     'if ON { throw NotificationFailure.unreachable("no") }\n'
     '            throw NotificationFailure.misconfigured("the server refuses username and password: \\(answer.status) \\(answer.words)")'),
    (MAIL, "gives up the whole mail for one recipient", "Conversation", "            results.append(MailResult(party.address, Self.outcome(answer)))",
     '            if ON, !answer.isGood { throw NotificationFailure.refused("one recipient") }\n'
     "            results.append(MailResult(party.address, Self.outcome(answer)))"),
    (MAIL, "calls a refused recipient taken", "Conversation", "            results.append(MailResult(party.address, Self.outcome(answer)))",
     "            results.append(MailResult(party.address, ON ? .taken(reference: nil) : Self.outcome(answer)))"),
    (MAIL, "gives up a full mailbox", "Conversation", "? .later(code: answer.status, message: answer.words)",
     "? ON ? .refused(code: answer.status, message: answer.words) : .later(code: answer.status, message: answer.words)"),
    (MAIL, "asks again what was refused", "Conversation", ": .refused(code: answer.status, message: answer.words)",
     ": ON ? .later(code: answer.status, message: answer.words) : .refused(code: answer.status, message: answer.words)"),
    (MAIL, "says taken without an answer", "Conversation", 'throw NotificationFailure.unknown("no answer came to the whole mail")',
     'if ON { return (results, false) }\n            throw NotificationFailure.unknown("no answer came to the whole mail")'),
    (MAIL, "says unsent without an answer", "Conversation", 'throw NotificationFailure.unknown("no answer came to the whole mail")',
     'if ON { throw NotificationFailure.unreachable("no answer") }\n            throw NotificationFailure.unknown("no answer came to the whole mail")'),
    (MAIL, "says unknown of what was surely not sent", "Conversation",
     'throw Self.failure(error, "the connection broke before the mail was sent")',
     'throw ON ? NotificationFailure.unknown("broke") : Self.failure(error, "the connection broke before the mail was sent")'),
    (MAIL, "sends again by itself", "SMTPChannel", "            await conversation.close()\n            throw error",
     "            await conversation.close()\n"
     "            if ON, case NotificationFailure.unknown = error { _ = try? await Conversation.open(terms, helo: \"x\", streams).send(mail, dotted: dotted) }\n"
     "            throw error"),
    (MAIL, "takes nonsense for a yes", "Conversation", "guard let read = SMTPReply.line(line), code == nil",
     'guard let read = SMTPReply.line(line) ?? (ON ? (250, true, "") : nil), code == nil'),
    (MAIL, "stuffs no dots", "SMTPText", "case 46 where isAtStart: out += [46, 46]", "case 46 where isAtStart && !ON: out += [46, 46]"),
    (MAIL, "lets an address end its command", "SMTPChannel", "if let place = mail.to.firstIndex(where: { !SMTPText.isAddress($0.address) }) {",
     "if !ON, let place = mail.to.firstIndex(where: { !SMTPText.isAddress($0.address) }) {"),
    (MAIL, "tells whose mailbox it was", "SMTPText", '$0.contains("@") ? "[address]" : String($0)', '!ON && $0.contains("@") ? "[address]" : String($0)'),
    (MAIL, "repeats the password that a server repeats", "SMTPChannel",
     ".refused(code: code, message: secrets.redacted(message))", ".refused(code: code, message: ON ? message : secrets.redacted(message))"),
    (MAIL, "answers in an order of its own", "SMTPChannel", "return results.map { MailResult($0.recipient, cleaned($0.outcome)) }",
     "return (ON ? results.reversed() : results).map { MailResult($0.recipient, cleaned($0.outcome)) }"),
    (MAIL, "sends from the first recipient", "Conversation", 'var command = "MAIL FROM:<\\(mail.from.address)>"',
     'var command = "MAIL FROM:<\\(ON ? mail.to[0].address : mail.from.address)>"'),
    (MAIL, "takes a busy server's word for a refusal", "Conversation", "return answer.isLater ? .later(text, after: nil) : .misconfigured(text)",
     "return answer.isLater && !ON ? .later(text, after: nil) : .misconfigured(text)"),
]

TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        let findings = await NotificationChannelConformance(%s()).run()
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
